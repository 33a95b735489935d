/** A group of query workers with a queue: gives each query a place on the least busy worker, starts workers as they are needed, ends idle ones. */
import { assert, FinchError } from "@finch/runtime";
import type { QueryThread, ThreadAnswer, ThreadRequest } from "./query-thread.ts";

export interface LaneOptions {
  readonly threadsMax: number;
  /** Queries evaluated in turns on one worker. */
  readonly placesPerThread: number;
  /** Queries that wait for a place; one more is refused with 503. */
  readonly waitingMax: number;
  /** Starts a worker; it calls `free` whenever a place may be free, and `lost` when it must not be used any more. */
  readonly start: (events: {
    free: () => void;
    lost: (thread: QueryThread) => void;
  }) => QueryThread;
  readonly nowMs: () => number;
}

interface Waiting {
  readonly expectedMs: number;
  readonly sinceMs: number;
  readonly start: (thread: QueryThread) => void;
}

export class QueryLane {
  readonly #options: LaneOptions;
  readonly #threads = new Set<QueryThread>();
  readonly #waiting = new Set<Waiting>();

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  get threads(): number {
    return this.#threads.size;
  }

  get running(): number {
    let running = 0;
    for (const thread of this.#threads) running += thread.busy;
    return running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Runs a query on a worker with a free place, or waits for one. Of those that wait, the one goes first whose expected time less the time it
   * has waited is least, so that short queries pass long ones and none waits for ever.
   */
  async run(expectedMs: number, request: ThreadRequest): Promise<ThreadAnswer> {
    const { signal } = request;
    signal.throwIfAborted();
    const thread = this.#place();
    if (thread !== undefined) return await thread.run(request);
    if (this.#waiting.size >= this.#options.waitingMax) throw tooManyQueries(this);
    return await new Promise((resolve, reject) => {
      const waiting: Waiting = {
        expectedMs,
        sinceMs: this.#options.nowMs(),
        start: (place) => {
          signal.removeEventListener("abort", onAbort);
          resolve(place.run(request));
        },
      };
      const onAbort = () => {
        this.#waiting.delete(waiting);
        reject(signal.reason as Error);
      };
      this.#waiting.add(waiting);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Ends workers that have had nothing to do for `idleMs`. */
  async stopIdle(idleMs: number): Promise<void> {
    const nowMs = this.#options.nowMs();
    const idle = [...this.#threads].filter((thread) => thread.idleMs(nowMs) >= idleMs);
    for (const thread of idle) this.#threads.delete(thread);
    await Promise.all(idle.map((thread) => thread.stop()));
  }

  async stop(): Promise<void> {
    const threads = [...this.#threads];
    this.#threads.clear();
    await Promise.all(threads.map((thread) => thread.stop()));
  }

  #place(): QueryThread | undefined {
    let best: QueryThread | undefined;
    for (const thread of this.#threads)
      if (best === undefined || thread.busy < best.busy) best = thread;
    const canStart = this.#threads.size < this.#options.threadsMax;
    if (canStart && (best === undefined || best.busy > 0)) best = this.#start();
    return best !== undefined && best.busy < this.#options.placesPerThread ? best : undefined;
  }

  #start(): QueryThread {
    const thread = this.#options.start({
      free: () => this.#admit(),
      lost: (lost) => {
        this.#threads.delete(lost);
        this.#admit();
      },
    });
    this.#threads.add(thread);
    return thread;
  }

  /** Lets in as many of those that wait as there are places. */
  #admit(): void {
    while (this.#waiting.size > 0) {
      const thread = this.#place();
      if (thread === undefined) return;
      const next = this.#next();
      this.#waiting.delete(next);
      next.start(thread);
    }
  }

  #next(): Waiting {
    const nowMs = this.#options.nowMs();
    let next: Waiting | undefined;
    let least = Infinity;
    for (const waiting of this.#waiting) {
      const rank = waiting.expectedMs - (nowMs - waiting.sinceMs);
      if (rank >= least) continue;
      next = waiting;
      least = rank;
    }
    assert(next !== undefined, "somebody waits");
    return next;
  }
}

function tooManyQueries(lane: QueryLane): FinchError {
  return new FinchError(
    "unavailable",
    "server/too-many-queries",
    `too many queries at once (${lane.running} running, ${lane.waiting} waiting); try again shortly`,
    { retryAfterSeconds: 2 },
  );
}
