/** Range functions over the growth of counters and gauges: rate, increase, delta, irate, idelta, resets, changes. */
import type { RangeFunction, WindowInput } from "./window.ts";

const NO_RESETS = new Int32Array(0);

/** Indices `i` where value `i` is below value `i - 1`: a counter started again. */
export function findResets(values: Float64Array): Int32Array {
  let count = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! < values[i - 1]!) count++;
  if (count === 0) return NO_RESETS;
  const resets = new Int32Array(count);
  count = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! < values[i - 1]!) resets[count++] = i;
  return resets;
}

export const rate: RangeFunction = (input, values, present) =>
  extrapolate(input, { isCounter: true, perSecond: true }, { values, present });
export const increase: RangeFunction = (input, values, present) =>
  extrapolate(input, { isCounter: true, perSecond: false }, { values, present });
export const delta: RangeFunction = (input, values, present) =>
  extrapolate(input, { isCounter: false, perSecond: false }, { values, present });

interface Output {
  readonly values: Float64Array;
  readonly present: Uint8Array;
}

/**
 * Growth between the first and the last sample of a window, stretched to its edges: up to each edge when a sample is within 1.1 average
 * distances of it, else by half such a distance; a counter is not stretched to where it would have been below zero.
 */
function extrapolate(
  input: WindowInput,
  options: { isCounter: boolean; perSecond: boolean },
  output: Output,
): number {
  const { timestampsMs, values, steps, first, last, references, rangeMs } = input;
  const { isCounter } = options;
  const resets = isCounter ? findResets(values) : NO_RESETS;
  const divisor = options.perSecond ? rangeMs / 1000 : 1;
  let reset = 0;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const a = first[step]!;
    const b = last[step]! - 1;
    if (b - a < 1) continue;
    const firstValue = values[a]!;
    let growth = values[b]! - firstValue;
    while (reset < resets.length && resets[reset]! <= a) reset++;
    for (let r = reset; r < resets.length && resets[r]! <= b; r++)
      growth += values[resets[r]! - 1]!;
    const end = references[step]!;
    let toStart = (timestampsMs[a]! - (end - rangeMs)) / 1000;
    let toEnd = (end - timestampsMs[b]!) / 1000;
    const sampled = (timestampsMs[b]! - timestampsMs[a]!) / 1000;
    const average = sampled / (b - a);
    const threshold = average * 1.1;
    if (toStart >= threshold) toStart = average / 2;
    if (isCounter && growth > 0 && firstValue >= 0) {
      const toZero = sampled * (firstValue / growth);
      if (toZero < toStart) toStart = toZero;
    }
    if (toEnd >= threshold) toEnd = average / 2;
    output.values[step] = growth * ((sampled + toStart + toEnd) / sampled / divisor);
    output.present[step] = 1;
    found++;
  }
  return found;
}

export const irate: RangeFunction = (input, values, present) =>
  lastDifference(input, true, { values, present });
export const idelta: RangeFunction = (input, values, present) =>
  lastDifference(input, false, { values, present });

function lastDifference(input: WindowInput, isRate: boolean, output: Output): number {
  const { timestampsMs, values, steps, first, last } = input;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const b = last[step]! - 1;
    if (b - first[step]! < 1) continue;
    const value = values[b]!;
    const previous = values[b - 1]!;
    const growth = isRate && value < previous ? value : value - previous;
    output.values[step] = isRate
      ? growth / ((timestampsMs[b]! - timestampsMs[b - 1]!) / 1000)
      : growth;
    output.present[step] = 1;
    found++;
  }
  return found;
}

/** Counts, for each window, the pairs of neighbours that a test marks; the counts of all pairs up to a sample make it one subtraction. */
function countPairs(input: WindowInput, marks: Int32Array, output: Output): number {
  const { steps, first, last } = input;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const a = first[step]!;
    const b = last[step]! - 1;
    if (b < a) continue;
    output.values[step] = marks[b]! - marks[a]!;
    output.present[step] = 1;
    found++;
  }
  return found;
}

export const resets: RangeFunction = (input, values, present) => {
  const samples = input.values;
  const marks = new Int32Array(samples.length);
  for (let i = 1; i < samples.length; i++)
    marks[i] = marks[i - 1]! + (samples[i]! < samples[i - 1]! ? 1 : 0);
  return countPairs(input, marks, { values, present });
};

export const changes: RangeFunction = (input, values, present) => {
  const samples = input.values;
  const marks = new Int32Array(samples.length);
  for (let i = 1; i < samples.length; i++) {
    const a = samples[i - 1]!;
    const b = samples[i]!;
    marks[i] = marks[i - 1]! + (a !== b && !(Number.isNaN(a) && Number.isNaN(b)) ? 1 : 0);
  }
  return countPairs(input, marks, { values, present });
};
