/** What the operators and functions of PromQL do to whole histograms; inputs are never changed. */
import type { CounterResetHint, Histogram, HistogramBuckets } from "@finch/model";
import { exponentialBound, hasCustomBounds, sameBounds } from "./histogram-bounds.ts";
import { isSameLayout, keepBuckets, packBuckets, viewBuckets } from "./histogram-buckets.ts";
import { HistogramSum } from "./histogram-sum.ts";

/** A sum or difference, and what had to be done for it. */
export interface CombinedHistogram {
  readonly histogram: Histogram;
  /** One side's counter was reset, the other's was not. */
  readonly isCollided: boolean;
  /** The sides had different custom bounds. */
  readonly isReconciled: boolean;
}

/** `a + b` or (sign -1) `a - b`, empty buckets kept; undefined when one has custom bounds and the other an exponential schema. */
export function combineHistograms(
  a: Histogram,
  b: Histogram,
  sign: 1 | -1,
): CombinedHistogram | undefined {
  const sum = new HistogramSum(a);
  if (!sum.add(b, sign)) return undefined;
  const { isCollided, isReconciled } = sum;
  return { histogram: sum.plain(), isCollided, isReconciled };
}

/** All counts and the sum times a factor; a negative one makes it a gauge. */
export function scaleHistogram(histogram: Histogram, factor: number): Histogram {
  return mapNumbers(histogram, factor < 0, (x) => x * factor);
}

/** {@link scaleHistogram} of a histogram whose counts are the caller's own, and may be written to. */
export function scaleOwnHistogram(histogram: Histogram, factor: number): Histogram {
  const { positive, negative, zeroCount, count, sum, resetHint } = histogram;
  for (const { counts } of [positive, negative])
    for (let at = 0; at < counts.length; at++) counts[at] = counts[at]! * factor;
  return {
    ...histogram,
    resetHint: factor < 0 ? "gauge" : resetHint,
    zeroCount: zeroCount * factor,
    count: count * factor,
    sum: sum * factor,
  };
}

/**
 * `a - b` where both have exponential buckets of one layout, undefined where they have not; the counts are the caller's. Rounding errors are
 * not looked at, as in a sum's `plain`.
 */
export function subtractSameLayout(a: Histogram, b: Histogram): Histogram | undefined {
  if (a.schema !== b.schema || hasCustomBounds(a) || a.zeroThreshold !== b.zeroThreshold)
    return undefined;
  if (reachesIntoZero(b, b.positive) || reachesIntoZero(b, b.negative)) return undefined;
  const positive = subtractCounts(a.positive, b.positive);
  const negative = subtractCounts(a.negative, b.negative);
  if (positive === undefined || negative === undefined) return undefined;
  return {
    schema: a.schema,
    resetHint: a.resetHint,
    zeroThreshold: a.zeroThreshold,
    zeroCount: a.zeroCount - b.zeroCount,
    count: a.count - b.count,
    sum: a.sum - b.sum,
    positive,
    negative,
    customBounds: a.customBounds,
  };
}

/** Whether the first bucket ends within the zero bucket: the counts of such are in that one already. */
function reachesIntoZero({ schema, zeroThreshold }: Histogram, buckets: HistogramBuckets): boolean {
  const { indexes } = viewBuckets(buckets);
  return indexes.length > 0 && exponentialBound(indexes[0]!, schema) <= zeroThreshold;
}

function subtractCounts(a: HistogramBuckets, b: HistogramBuckets): HistogramBuckets | undefined {
  const { length } = a.counts;
  if (length !== b.counts.length || !isSameLayout(a.spans, b.spans)) return undefined;
  if (length === 0) return NO_BUCKETS;
  const counts = new Float64Array(length);
  for (let at = 0; at < length; at++) counts[at] = a.counts[at]! - b.counts[at]!;
  return { spans: a.spans, counts };
}

/** All counts and the sum divided; a negative divisor makes it a gauge, zero takes all buckets away. */
export function divideHistogram(histogram: Histogram, by: number): Histogram {
  const divided = mapNumbers(histogram, by < 0, (x) => x / by);
  return by === 0 ? { ...divided, positive: NO_BUCKETS, negative: NO_BUCKETS } : divided;
}

export const NO_BUCKETS: HistogramBuckets = {
  spans: new Int32Array(0),
  counts: new Float64Array(0),
};

/** No observations at all, in the schema of powers of two. */
export const EMPTY_HISTOGRAM: Histogram = {
  schema: 0,
  resetHint: "unknown",
  zeroThreshold: 0,
  zeroCount: 0,
  count: 0,
  sum: 0,
  positive: NO_BUCKETS,
  negative: NO_BUCKETS,
  customBounds: new Float64Array(0),
};

function mapNumbers(
  histogram: Histogram,
  makesGauge: boolean,
  apply: (x: number) => number,
): Histogram {
  const { positive, negative, zeroCount, count, sum } = histogram;
  return {
    ...histogram,
    resetHint: makesGauge ? "gauge" : histogram.resetHint,
    zeroCount: apply(zeroCount),
    count: apply(count),
    sum: apply(sum),
    positive: { spans: positive.spans, counts: positive.counts.map(apply) },
    negative: { spans: negative.spans, counts: negative.counts.map(apply) },
  };
}

/** Without empty buckets, and with as few spans as can be. */
export function compactHistogram(histogram: Histogram): Histogram {
  const positive = compactBuckets(histogram.positive);
  const negative = compactBuckets(histogram.negative);
  if (positive === histogram.positive && negative === histogram.negative) return histogram;
  return { ...histogram, positive, negative };
}

function compactBuckets(buckets: HistogramBuckets): HistogramBuckets {
  const { spans, counts } = buckets;
  let isCompact = !counts.includes(0);
  for (let span = 0; isCompact && span < spans.length; span += 2)
    isCompact = spans[span + 1]! > 0 && (span === 0 || spans[span]! > 0);
  if (isCompact) return buckets;
  const list = viewBuckets(buckets);
  const kept = keepBuckets(list, (at) => list.counts[at] !== 0);
  return packBuckets(kept.indexes, kept.counts);
}

export function withResetHint(histogram: Histogram, resetHint: CounterResetHint): Histogram {
  return histogram.resetHint === resetHint ? histogram : { ...histogram, resetHint };
}

/** Equality of data: the same layout, empty buckets included, and the same numbers; NaN equals NaN, 0 is not -0. Hints do not matter. */
export function equalHistograms(a: Histogram, b: Histogram): boolean {
  return (
    a === b ||
    (a.schema === b.schema &&
      Object.is(a.count, b.count) &&
      Object.is(a.sum, b.sum) &&
      a.zeroThreshold === b.zeroThreshold &&
      Object.is(a.zeroCount, b.zeroCount) &&
      sameBounds(a.customBounds, b.customBounds) &&
      equalBuckets(a.positive, b.positive) &&
      equalBuckets(a.negative, b.negative))
  );
}

function equalBuckets(a: HistogramBuckets, b: HistogramBuckets): boolean {
  if (a.counts.length !== b.counts.length) return false;
  for (let at = 0; at < a.counts.length; at++)
    if (!Object.is(a.counts[at], b.counts[at])) return false;
  return isSameLayout(viewBuckets(a).indexes, viewBuckets(b).indexes);
}
