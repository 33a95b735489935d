/** Native histograms as points of OTLP: exponential ones, and those with custom bounds as explicit ones. */
import type { Histogram, HistogramBuckets } from "@finch/model";
import type {
  ExponentialBuckets,
  ExponentialHistogramDataPoint,
  HistogramDataPoint,
} from "@finch/wire";
import type { PointPlace } from "./otlp-metric-family.ts";

/** Buckets that a sparse histogram may unfold to; two spans far apart would make millions. */
const BUCKETS_MAX = 10_000;

export function exponentialPoint(
  histogram: Histogram,
  place: PointPlace,
): ExponentialHistogramDataPoint {
  return {
    attributes: place.attributes,
    startTimeUnixNano: place.startNs(histogram.count),
    timeUnixNano: place.timeNs,
    count: toCount(histogram.count),
    sum: histogram.sum,
    scale: histogram.schema,
    zeroCount: toCount(histogram.zeroCount),
    positive: bucketsOf(histogram.positive),
    negative: bucketsOf(histogram.negative),
    flags: place.flags,
    exemplars: [],
    min: undefined,
    max: undefined,
    zeroThreshold: histogram.zeroThreshold,
  };
}

export function explicitPoint(histogram: Histogram, place: PointPlace): HistogramDataPoint {
  const { offset, bucketCounts } = bucketsOf(histogram.positive);
  const bounds = [...histogram.customBounds];
  // Custom buckets begin at 0; those of the exponential form are one further.
  const counts = Array.from(
    { length: bounds.length + 1 },
    (_, i) => bucketCounts[i - offset - 1] ?? 0n,
  );
  return {
    attributes: place.attributes,
    startTimeUnixNano: place.startNs(histogram.count),
    timeUnixNano: place.timeNs,
    count: toCount(histogram.count),
    sum: histogram.sum,
    bucketCounts: counts,
    explicitBounds: bounds,
    exemplars: [],
    flags: place.flags,
    min: undefined,
    max: undefined,
  };
}

/** Dense: the bucket that ends at base^i is the one that begins at base^(i-1), which OTLP counts by. */
function bucketsOf({ spans, counts }: HistogramBuckets): ExponentialBuckets {
  if (counts.length === 0) return { offset: 0, bucketCounts: [] };
  const bucketCounts: bigint[] = [];
  let at = 0;
  for (let span = 0; span < spans.length; span += 2) {
    if (span > 0)
      for (let gap = spans[span]!; gap > 0 && bucketCounts.length < BUCKETS_MAX; gap--)
        bucketCounts.push(0n);
    for (let left = spans[span + 1]!; left > 0; left--) bucketCounts.push(toCount(counts[at++]!));
  }
  return { offset: spans[0]! - 1, bucketCounts };
}

function toCount(value: number): bigint {
  return Number.isFinite(value) ? BigInt(Math.max(0, Math.round(value))) : 0n;
}
