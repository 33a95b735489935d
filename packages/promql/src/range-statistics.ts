/** Range functions that reduce the samples of each window to a number: sums, extremes, quantiles, regressions. */
import { executionError } from "./errors.ts";
import { KahanSum, meanOf } from "./kahan.ts";
import { quantileOfSorted } from "./quantile.ts";
import { FLOAT, HISTOGRAM } from "./values.ts";
import type { RangeFunction, WindowInput, WindowOutput } from "./window.ts";

/** A range function from one that sees a window that is not empty, as indices of its first sample and behind its last. */
function perWindow(
  reduce: (input: WindowInput, first: number, last: number, step: number) => number,
): RangeFunction {
  return (input, { values, present }) => {
    const { steps, first, last } = input;
    let found = 0;
    for (let step = 0; step < steps; step++) {
      const a = first[step]!;
      const b = last[step]!;
      if (a === b) continue;
      values[step] = reduce(input, a, b, step);
      present[step] = FLOAT;
      found++;
    }
    return found;
  };
}

/** The same for functions that need two samples at least. */
function perWindowOfTwo(
  reduce: (input: WindowInput, first: number, last: number, step: number) => number,
): RangeFunction {
  return (input, { values, present }) => {
    const { steps, first, last } = input;
    let found = 0;
    for (let step = 0; step < steps; step++) {
      const a = first[step]!;
      const b = last[step]!;
      if (b - a < 2) continue;
      values[step] = reduce(input, a, b, step);
      present[step] = FLOAT;
      found++;
    }
    return found;
  };
}

function sumOf(values: Float64Array, first: number, last: number): number {
  let sum = 0;
  let compensation = 0;
  for (let i = first; i < last; i++) {
    const x = values[i]!;
    const t = sum + x;
    if (t === Infinity || t === -Infinity) compensation = 0;
    else compensation += Math.abs(sum) >= Math.abs(x) ? sum - t + x : x - t + sum;
    sum = t;
  }
  return sum === Infinity || sum === -Infinity ? sum : sum + compensation;
}

export const sumOverTime = perWindow(({ values }, first, last) => sumOf(values, first, last));
export const avgOverTime = perWindow(({ values }, first, last) => meanOf(values, first, last));
export const countOverTime = perWindow((_, first, last) => last - first);
export const presentOverTime = perWindow(() => 1);
export const firstOverTime: RangeFunction = (input, output) =>
  pickSamples(input, output, (step) => input.first[step]!);
export const lastOverTime: RangeFunction = (input, output) =>
  pickSamples(input, output, (step) => input.last[step]! - 1);

/** One sample of each window as it is. */
function pickSamples(
  { values, histograms, steps, first, last }: WindowInput,
  output: WindowOutput,
  pick: (step: number) => number,
): number {
  let found = 0;
  for (let step = 0; step < steps; step++) {
    if (first[step] === last[step]) continue;
    const at = pick(step);
    const histogram = histograms?.[at];
    output.values[step] = values[at]!;
    output.present[step] = histogram === undefined ? FLOAT : HISTOGRAM;
    if (histogram !== undefined) output.histograms![step] = histogram;
    found++;
  }
  return found;
}

export const tsOfFirstOverTime = perWindow(
  ({ timestampsMs }, first) => timestampsMs[first]! / 1000,
);
export const tsOfLastOverTime = perWindow(
  ({ timestampsMs }, _, last) => timestampsMs[last - 1]! / 1000,
);

export const minOverTime: RangeFunction = (input, output) => slideExtreme(input, -1, output);
export const maxOverTime: RangeFunction = (input, output) => slideExtreme(input, 1, output);

/**
 * The extreme of each window in one pass. Samples that windows can only hold together make one chunk, of which the last of its best counts;
 * a queue has the chunks that may still win, the best first. A chunk leaves when one as good comes behind it or when its window is over. NaN
 * counts only where there is nothing else.
 */
function slideExtreme(
  { values, steps, first, last }: WindowInput,
  sign: 1 | -1,
  out: WindowOutput,
): number {
  // Chunks begin where a window begins or ends.
  const length = Math.min(values.length, 2 * steps + 1);
  const starts = new Int32Array(length);
  const bests = new Float64Array(length);
  let head = 0;
  let tail = 0;
  let next = 0;
  let cut = 0;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const from = first[step]!;
    const to = last[step]!;
    if (next < from) next = from;
    while (next < to) {
      while (cut < steps && first[cut]! <= next) cut++;
      const end = cut < steps ? Math.min(to, first[cut]!) : to;
      const best = bestOf(values, next, end, sign);
      if (!Number.isNaN(best)) {
        while (tail > head && bests[tail - 1]! <= best) tail--;
        starts[tail] = next;
        bests[tail++] = best;
      }
      next = end;
    }
    while (head < tail && starts[head]! < from) head++;
    if (from === to) continue;
    out.values[step] = head < tail ? sign * bests[head]! : NaN;
    out.present[step] = FLOAT;
    found++;
  }
  return found;
}

