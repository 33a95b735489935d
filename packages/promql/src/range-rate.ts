/** Range functions over the growth of counters and gauges: rate, increase, delta, irate, idelta, resets, changes. */
import { equalHistograms } from "./histogram-arithmetic.ts";
import { detectReset } from "./histogram-resets.ts";
import { lastHistogramDifference } from "./range-histograms.ts";
import { extrapolateFromStarts, isStartReset } from "./range-starts.ts";
import { FLOAT, HISTOGRAM } from "./values.ts";
import type { RangeFunction, WindowInput, WindowOutput } from "./window.ts";

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

/** Which of the three functions is asked for. */
export interface GrowthOptions {
  readonly isCounter: boolean;
  readonly perSecond: boolean;
}

export const GROWTH: Readonly<Record<"rate" | "increase" | "delta", GrowthOptions>> = {
  rate: { isCounter: true, perSecond: true },
  increase: { isCounter: true, perSecond: false },
  delta: { isCounter: false, perSecond: false },
};

export const rate: RangeFunction = (input, output) => extrapolate(input, GROWTH.rate, output);
export const increase: RangeFunction = (input, output) =>
  extrapolate(input, GROWTH.increase, output);
export const delta: RangeFunction = (input, output) => extrapolate(input, GROWTH.delta, output);

/**
 * Growth between the first and the last sample of a window, stretched to its edges: up to each edge when a sample is within 1.1 average
 * distances of it, else by half such a distance; a counter is not stretched to where it would have been below zero.
 */
function extrapolate(input: WindowInput, options: GrowthOptions, output: WindowOutput): number {
  if (options.isCounter && input.startTimestampsMs !== undefined)
    return extrapolateFromStarts(input, options, output);
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
    output.present[step] = FLOAT;
    found++;
  }
  return found;
}

export const irate: RangeFunction = (input, output) => lastDifference(input, true, output);
export const idelta: RangeFunction = (input, output) => lastDifference(input, false, output);

function lastDifference(input: WindowInput, isRate: boolean, output: WindowOutput): number {
  const { timestampsMs, values, steps, first, last, histograms, startTimestampsMs } = input;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const b = last[step]! - 1;
    if (b - first[step]! < 1) continue;
    const seconds = (timestampsMs[b]! - timestampsMs[b - 1]!) / 1000;
    if (histograms !== undefined && (histograms[b] ?? histograms[b - 1]) !== undefined) {
      const difference = lastHistogramDifference(input, b, isRate);
      if (difference === undefined) continue;
      output.histograms![step] = difference;
      output.present[step] = HISTOGRAM;
      found++;
      continue;
    }
    const value = values[b]!;
    const previous = values[b - 1]!;
    const isReset =
      isRate && (value < previous || (startTimestampsMs !== undefined && isStartReset(input, b)));
    const growth = isReset ? value : value - previous;
    output.values[step] = isRate ? growth / seconds : growth;
    output.present[step] = FLOAT;
    found++;
  }
  return found;
}

/** For each sample how many pairs of neighbours up to it are marked, so that the count within a window is one subtraction. */
function markPairs(length: number, isMarked: (i: number) => boolean): Int32Array {
  const marks = new Int32Array(length);
  for (let i = 1; i < length; i++) marks[i] = marks[i - 1]! + (isMarked(i) ? 1 : 0);
  return marks;
}

function countPairs(input: WindowInput, marks: Int32Array, output: WindowOutput): number {
  const { steps, first, last } = input;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const a = first[step]!;
    const b = last[step]! - 1;
    if (b < a) continue;
    output.values[step] = marks[b]! - marks[a]!;
    output.present[step] = FLOAT;
    found++;
  }
  return found;
}

type Columns = Pick<WindowInput, "timestampsMs" | "values" | "histograms" | "startTimestampsMs">;

/** Counts of resets up to each sample. A change between float and histogram is one. */
export function resetMarks(input: Columns): Int32Array {
  const { values, histograms, startTimestampsMs } = input;
  if (histograms === undefined && startTimestampsMs === undefined)
    return markPairs(values.length, (i) => values[i]! < values[i - 1]!);
  return markPairs(values.length, (i) => {
    const current = histograms?.[i];
    const previous = histograms?.[i - 1];
    if ((current === undefined) !== (previous === undefined)) return true;
    if (startTimestampsMs !== undefined && isStartReset(input, i)) return true;
    return current === undefined ? values[i]! < values[i - 1]! : detectReset(current, previous!);
  });
}

/** Counts of changes up to each sample. */
export function changeMarks({ values, histograms }: Columns): Int32Array {
  return markPairs(values.length, (i) => {
    const current = histograms?.[i];
    const previous = histograms?.[i - 1];
    if (current !== undefined || previous !== undefined)
      return current === undefined || previous === undefined || !equalHistograms(current, previous);
    const a = values[i - 1]!;
    const b = values[i]!;
    return a !== b && !(Number.isNaN(a) && Number.isNaN(b));
  });
}

export const resets: RangeFunction = (input, output) =>
  countPairs(input, resetMarks(input), output);
export const changes: RangeFunction = (input, output) =>
  countPairs(input, changeMarks(input), output);
