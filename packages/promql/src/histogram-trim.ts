/**
 * The operators `</` and `>/`: a histogram without what it observed above or below a value. Observations in the bucket that holds the value
 * are divided as the estimates of quantiles would; count and sum are then estimated from what is left.
 */
import type { Histogram, HistogramBuckets } from "@finch/model";
import { compactHistogram } from "./histogram-arithmetic.ts";
import { boundOf, hasCustomBounds } from "./histogram-bounds.ts";
import { viewBuckets } from "./histogram-buckets.ts";
import { shareBelow } from "./histogram-estimates.ts";

export type TrimSide = "keep-below" | "keep-above";

interface Range {
  readonly lower: number;
  readonly upper: number;
}

/** Observations left in a bucket, and where they are on average. */
interface Kept {
  readonly count: number;
  readonly middle: number;
}

export function trimHistogram(histogram: Histogram, value: number, side: TrimSide): Histogram {
  const totals = { count: 0, sum: 0, isTrimmed: false };
  const add = (before: number, { count, middle }: Kept) => {
    totals.count += count;
    totals.sum += middle * count;
    if (count !== before) totals.isTrimmed = true;
    return count;
  };
  const trim = (sign: 1 | -1): HistogramBuckets => {
    const buckets = sign === 1 ? histogram.positive : histogram.negative;
    const { indexes, counts } = viewBuckets(buckets);
    const kept = counts.map((count, at) => {
      if (count === 0) return 0;
      const range = rangeOf(histogram, indexes[at]!, sign);
      return add(
        count,
        keepOfBucket(range, count, { value, side, isCustom: hasCustomBounds(histogram) }),
      );
    });
    return { spans: buckets.spans, counts: kept };
  };
  const positive = trim(1);
  const negative = trim(-1);
  let { zeroCount } = histogram;
  if (zeroCount > 0) zeroCount = add(zeroCount, keepOfZero(histogram, value, side));
  if (!totals.isTrimmed) return histogram;
  const { count, sum } = totals;
  return compactHistogram({ ...histogram, positive, negative, zeroCount, count, sum });
}

function rangeOf({ schema, customBounds }: Histogram, index: number, sign: 1 | -1): Range {
  const outer = boundOf(index, schema, customBounds);
  const inner = boundOf(index - 1, schema, customBounds);
  return sign === 1 ? { lower: inner, upper: outer } : { lower: -outer, upper: -inner };
}

interface Cut {
  readonly value: number;
  readonly side: TrimSide;
  readonly isCustom: boolean;
}

function keepOfBucket(range: Range, count: number, cut: Cut): Kept {
  const { lower, upper } = range;
  const { value, side, isCustom } = cut;
  const isBelow = side === "keep-below";
  if (isBelow ? upper <= value : lower >= value)
    return { count, middle: middleOf(range, isCustom) };
  if (!(isBelow ? lower < value : upper > value)) return { count: 0, middle: 0 };
  if (lower === -Infinity || upper === Infinity) return keepOfEndless(range, count, cut);
  const below = count * shareBelow(value, range, isCustom);
  return isBelow
    ? { count: below, middle: middleOf({ lower, upper: value }, isCustom) }
    : { count: count - below, middle: middleOf({ lower: value, upper }, isCustom) };
}

/**
 * A bucket without an end cannot be divided, but for the lowest one when it ends above zero: that is taken to begin at zero. Otherwise
 * nothing of it is kept on its endless side, and all of it on the other.
 */
function keepOfEndless({ lower, upper }: Range, count: number, { value, side }: Cut): Kept {
  const isBelow = side === "keep-below";
  if (lower === -Infinity) {
    const beginsAtZero = upper > 0 && upper !== Infinity;
    if (isBelow && value > 0 && beginsAtZero)
      return { count: (count * value) / upper, middle: value / 2 };
    if (isBelow && upper <= 0) return { count, middle: value };
    if (!isBelow && value >= 0 && beginsAtZero)
      return { count: count * (1 - value / upper), middle: (value + upper) / 2 };
    return { count: 0, middle: 0 };
  }
  return isBelow ? { count: 0, middle: 0 } : { count, middle: value };
}

/** Geometric, with the sign of the range; arithmetic with custom bounds. */
function middleOf({ lower, upper }: Range, isCustom: boolean): number {
  if (lower === -Infinity) {
    if (upper === Infinity) return 0;
    return upper > 0 ? upper / 2 : upper;
  }
  if (upper === Infinity) return lower;
  if (isCustom) return (lower + upper) / 2;
  const middle = Math.sqrt(Math.abs(lower * upper));
  return upper > 0 ? middle : -middle;
}

/** The zero bucket is divided evenly; it ends at 0 where the other sign has no observations. */
function keepOfZero(histogram: Histogram, value: number, side: TrimSide): Kept {
  const isPopulated = ({ counts }: HistogramBuckets) => counts.some((count) => count !== 0);
  const hasNegative = isPopulated(histogram.negative);
  const hasPositive = isPopulated(histogram.positive);
  const lower = hasPositive && !hasNegative ? 0 : -histogram.zeroThreshold;
  const upper = hasNegative && !hasPositive ? 0 : histogram.zeroThreshold;
  const all = { count: histogram.zeroCount, middle: (lower + upper) / 2 };
  const nothing = { count: 0, middle: 0 };
  const width = upper - lower;
  if (side === "keep-below") {
    if (value <= lower) return nothing;
    if (value >= upper) return all;
    return { count: all.count * ((value - lower) / width), middle: (lower + value) / 2 };
  }
  if (value <= lower) return all;
  if (value >= upper) return nothing;
  return { count: all.count * ((upper - value) / width), middle: (value + upper) / 2 };
}