/** The last of the largest among `sign * values[from … to - 1]`; NaN when all are. */
function bestOf(values: Float64Array, from: number, to: number, sign: 1 | -1): number {
  let best = sign * values[from]!;
  for (let i = from + 1; i < to; i++) {
    const value = sign * values[i]!;
    if (value >= best || Number.isNaN(best)) best = value;
  }
  return best;
}

export const tsOfMinOverTime = perWindow(({ values, timestampsMs }, first, last) => {
  let at = first;
  for (let i = first + 1; i < last; i++)
    if (values[i]! <= values[at]! || Number.isNaN(values[at]!)) at = i;
  return timestampsMs[at]! / 1000;
});

export const tsOfMaxOverTime = perWindow(({ values, timestampsMs }, first, last) => {
  let at = first;
  for (let i = first + 1; i < last; i++)
    if (values[i]! >= values[at]! || Number.isNaN(values[at]!)) at = i;
  return timestampsMs[at]! / 1000;
});

function varianceOf(values: Float64Array, first: number, last: number): number {
  const mean = new KahanSum();
  const squares = new KahanSum();
  for (let i = first; i < last; i++) {
    const x = values[i]!;
    const distance = x - mean.total;
    mean.add(distance / (i - first + 1));
    squares.add(distance * (x - mean.total));
  }
  return squares.total / (last - first);
}

export const stdvarOverTime = perWindow(({ values }, first, last) =>
  varianceOf(values, first, last),
);
export const stddevOverTime = perWindow(({ values }, first, last) =>
  Math.sqrt(varianceOf(values, first, last)),
);

export const quantileOverTime = perWindow((input, first, last, step) => {
  const sorted = input.scratch.subarray(0, last - first);
  sorted.set(input.values.subarray(first, last));
  return quantileOfSorted(input.params[0]![step]!, sorted.sort());
});

export const madOverTime = perWindow((input, first, last) => {
  const sorted = input.scratch.subarray(0, last - first);
  sorted.set(input.values.subarray(first, last));
  sorted.sort();
  if (Number.isNaN(sorted[sorted.length - 1]!)) return NaN;
  const median = quantileOfSorted(0.5, sorted);
  for (let i = 0; i < sorted.length; i++) sorted[i] = Math.abs(sorted[i]! - median);
  return quantileOfSorted(0.5, sorted.sort());
});

interface Line {
  readonly slope: number;
  readonly intercept: number;
}

/** Least squares over a window, with seconds since `originMs` as x. */
function fitLine(input: WindowInput, first: number, last: number, originMs: number): Line {
  const { values, timestampsMs } = input;
  const [x, y, xy, xx] = [new KahanSum(), new KahanSum(), new KahanSum(), new KahanSum()];
  const constant = values[first]!;
  let isConstant = true;
  for (let i = first; i < last; i++) {
    const value = values[i]!;
    if (i > first && value !== constant) isConstant = false;
    const seconds = (timestampsMs[i]! - originMs) / 1000;
    x.add(seconds);
    y.add(value);
    xy.add(seconds * value);
    xx.add(seconds * seconds);
  }
  if (isConstant) {
    const isInfinite = constant === Infinity || constant === -Infinity;
    return isInfinite ? { slope: NaN, intercept: NaN } : { slope: 0, intercept: constant };
  }
  const count = last - first;
  const slope = (xy.total - (x.total * y.total) / count) / (xx.total - (x.total * x.total) / count);
  return { slope, intercept: y.total / count - (slope * x.total) / count };
}

export const deriv = perWindowOfTwo(
  (input, first, last) => fitLine(input, first, last, input.timestampsMs[first]!).slope,
);

export const predictLinear = perWindowOfTwo((input, first, last, step) => {
  const { slope, intercept } = fitLine(input, first, last, input.startMs + step * input.stepMs);
  return slope * input.params[0]![step]! + intercept;
});

export const doubleExponentialSmoothing = perWindowOfTwo((input, first, last, step) => {
  const level = input.params[0]![step]!;
  const trend = input.params[1]![step]!;
  if (level <= 0 || level >= 1)
    throw executionError(
      `invalid smoothing factor. Expected: 0 < sf < 1, got: ${level.toFixed(6)}`,
    );
  if (trend <= 0 || trend >= 1)
    throw executionError(`invalid trend factor. Expected: 0 < tf < 1, got: ${trend.toFixed(6)}`);
  const { values } = input;
  let previous = 0;
  let smoothed = values[first]!;
  let slope = values[first + 1]! - smoothed;
  for (let i = first + 1; i < last; i++) {
    if (i > first + 1) slope = trend * (smoothed - previous) + (1 - trend) * slope;
    const next = level * values[i]! + (1 - level) * (smoothed + slope);
    previous = smoothed;
    smoothed = next;
  }
  return smoothed;
});
