/**
 * When the counters of a head began, as senders said with each sample: kept as changes, since a counter seldom restarts. Changes of one series are
 * linked from the newest to the oldest; each holds for samples from its time on.
 */
import { growFloat64, growUint32 } from "./number-columns.ts";

const ENTRY_BYTES = 20;

export class HeadStartTimes {
  /** Changes in all. */
  count = 0;
  /** By series: its newest change + 1, or 0. */
  #newest = new Uint32Array(0) as Uint32Array;
  #fromMs = new Float64Array(0) as Float64Array;
  #startMs = new Float64Array(0) as Float64Array;
  /** Change + 1, or 0. */
  #older = new Uint32Array(0) as Uint32Array;

  get bytes(): number {
    return 4 * this.#newest.length + ENTRY_BYTES * this.#older.length;
  }

  /** Notes what came with a sample, 0 for unknown; samples before it, and after it if it is late, keep theirs. */
  set(
    series: number,
    sample: { readonly timestampMs: number; readonly startMs: number; readonly isLate: boolean },
  ): void {
    const { timestampMs, startMs, isLate } = sample;
    if (series >= this.#newest.length) {
      if (startMs === 0) return;
      this.#newest = growUint32(this.#newest, series + 1);
    }
    let newer = 0;
    let current = this.#newest[series]!;
    while (current > 0 && this.#fromMs[current - 1]! > timestampMs) {
      newer = current;
      current = this.#older[current - 1]!;
    }
    const before = current > 0 ? this.#startMs[current - 1]! : 0;
    if (before === startMs) return;
    const change = this.#insert(series, newer, { timestampMs, startMs, older: current });
    // Times are whole milliseconds: what came after it goes on as it was.
    const isFollowed = newer > 0 && this.#fromMs[newer - 1] === timestampMs + 1;
    if (isLate && !isFollowed)
      this.#insert(series, newer, {
        timestampMs: timestampMs + 1,
        startMs: before,
        older: change + 1,
      });
  }

  /** For each of some samples of a series, ascending, when its counter began; undefined when that is known of none. */
  among(series: number, timestampsMs: Float64Array): Float64Array | undefined {
    let change = series < this.#newest.length ? this.#newest[series]! : 0;
    if (change === 0) return undefined;
    const starts = new Float64Array(timestampsMs.length);
    let isKnown = false;
    for (let row = timestampsMs.length - 1; row >= 0; row--) {
      while (change > 0 && this.#fromMs[change - 1]! > timestampsMs[row]!)
        change = this.#older[change - 1]!;
      if (change === 0) break;
      starts[row] = this.#startMs[change - 1]!;
      if (starts[row] !== 0) isKnown = true;
    }
    return isKnown ? starts : undefined;
  }

  has(series: number): boolean {
    return series < this.#newest.length && this.#newest[series]! > 0;
  }

  /** Returns the number of the change. `newer` is the change + 1 after it, or 0. */
  #insert(
    series: number,
    newer: number,
    change: { readonly timestampMs: number; readonly startMs: number; readonly older: number },
  ): number {
    const number = this.count++;
    this.#fromMs = growFloat64(this.#fromMs, number + 1);
    this.#startMs = growFloat64(this.#startMs, number + 1);
    this.#older = growUint32(this.#older, number + 1);
    this.#fromMs[number] = change.timestampMs;
    this.#startMs[number] = change.startMs;
    this.#older[number] = change.older;
    if (newer > 0) this.#older[newer - 1] = number + 1;
    else this.#newest[series] = number + 1;
    return number;
  }
}
