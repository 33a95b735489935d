/** Range functions over the growth of counters and gauges: rate, increase, delta, irate, idelta, resets, changes. */
import { equalHistograms } from "./histogram-arithmetic.ts";
import { detectReset } from "./histogram-resets.ts";
import { lastHistogramDifference } from "./range-histograms.ts";
import { extrapolateFromStarts, extrapolationFactor, isStartReset } from "./range-starts.ts";
import { FLOAT, HISTOGRAM } from "./values.ts";
import type { Growth } from "./aggregate-sum.ts";
import type { RangeFunction, WindowInput, WindowOutput, WindowStretch } from "./window.ts";

const NO_RESETS = new Int32Array(0);

/** Whether no value is below the one before it, and none is NaN: a counter that was not reset, without stale markers. */
export function isRising(values: Float64Array): boolean {
  const { length } = values;
  let previous = -Infinity;
  let i = 0;
  // Four at a time: this loop reads every sample of a query.
  for (; i + 3 < length; i += 4) {
    const a = values[i]!;
    const b = values[i + 1]!;
    const c = values[i + 2]!;
    const d = values[i + 3]!;
    if (!(a >= previous && b >= a && c >= b && d >= c)) return false;
    previous = d;
  }
  for (; i < length; i++) {
    if (!(values[i]! >= previous)) return false;
    previous = values[i]!;
  }
  return true;
}

/** Indices `i` where value `i` is below value `i - 1`: a counter started again. */
function findResets(values: Float64Array): Int32Array {
  const resets: number[] = [];
  for (let i = 1; i < values.length; i++) if (values[i]! < values[i - 1]!) resets.push(i);
  return Int32Array.from(resets);
}

/** So much more than a limit a value may be and still have to be looked at exactly. */
const ROUNDING_ROOM = 1.000001;

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
function extrapolate(
  input: WindowInput,
  { isCounter, perSecond }: GrowthOptions,
  output: WindowOutput,
): number {
  if (isCounter && input.startTimestampsMs !== undefined)
    return extrapolateFromStarts(input, { isCounter, perSecond }, output);
  const stretch = (input.shared.stretch ??= stretchWindows(input, perSecond));
  if (!isCounter) return growGauge(input, stretch, output);
  const resets = input.isRising ? NO_RESETS : findResets(input.values);
  if (resets.length > 0 || !stretch.isUnbroken) return growCounter(input, resets, stretch, output);
  const { from, to } = stretch;
  growSteadily(input, stretch, output.values, to);
  output.present.fill(FLOAT, from, to);
  return to - from;
}

function stretchWindows(input: WindowInput, perSecond: boolean): WindowStretch {
  const { timestampsMs, steps, first, last, references, rangeMs } = input;
  const factor = input.shared.blocks?.values() ?? new Float64Array(steps);
  const divisor = perSecond ? rangeMs / 1000 : 1;
  let from = 0;
  let to = 0;
  let found = 0;
  let zeroLimit = 0;
  for (let step = 0; step < steps; step++) {
    const a = first[step]!;
    const b = last[step]! - 1;
    if (b - a < 1) continue;
    if (found++ === 0) from = step;
    to = step + 1;
    const end = references[step]!;
    const sampled = (timestampsMs[b]! - timestampsMs[a]!) / 1000;
    const average = sampled / (b - a);
    const threshold = average * 1.1;
    let toStart = (timestampsMs[a]! - (end - rangeMs)) / 1000;
    let toEnd = (end - timestampsMs[b]!) / 1000;
    if (toStart >= threshold) toStart = average / 2;
    if (toEnd >= threshold) toEnd = average / 2;
    if (!(toStart * ROUNDING_ROOM <= zeroLimit * sampled))
      zeroLimit = (toStart / sampled) * ROUNDING_ROOM * ROUNDING_ROOM;
    factor[step] = (sampled + toStart + toEnd) / sampled / divisor;
  }
  return { from, to, isUnbroken: to - from === found, zeroLimit, divisor, factor };
}

