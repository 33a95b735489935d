/** What every part of an evaluation shares: the source, the steps, the budget, and the duty to let others run. */
import type { Clock } from "@finch/runtime";
import { FinchError } from "@finch/runtime";
import { limitFault } from "./errors.ts";
import { SLICE_MS } from "./limits.ts";
import type { QueryLimits } from "./limits.ts";
import type { LogSelectStatistics, LogSource } from "./source.ts";

/** The steps of a metric query: `startNs + k * stepNs` for `0 <= k < count`. */
export interface StepGrid {
  readonly startNs: bigint;
  readonly stepNs: bigint;
  readonly count: number;
}

/** What a query cost, in the terms of Loki's `stats.summary`. */
export interface QueryStatistics {
  /** Bytes of lines looked at. */
  bytesProcessed: number;
  linesProcessed: number;
  entriesReturned: number;
  execTimeSeconds: number;
  pagesRead: number;
  pagesSkipped: number;
  /** Bytes the source read to produce the pages; compressed, where it is compressed. */
  bytesRead: number;
}

export class Evaluation {
  readonly source: LogSource;
  readonly clock: Clock;
  readonly limits: QueryLimits;
  readonly signal: AbortSignal;
  readonly reads: LogSelectStatistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
  readonly #startedMs: number;
  #bytes = 0;
  #lines = 0;
  #sliceEndMs: number;

  constructor(options: {
    readonly source: LogSource;
    readonly clock: Clock;
    readonly limits: QueryLimits;
    readonly signal: AbortSignal;
  }) {
    this.source = options.source;
    this.clock = options.clock;
    this.limits = options.limits;
    this.signal = options.signal;
    this.#startedMs = this.clock.monotonicMs();
    this.#sliceEndMs = this.#startedMs + SLICE_MS;
  }

  /** Accounts for a page; beyond the budget the query ends. */
  spend(bytes: number, lines: number): void {
    this.#bytes += bytes;
    this.#lines += lines;
    if (this.#bytes > this.limits.bytesMax) {
      throw limitFault(
        `the query would read too many bytes (limit: ${this.limits.bytesMax}); ` +
          "consider adding more specific stream selectors or reduce the time range of the query",
      );
    }
  }

  /** Throws when the caller has gone or the time is over. */
  check(): void {
    if (!this.signal.aborted) return;
    const { reason } = this.signal as { reason: unknown };
    if (reason instanceof FinchError) throw reason;
    const timedOut = reason instanceof Error && reason.name === "TimeoutError";
    throw timedOut
      ? new FinchError("timeout", "logql/timeout", "the query took too long", { cause: reason })
      : new FinchError("canceled", "logql/canceled", "the query was canceled", { cause: reason });
  }

  /** Whether this turn has lasted long enough; then `await pause()`. Cheap enough for every thousand rows. */
  get due(): boolean {
    return this.clock.monotonicMs() >= this.#sliceEndMs;
  }

  async pause(): Promise<void> {
    await new Promise<void>((resolve) => void setImmediate(resolve));
    this.check();
    this.#sliceEndMs = this.clock.monotonicMs() + SLICE_MS;
  }

  statistics(entriesReturned: number): QueryStatistics {
    return {
      bytesProcessed: this.#bytes,
      linesProcessed: this.#lines,
      entriesReturned,
      execTimeSeconds: (this.clock.monotonicMs() - this.#startedMs) / 1000,
      pagesRead: this.reads.pagesRead,
      pagesSkipped: this.reads.pagesSkipped,
      bytesRead: this.reads.bytesRead,
    };
  }
}
