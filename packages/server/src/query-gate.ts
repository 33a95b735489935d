/** Bounds how many queries run at once and how many may wait, so that a burst of dashboards cannot starve ingest of memory and time. */
import { FinchError } from "@finch/runtime";

export interface QueryGateLimits {
  /** Queries evaluated at once; each holds samples in memory. */
  readonly runningMax: number;
  /** Queries that wait for their turn; one more is refused with 503. */
  readonly waitingMax: number;
}

export const DEFAULT_QUERY_GATE_LIMITS: QueryGateLimits = { runningMax: 8, waitingMax: 128 };

export class QueryGate {
  readonly #limits: QueryGateLimits;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(limits: QueryGateLimits) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Waits for a free place; disposing what it returns frees it. Rejects with the signal's reason when it aborts while waiting. */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#running >= this.#limits.runningMax) {
      if (this.#waiting.size >= this.#limits.waitingMax) {
        throw new FinchError(
          "unavailable",
          "server/too-many-queries",
          `too many queries at once (${this.#running} running, ${this.#waiting.size} waiting); try again shortly`,
          { retryAfterSeconds: 2 },
        );
      }
      await this.#turn(signal);
    } else this.#running++;
    let left = false;
    return {
      [Symbol.dispose]: () => {
        if (!left) this.#leave();
        left = true;
      },
    };
  }

  /** The place of a query that left is handed to the first that waits, so `#running` stays. */
  #leave(): void {
    const [first] = this.#waiting;
    if (first === undefined) this.#running--;
    else {
      this.#waiting.delete(first);
      first();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.delete(onTurn);
        reject(signal.reason as Error);
      };
      const onTurn = () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      this.#waiting.add(onTurn);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}

/**
 * A signal that aborts with the request, or with a `timeout` fault after `timeoutMs`. Dispose it when the reply is made, or its timer stays.
 */
export function withTimeout(
  signal: AbortSignal,
  timeoutMs: number,
  message: string,
): { readonly signal: AbortSignal } & Disposable {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(new FinchError("timeout", "server/query-timeout", message));
  }, timeoutMs);
  return {
    signal: AbortSignal.any([signal, late.signal]),
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
