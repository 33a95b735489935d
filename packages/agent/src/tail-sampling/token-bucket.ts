/** A rate with room for bursts: tokens come steadily up to a capacity, and are taken as long as there are enough. */

export class TokenBucket {
  readonly #perMs: number;
  readonly #capacity: number;
  #tokens: number;
  #filledMs: number;

  /** Full at first. */
  constructor(perSecond: number, capacity: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#capacity = capacity;
    this.#tokens = capacity;
    this.#filledMs = nowMs;
  }

  /** Takes all or none; whether it took them. */
  take(amount: number, nowMs: number): boolean {
    const grown = Math.max(0, nowMs - this.#filledMs) * this.#perMs;
    this.#tokens = Math.min(this.#capacity, this.#tokens + grown);
    this.#filledMs = nowMs;
    if (amount > this.#tokens) return false;
    this.#tokens -= amount;
    return true;
  }
}
