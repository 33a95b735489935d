/** Time that stands still until a test moves it on, so that what waits for a time does the same at every run. */
import type { Clock } from "@finch/runtime";

/** Turns of the event loop within which what needs no time is done: each new export takes one to reach those that refer to it. */
const TURNS = 20;
/** A batch that is not taken within this is never taken. */
const WAIT_MS_MAX = 3_600_000;

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

export class ManualClock implements Clock {
  readonly #startNs: bigint;
  #elapsedMs = 0;
  /** In the order they wake; of those that wake together, the first that slept is first. */
  #sleepers: Sleeper[] = [];

  constructor(startNs: bigint) {
    this.#startNs = startNs;
  }

  nowNs(): bigint {
    return this.#startNs + BigInt(Math.round(this.#elapsedMs * 1e6));
  }

  nowMs(): number {
    return Number(this.nowNs() / 1_000_000n);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error);
      const leave = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        leave();
        reject(signal!.reason as Error);
      };
      const sleeper: Sleeper = {
        dueMs: this.#elapsedMs + ms,
        wake: () => {
          leave();
          resolve();
        },
      };
      const after = this.#sleepers.findIndex(({ dueMs }) => dueMs > sleeper.dueMs);
      this.#sleepers.splice(after < 0 ? this.#sleepers.length : after, 0, sleeper);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await new Promise((done) => setImmediate(done));
  }

  /** Moves the time on, and wakes who sleeps meanwhile, each at its time. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    for (;;) {
      await this.settle();
      const next = this.#sleepers[0];
      if (next === undefined || next.dueMs > untilMs) break;
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      next.wake();
    }
    this.#elapsedMs = untilMs;
  }

  /** Waits for work that may itself wait for a time to come; whether it ended within an hour. Rejects as the work does. */
  async finish(work: Promise<void>): Promise<boolean> {
    let isDone = false;
    const done = work.finally(() => (isDone = true));
    done.catch(() => {});
    const untilMs = this.#elapsedMs + WAIT_MS_MAX;
    for (;;) {
      await this.settle();
      if (isDone) break;
      const next = this.#sleepers[0];
      if (next === undefined || next.dueMs > untilMs) return false;
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      next.wake();
    }
    await done;
    return true;
  }
}
