/** How fast samples may come in: a bucket of tokens that fills at the rate and holds a burst. */
import { FinchError } from "@finch/runtime";

export interface IngestionRate {
  /** Samples (floats, histograms and exemplars) a second; 0 lets everything in. */
  readonly perSecond: number;
  /** Samples that may come at once after a pause; a request of more can never be taken. */
  readonly burst: number;
}

export class RateLimiter {
  readonly #rate: IngestionRate;
  #tokens: number;
  #filledMs: number | undefined;

  constructor(rate: IngestionRate) {
    this.#rate = rate;
    this.#tokens = rate.burst;
  }

  /**
   * Takes `count` samples out of the bucket, or throws: `limited` with the time until there is room when waiting helps, `too-large` when it
   * does not.
   */
  take(count: number, nowMs: number): void {
    const { perSecond, burst } = this.#rate;
    if (perSecond === 0) return;
    if (count > burst) {
      throw new FinchError(
        "too-large",
        "server/over-burst",
        `the request has ${count} samples, more than may come at once (limits.metrics.ingestion_burst: ${burst}): send smaller batches`,
      );
    }
    // A clock that was set back fills nothing.
    const elapsedMs = Math.max(0, nowMs - (this.#filledMs ?? nowMs));
    this.#filledMs = nowMs;
    this.#tokens = Math.min(burst, this.#tokens + (elapsedMs * perSecond) / 1000);
    if (count > this.#tokens) {
      throw new FinchError(
        "limited",
        "server/over-rate",
        `too many samples: the limit is ${perSecond} a second with bursts of ${burst} (limits.metrics.ingestion_rate, ingestion_burst)`,
        { retryAfterSeconds: (count - this.#tokens) / perSecond },
      );
    }
    this.#tokens -= count;
  }
}
