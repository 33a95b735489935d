/**
 * Range functions for `anchored` and `smoothed` selectors. Anchored: the last sample at or before the start of the range counts as its
 * value there. Smoothed: the values at both ends are read off the line between the samples around them. Neither extrapolates.
 */
import { changeMarks, GROWTH, resetMarks } from "./range-rate.ts";
import type { GrowthOptions } from "./range-rate.ts";
import type { ExtendedMode } from "./ast.ts";
import { FLOAT } from "./values.ts";
import type { RangeSeries } from "./values.ts";
import type { RangeFunction, WindowInput, WindowOutput } from "./window.ts";

export type ExtendedFunction = "rate" | "increase" | "delta" | "resets" | "changes";

/** The range function `name` in an extended mode; windows must reach one lookback further back, smoothed ones also further ahead. */
export function extendedFunction(name: ExtendedFunction, smoothed: boolean): RangeFunction {
  switch (name) {
    case "resets":
      return (input, output) => countFromAnchor(input, resetMarks(input), output);
    case "changes":
      return (input, output) => countFromAnchor(input, changeMarks(input), output);
    default:
      return (input, output) => growthBetweenEdges(input, { ...GROWTH[name], smoothed }, output);
  }
}

interface Options extends GrowthOptions {
  readonly smoothed: boolean;
}

function growthBetweenEdges(input: WindowInput, options: Options, output: WindowOutput): number {
  const { timestampsMs, values, references, rangeMs, steps } = input;
  const { smoothed, isCounter } = options;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const end = references[step]!;
    const start = end - rangeMs;
    let a = input.first[step]!;
    let b = input.last[step]! - 1;
    if (b < a) continue;
    while (a < b && timestampsMs[a + 1]! <= start) a++;
    if (smoothed) while (b > a && timestampsMs[b - 1]! >= end) b--;
    if (timestampsMs[b]! <= start || (smoothed && timestampsMs[a]! > end)) continue;
    const left =
      smoothed && timestampsMs[a]! < start ? interpolate(input, a, start, isCounter) : values[a]!;
    const isBeyond = smoothed && b > input.first[step]! && timestampsMs[b]! > end;
    const right = isBeyond ? interpolate(input, b - 1, end, isCounter) : values[b]!;
    let growth = right - left;
    if (isCounter) {
      const inner = {
        from: timestampsMs[a]! <= start ? a + 1 : a,
        to: timestampsMs[b]! >= end ? b - 1 : b,
      };
      growth += resetCorrection(values, inner, { left, right });
    }
    output.values[step] = options.perSecond ? growth / (rangeMs / 1000) : growth;
    output.present[step] = FLOAT;
    found++;
  }
  return found;
}

type SampleColumns = Pick<RangeSeries, "timestampsMs" | "values">;

/**
 * What an extended selector itself answers: its samples in `(endMs - rangeMs, endMs)`, and at both edges the values the functions take there.
 * Undefined when no sample is behind the start. `samples` are those of the wider range, without stale markers.
 */
export function extendRange(
  samples: SampleColumns,
  mode: ExtendedMode,
  { endMs, rangeMs }: { readonly endMs: number; readonly rangeMs: number },
): SampleColumns | undefined {
  const { timestampsMs, values } = samples;
  const smoothed = mode === "smoothed";
  const startMs = endMs - rangeMs;
  let a = 0;
  let b = timestampsMs.length - 1;
  while (a < b && timestampsMs[a + 1]! <= startMs) a++;
  if (smoothed) while (b > 0 && timestampsMs[b - 1]! >= endMs) b--;
  if (b < 0 || timestampsMs[b]! <= startMs) return undefined;
  const left =
    smoothed && timestampsMs[a]! < startMs ? interpolate(samples, a, startMs, false) : values[a]!;
  const isBeyond = smoothed && b > 0 && timestampsMs[b]! > endMs;
  const right = isBeyond ? interpolate(samples, b - 1, endMs, false) : values[b]!;
  const from = timestampsMs[a]! <= startMs ? a + 1 : a;
  const to = Math.max(from, timestampsMs[b]! >= endMs ? b : b + 1);
  return {
    timestampsMs: between(startMs, timestampsMs.subarray(from, to), endMs),
    values: between(left, values.subarray(from, to), right),
  };
}

function between(first: number, inner: Float64Array, last: number): Float64Array {
  const column = new Float64Array(inner.length + 2);
  column[0] = first;
  column.set(inner, 1);
  column[inner.length + 1] = last;
  return column;
}

/** The value at `timeMs` between samples `i` and `i + 1`; a counter that was reset between them started at zero. */
function interpolate(
  { timestampsMs, values }: SampleColumns,
  i: number,
  timeMs: number,
  isCounter: boolean,
): number {
  const to = values[i + 1]!;
  const from = isCounter && to < values[i]! ? 0 : values[i]!;
  return (
    from + ((to - from) * (timeMs - timestampsMs[i]!)) / (timestampsMs[i + 1]! - timestampsMs[i]!)
  );
}

function resetCorrection(
  values: Float64Array,
  inner: { readonly from: number; readonly to: number },
  edges: { readonly left: number; readonly right: number },
): number {
  let correction = 0;
  let previous = edges.left;
  for (let i = inner.from; i <= inner.to; i++) {
    if (values[i]! < previous) correction += previous;
    previous = values[i]!;
  }
  return edges.right < previous ? correction + previous : correction;
}

function countFromAnchor(input: WindowInput, marks: Int32Array, output: WindowOutput): number {
  const { timestampsMs, references, rangeMs, steps } = input;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const start = references[step]! - rangeMs;
    let a = input.first[step]!;
    const end = input.last[step]!;
    if (a === end || timestampsMs[end - 1]! <= start) continue;
    while (a + 1 < end && timestampsMs[a + 1]! <= start) a++;
    output.values[step] = marks[end - 1]! - marks[a]!;
    output.present[step] = FLOAT;
    found++;
  }
  return found;
}
