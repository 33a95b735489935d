/** The functions over the unwrapped samples of one window. Samples are in time order; a window has at least one. */
import type { RangeAggregationExpr } from "./ast.ts";
import type { WindowFunction } from "./range-accumulate.ts";

export function windowFunction(expr: RangeAggregationExpr, rangeNs: number): WindowFunction {
  const seconds = rangeNs / 1e9;
  switch (expr.operator) {
    case "sum_over_time":
      return (_, values, { from, to }) => sum(values, from, to);
    case "rate":
      return (_, values, { from, to }) => sum(values, from, to) / seconds;
    case "avg_over_time":
      return (_, values, { from, to }) => average(values, from, to);
    case "min_over_time":
      return (_, values, { from, to }) => minimum(values, from, to);
    case "max_over_time":
      return (_, values, { from, to }) => maximum(values, from, to);
    case "stdvar_over_time":
      return (_, values, { from, to }) => variance(values, from, to);
    case "stddev_over_time":
      return (_, values, { from, to }) => Math.sqrt(variance(values, from, to));
    case "quantile_over_time": {
      const q = expr.parameter ?? NaN;
      return (_, values, { from, to }) => quantile(q, values.slice(from, to));
    }
    case "first_over_time":
      return (_, values, { from }) => values[from]!;
    case "last_over_time":
      return (_, values, { to }) => values[to - 1]!;
    case "rate_counter":
      return (times, values, window) => counterRate(times, values, { ...window, rangeNs });
    case "count_over_time":
      return (_, _values, { from, to }) => to - from;
    case "bytes_over_time":
    case "bytes_rate":
    case "absent_over_time":
      return () => undefined;
  }
}

function sum(values: Float64Array, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i++) total += values[i]!;
  return total;
}

/** A running mean: it does not overflow, and infinities stay what they are. */
function average(values: Float64Array, from: number, to: number): number {
  let mean = 0;
  for (let i = from; i < to; i++) {
    const value = values[i]!;
    const count = i - from + 1;
    if (Math.abs(mean) === Infinity && !Number.isNaN(value)) {
      // Adding a finite number or the same infinity changes nothing; Inf - Inf below would make it NaN.
      if (value === mean || Number.isFinite(value)) continue;
    }
    mean += value / count - mean / count;
  }
  return mean;
}

function minimum(values: Float64Array, from: number, to: number): number {
  let best = values[from]!;
  for (let i = from + 1; i < to; i++) {
    const value = values[i]!;
    if (value < best || Number.isNaN(best)) best = value;
  }
  return best;
}

function maximum(values: Float64Array, from: number, to: number): number {
  let best = values[from]!;
  for (let i = from + 1; i < to; i++) {
    const value = values[i]!;
    if (value > best || Number.isNaN(best)) best = value;
  }
  return best;
}

function variance(values: Float64Array, from: number, to: number): number {
  let mean = 0;
  let squares = 0;
  for (let i = from; i < to; i++) {
    const delta = values[i]! - mean;
    mean += delta / (i - from + 1);
    squares += delta * (values[i]! - mean);
  }
  return squares / (to - from);
}

/** The q-quantile with linear interpolation; `values` is sorted in place. NaN counts as the smallest. */
export function quantile(q: number, values: Float64Array): number {
  const count = values.length;
  if (count === 0 || Number.isNaN(q)) return NaN;
  if (q < 0) return -Infinity;
  if (q > 1) return Infinity;
  // The native sort puts NaN last.
  values.sort();
  let missing = 0;
  while (missing < count && Number.isNaN(values[count - 1 - missing]!)) missing++;
  const rank = q * (count - 1);
  const lower = Math.floor(rank);
  const upper = Math.min(count - 1, lower + 1);
  const weight = rank - lower;
  const at = (i: number) => (i < missing ? NaN : values[i - missing]!);
  return at(lower) * (1 - weight) + at(upper) * weight;
}

/** Prometheus' rate of a counter: resets added back, extrapolated to the window's edges where the samples come near them. One sample has the rate 0. */
function counterRate(
  times: Float64Array,
  values: Float64Array,
  window: {
    readonly from: number;
    readonly to: number;
    readonly end: number;
    readonly rangeNs: number;
  },
): number {
  const { from, to, end, rangeNs } = window;
  if (to - from < 2) return 0;
  let increase = values[to - 1]! - values[from]!;
  for (let i = from + 1; i < to; i++) if (values[i]! < values[i - 1]!) increase += values[i - 1]!;
  const sampled = times[to - 1]! - times[from]!;
  const spacing = sampled / (to - from - 1);
  const threshold = spacing * 1.1;
  let toStart = times[from]! - (end - rangeNs);
  let toEnd = end - times[to - 1]!;
  if (toStart >= threshold) toStart = spacing / 2;
  if (increase > 0 && values[from]! >= 0) {
    // A counter was not below zero: extrapolation stops where it would have been zero.
    toStart = Math.min(toStart, sampled * (values[from]! / increase));
  }
  if (toEnd >= threshold) toEnd = spacing / 2;
  return (increase * ((sampled + toStart + toEnd) / sampled)) / (rangeNs / 1e9);
}