function growGauge(input: WindowInput, { factor }: WindowStretch, output: WindowOutput): number {
  const { values, steps, first, last } = input;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const a = first[step]!;
    const b = last[step]! - 1;
    if (b - a < 1) continue;
    output.values[step] = (values[b]! - values[a]!) * factor[step]!;
    output.present[step] = FLOAT;
    found++;
  }
  return found;
}

/**
 * `rate` or `increase` of a counter without resets as a term of a sum; undefined when that has to be done the plain way. `scratch` is a column
 * that the answer may stand on.
 */
export function steadyGrowth(
  input: WindowInput,
  { perSecond }: Pick<GrowthOptions, "perSecond">,
  scratch: Float64Array,
): Growth | undefined {
  const stretch = (input.shared.stretch ??= stretchWindows(input, perSecond));
  if (!stretch.isUnbroken) return undefined;
  const { values, first, last } = input;
  const computedTo = stepOfCertainty(input, stretch);
  growSteadily(input, stretch, scratch, computedTo);
  const { from, to, factor } = stretch;
  return { values, first, last, factor, from, to, computed: scratch, computedTo };
}

/** The first step from which on a rising counter is certainly not stretched below zero. */
function stepOfCertainty(
  { values, first }: WindowInput,
  { zeroLimit, from, to }: WindowStretch,
): number {
  const limit = zeroLimit * (values[values.length - 1]! - values[0]!);
  let step = from;
  while (step < to && !(values[first[step]!]! > limit)) step++;
  return step;
}

/** {@link growCounter} without resets for an unbroken stretch, up to step `to`. */
function growSteadily(
  input: WindowInput,
  { from, zeroLimit, divisor, factor }: WindowStretch,
  out: Float64Array,
  to: number,
): void {
  const { values, first, last } = input;
  for (let step = from; step < to; step++) {
    const start = values[first[step]!]!;
    const growth = values[last[step]! - 1]! - start;
    out[step] = growth * factor[step]!;
    if (growth > 0 && start <= zeroLimit * growth)
      out[step] = growth * (factorFromZero(input, step, growth) / divisor);
  }
}

function growCounter(
  input: WindowInput,
  resets: Int32Array,
  stretch: WindowStretch,
  output: WindowOutput,
): number {
  const { values, steps, first, last } = input;
  const { zeroLimit, divisor, factor } = stretch;
  let reset = 0;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const a = first[step]!;
    const b = last[step]! - 1;
    if (b - a < 1) continue;
    const start = values[a]!;
    let growth = values[b]! - start;
    while (reset < resets.length && resets[reset]! <= a) reset++;
    for (let r = reset; r < resets.length && resets[r]! <= b; r++)
      growth += values[resets[r]! - 1]!;
    const mayMeetZero = growth > 0 && start <= zeroLimit * growth;
    const times = mayMeetZero ? factorFromZero(input, step, growth) / divisor : factor[step]!;
    output.values[step] = growth * times;
    output.present[step] = FLOAT;
    found++;
  }
  return found;
}

/** The factor where the line through the samples may meet zero within the window: it is not stretched beyond. */
function factorFromZero(input: WindowInput, step: number, growth: number): number {
  const { timestampsMs, values, first, last, references, rangeMs } = input;
  const a = first[step]!;
  const b = last[step]! - 1;
  const end = references[step]!;
  const sampled = (timestampsMs[b]! - timestampsMs[a]!) / 1000;
  const average = sampled / (b - a);
  const toStart = (timestampsMs[a]! - (end - rangeMs)) / 1000;
  const toEnd = (end - timestampsMs[b]!) / 1000;
  return extrapolationFactor(
    { sampled, toStart, toEnd, average, hasStart: false },
    growth,
    values[a]!,
  );
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
