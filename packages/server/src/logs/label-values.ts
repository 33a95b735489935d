/**
 * Counts the values that labels take within a window of time, in bounded memory: a value is remembered by 53 bits of its hash. When there is no room for
 * more, the window ends early and counting begins anew, which a storm of values passes in no time again.
 */

const FIRST_SLOTS = 1 << 12;
/** 8 MiB; three quarters of the slots are used. */
const SLOTS_MAX = 1 << 20;
/** Counts of labels within services. */
const COUNTS_MAX = 100_000;

export class ValueCounter {
  readonly #windowMs: number;
  #startedMs = -Infinity;
  /** Hashes, 0 where free. Length is a power of two. */
  #slots = new Float64Array(FIRST_SLOTS);
  readonly #counts = new Map<string, number>();
  size = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  clear(): void {
    this.#slots = new Float64Array(FIRST_SLOTS);
    this.#counts.clear();
    this.size = 0;
  }

  /** Begins a window when the last one is over, and says whether it did. A clock that jumps back begins one, too. */
  startWindow(nowMs: number): boolean {
    const ageMs = nowMs - this.#startedMs;
    if (ageMs >= 0 && ageMs < this.#windowMs) return false;
    this.#startedMs = nowMs;
    this.clear();
    return true;
  }

  /** How many values the label has taken in the scope so far, this one included. */
  count(scope: string, name: string, value: string): number {
    const key = `${name}\u0000${scope}`;
    const known = this.#counts.get(key) ?? 0;
    if (!this.#insert(hash53(key, value))) return Math.max(known, 1);
    this.#counts.set(key, known + 1);
    if (this.#counts.size > COUNTS_MAX) this.clear();
    return known + 1;
  }

  /** Whether the hash is new. */
  #insert(hash: number): boolean {
    if (4 * this.size >= 3 * this.#slots.length) this.#grow();
    const slot = this.#slotOf(this.#slots, hash);
    if (this.#slots[slot] === hash) return false;
    this.#slots[slot] = hash;
    this.size++;
    return true;
  }

  #grow(): void {
    if (this.#slots.length >= SLOTS_MAX) {
      this.clear();
      return;
    }
    const larger = new Float64Array(2 * this.#slots.length);
    for (const hash of this.#slots) if (hash !== 0) larger[this.#slotOf(larger, hash)] = hash;
    this.#slots = larger;
  }

  #slotOf(slots: Float64Array, hash: number): number {
    const mask = slots.length - 1;
    let slot = (hash >>> 0) & mask;
    while (slots[slot] !== 0 && slots[slot] !== hash) slot = (slot + 1) & mask;
    return slot;
  }
}

/** 53 bits, never 0: two 32-bit multiplicative hashes, mixed. */
function hash53(key: string, value: string): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (const text of [key, value]) {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      a = Math.imul(a ^ code, 0x9e3779b1);
      b = Math.imul(b ^ code, 0x5f356495);
    }
    a ^= 0x1f;
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return (b & 0x1fffff) * 2 ** 32 + (a >>> 0) || 1;
}
