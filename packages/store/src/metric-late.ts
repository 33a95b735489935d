/** Samples of one series that came after a newer one: sorted by time, each time once. Small; a head with many is sealed. */
import { wordsOf } from "@finch/model";
import { growFloat64 } from "./number-columns.ts";
import { lowerBound } from "./sample-columns.ts";
import type { SampleColumns } from "./sample-columns.ts";

export class LateSamples {
  count = 0;
  #timestampsMs = new Float64Array(8) as Float64Array;
  #values = new Float64Array(8) as Float64Array;

  get oldestMs(): number {
    return this.count > 0 ? this.#timestampsMs[0]! : Infinity;
  }

  /** Index of the first sample at or after `timestampMs`. */
  indexOf(timestampMs: number): number {
    return lowerBound(this.#timestampsMs, this.count, timestampMs);
  }

  /** Whether there is a sample at just this time, and if so whether it has this value. */
  look(timestampMs: number, low: number, high: number): "absent" | "equal" | "different" {
    const index = this.indexOf(timestampMs);
    if (index === this.count || this.#timestampsMs[index] !== timestampMs) return "absent";
    const words = wordsOf(this.#values);
    return words[2 * index] === low && words[2 * index + 1] === high ? "equal" : "different";
  }

  /** Adds a sample at a time that is absent. */
  insert(timestampMs: number, low: number, high: number): void {
    const index = this.indexOf(timestampMs);
    this.#timestampsMs = growFloat64(this.#timestampsMs, this.count + 1);
    this.#values = growFloat64(this.#values, this.count + 1);
    const words = wordsOf(this.#values);
    this.#timestampsMs.copyWithin(index + 1, index, this.count);
    words.copyWithin(2 * index + 2, 2 * index, 2 * this.count);
    this.#timestampsMs[index] = timestampMs;
    words[2 * index] = low;
    words[2 * index + 1] = high;
    this.count++;
  }

  /** A copy. */
  columns(): SampleColumns {
    return {
      timestampsMs: this.#timestampsMs.slice(0, this.count),
      values: this.#values.slice(0, this.count),
    };
  }
}
