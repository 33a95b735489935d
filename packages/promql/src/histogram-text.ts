/** Histograms as text: `{count:3, sum:4.5, [-1,-0.5):1, [-0.001,0.001]:0.5, (0.5,1]:1.5}`, the label that `count_values` makes. */
import { formatGoFloat } from "@finch/model";
import type { Histogram } from "@finch/model";
import { boundOf, hasCustomBounds } from "./histogram-bounds.ts";
import { viewBuckets } from "./histogram-buckets.ts";

/** A populated bucket: its bounds, and which of them belong to it. */
export interface PopulatedBucket {
  readonly lower: number;
  readonly upper: number;
  readonly includesLower: boolean;
  readonly includesUpper: boolean;
  readonly count: number;
}

/** Populated buckets from the lowest to the highest. `cutAtZero`: those that reach into the zero bucket end at its edge. */
export function populatedBuckets(
  histogram: Histogram,
  { cutAtZero }: { readonly cutAtZero: boolean },
): readonly PopulatedBucket[] {
  const { schema, customBounds, zeroThreshold, zeroCount } = histogram;
  const edge = cutAtZero ? zeroThreshold : 0;
  const isCustom = hasCustomBounds(histogram);
  const buckets: PopulatedBucket[] = [];
  const push = (lower: number, upper: number, count: number, index: number) => {
    const includesLower = isCustom ? index === 0 : lower < 0;
    const includesUpper = isCustom || upper > 0;
    if (count !== 0) buckets.push({ lower, upper, includesLower, includesUpper, count });
  };
  const negative = viewBuckets(histogram.negative);
  for (let at = negative.indexes.length - 1; at >= 0; at--) {
    const index = negative.indexes[at]!;
    const lower = -boundOf(index, schema, customBounds);
    const upper = Math.min(-boundOf(index - 1, schema, customBounds), -edge);
    push(lower, upper, negative.counts[at]!, index);
  }
  if (zeroCount !== 0) {
    buckets.push({
      lower: -zeroThreshold,
      upper: zeroThreshold,
      includesLower: true,
      includesUpper: true,
      count: zeroCount,
    });
  }
  const positive = viewBuckets(histogram.positive);
  for (let at = 0; at < positive.indexes.length; at++) {
    const index = positive.indexes[at]!;
    const start = boundOf(index - 1, schema, customBounds);
    const lower = start > 0 ? Math.max(start, edge) : start;
    push(lower, boundOf(index, schema, customBounds), positive.counts[at]!, index);
  }
  return buckets;
}

export function formatHistogram(histogram: Histogram): string {
  const parts = [`count:${formatGoFloat(histogram.count)}`, `sum:${formatGoFloat(histogram.sum)}`];
  const buckets = populatedBuckets(histogram, { cutAtZero: false });
  for (const { lower, upper, includesLower, includesUpper, count } of buckets) {
    const [open, close] = [includesLower ? "[" : "(", includesUpper ? "]" : ")"];
    parts.push(
      `${open}${formatGoFloat(lower)},${formatGoFloat(upper)}${close}:${formatGoFloat(count)}`,
    );
  }
  return `{${parts.join(", ")}}`;
}
