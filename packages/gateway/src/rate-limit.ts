/** How often somebody may ask: a bucket of tokens for each key, refilled by time, a bounded number of them. */
import type { Clock } from "@finch/runtime";

interface Bucket {
  tokens: number;
  atMs: number;
}

export class RateLimit {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #keysMax: number;
  /** In the order they were last used in. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(
    clock: Clock,
    about: { readonly perSecond: number; readonly burst: number; readonly keysMax: number },
  ) {
    this.#clock = clock;
    this.#perSecond = about.perSecond;
    this.#burst = about.burst;
    this.#keysMax = about.keysMax;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one; returns 0, or after how many seconds the next is there. */
  take(key: string): number {
    const bucket = this.#refill(key);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#keysMax) this.#forgetOldest();
    if (bucket.tokens < 1) return (1 - bucket.tokens) / this.#perSecond;
    bucket.tokens -= 1;
    return 0;
  }

  /** What {@link take} would return, with nothing taken. */
  waitSeconds(key: string): number {
    const { tokens } = this.#refill(key);
    return tokens < 1 ? (1 - tokens) / this.#perSecond : 0;
  }

  #refill(key: string): Bucket {
    const now = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return { tokens: this.#burst, atMs: now };
    const grown = ((now - bucket.atMs) / 1000) * this.#perSecond;
    bucket.tokens = Math.min(this.#burst, bucket.tokens + grown);
    bucket.atMs = now;
    return bucket;
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
