/** How many samples a second came in lately. */
import type { Clock } from "@finch/runtime";
import type { MetricStore } from "@finch/store";

const BUCKET_MS = 5_000;
const BUCKETS = 12;

export class WriteMeter {
  readonly #clock: Clock;
  /** A ring of samples by five seconds. */
  readonly #counts = new Float64Array(BUCKETS);
  /** Number of the newest bucket since 1970. */
  #newest = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A store that counts what it takes. */
  meter(store: Pick<MetricStore, "append">): Pick<MetricStore, "append"> {
    return {
      append: async (batch) => {
        const appended = await store.append(batch);
        this.#advance();
        this.#counts[this.#newest % BUCKETS]! += appended.accepted;
        return appended;
      },
    };
  }

  /** Samples a second over the last minute. */
  perSecond(): number {
    this.#advance();
    const sum = this.#counts.reduce((a, b) => a + b, 0);
    return (sum * 1000) / (BUCKET_MS * BUCKETS);
  }

  #advance(): void {
    const bucket = Math.floor(this.#clock.nowMs() / BUCKET_MS);
    const passed = Math.min(BUCKETS, Math.max(0, bucket - this.#newest));
    for (let i = 1; i <= passed; i++) this.#counts[(bucket - passed + i) % BUCKETS] = 0;
    this.#newest = Math.max(this.#newest, bucket);
  }
}
