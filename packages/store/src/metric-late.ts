/** Samples of one series that came after a newer one: sorted by time, each time once. Small; a head with many is sealed. */
import { wordsOf } from "@finch/model";
import { growFloat64 } from "./number-columns.ts";

export class LateSamples {
  count = 0;
  #timestampsMs = new Float64Array(8) as Float64Array;
  #values = new Float64Array(8) as Float64Array;

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

/** Samples of one series, ascending. */
export interface SampleColumns {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

export const NO_SAMPLES: SampleColumns = {
  timestampsMs: new Float64Array(0),
  values: new Float64Array(0),
};

export function lowerBound(sorted: Float64Array, count: number, wanted: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The part with `startMs <= time <= endMs`; views. */
export function clipSamples(columns: SampleColumns, startMs: number, endMs: number): SampleColumns {
  const { timestampsMs, values } = columns;
  const from = lowerBound(timestampsMs, timestampsMs.length, startMs);
  const to = lowerBound(timestampsMs, timestampsMs.length, endMs + 1);
  if (from === 0 && to === timestampsMs.length) return columns;
  return { timestampsMs: timestampsMs.subarray(from, to), values: values.subarray(from, to) };
}

/** One run out of several, each ascending; where two have the same time, the earlier argument wins. Values keep their bits. */
export function mergeSamples(runs: readonly SampleColumns[]): SampleColumns {
  let merged: SampleColumns | undefined;
  for (const run of runs) {
    if (run.timestampsMs.length === 0) continue;
    merged = merged === undefined ? run : mergeTwo(merged, run);
  }
  return merged ?? NO_SAMPLES;
}

function mergeTwo(a: SampleColumns, b: SampleColumns): SampleColumns {
  const aTimes = a.timestampsMs;
  const bTimes = b.timestampsMs;
  if (aTimes.at(-1)! < bTimes[0]!) return concatenate(a, b);
  if (bTimes.at(-1)! < aTimes[0]!) return concatenate(b, a);
  const timestampsMs = new Float64Array(aTimes.length + bTimes.length);
  const values = new Float64Array(timestampsMs.length);
  const aWords = wordsOf(a.values);
  const bWords = wordsOf(b.values);
  const words = wordsOf(values);
  let count = 0;
  for (let i = 0, j = 0; i < aTimes.length || j < bTimes.length; count++) {
    const takeA = j === bTimes.length || (i < aTimes.length && aTimes[i]! <= bTimes[j]!);
    const time = takeA ? aTimes[i]! : bTimes[j]!;
    timestampsMs[count] = time;
    words[2 * count] = takeA ? aWords[2 * i]! : bWords[2 * j]!;
    words[2 * count + 1] = takeA ? aWords[2 * i + 1]! : bWords[2 * j + 1]!;
    if (takeA) i++;
    if (j < bTimes.length && bTimes[j] === time) j++;
  }
  return { timestampsMs: timestampsMs.subarray(0, count), values: values.subarray(0, count) };
}

function concatenate(a: SampleColumns, b: SampleColumns): SampleColumns {
  const timestampsMs = new Float64Array(a.timestampsMs.length + b.timestampsMs.length);
  const values = new Float64Array(timestampsMs.length);
  timestampsMs.set(a.timestampsMs);
  timestampsMs.set(b.timestampsMs, a.timestampsMs.length);
  values.set(a.values);
  values.set(b.values, a.values.length);
  return { timestampsMs, values };
}
