/** OTLP's two histograms as native histograms: exponential ones, and explicit bounds as custom ones. */
import { CUSTOM_BOUNDS_SCHEMA, EXPONENTIAL_SCHEMA_MAX, EXPONENTIAL_SCHEMA_MIN } from "@finch/model";
import type { Histogram, HistogramBuckets } from "@finch/model";
import { HISTOGRAM_BUCKETS_MAX } from "./limits.ts";
import { checkHistogram, reduceBuckets } from "./native-histogram-check.ts";
import type { RawBuckets } from "./native-histogram-check.ts";
import type { OtlpBuckets, OtlpExponentialPoint, OtlpHistogramPoint } from "./otlp-model.ts";

/** What Prometheus' own clients take when a sender does not say how wide its zero bucket is. */
const ZERO_THRESHOLD_DEFAULT = 1e-128;
/** Empty buckets that are stored rather than skipped: a span costs more. */
const EMPTY_RUN_MAX = 2;

/** The histogram, or why it cannot be stored. Scales above 8 are scaled down. */
export function fromExponentialPoint(point: OtlpExponentialPoint): Histogram | string {
  if (point.scale < EXPONENTIAL_SCHEMA_MIN)
    return `cannot convert exponential to native histogram. Scale must be >= ${EXPONENTIAL_SCHEMA_MIN}, was ${point.scale}`;
  const tooMany = bucketsFault(point.positive.counts.length + point.negative.counts.length);
  if (tooMany !== undefined) return tooMany;
  const shift = Math.max(0, point.scale - EXPONENTIAL_SCHEMA_MAX);
  return checkHistogram({
    schema: point.scale - shift,
    resetHint: "unknown",
    zeroThreshold: point.zeroThreshold > 0 ? point.zeroThreshold : ZERO_THRESHOLD_DEFAULT,
    zeroCount: point.zeroCount,
    count: point.count,
    sum: point.sum ?? 0,
    positive: exponentialBuckets(point.positive, shift),
    negative: exponentialBuckets(point.negative, shift),
    customBounds: new Float64Array(0),
    isFloat: false,
  });
}

/** The histogram with the point's bounds as its custom ones, or why it cannot be stored. */
export function fromExplicitPoint(point: OtlpHistogramPoint): Histogram | string {
  const { bucketCounts, explicitBounds } = point;
  const tooMany = bucketsFault(bucketCounts.length + explicitBounds.length);
  if (tooMany !== undefined) return tooMany;
  return checkHistogram({
    schema: CUSTOM_BOUNDS_SCHEMA,
    resetHint: "unknown",
    zeroThreshold: 0,
    zeroCount: 0,
    count: point.count,
    sum: point.sum ?? 0,
    positive: sparse({ spans: Int32Array.of(0, bucketCounts.length), counts: bucketCounts }),
    negative: NO_BUCKETS,
    customBounds: explicitBounds,
    isFloat: false,
  });
}

const NO_BUCKETS: RawBuckets = {
  spans: [],
  spanCount: 0,
  counts: new Float64Array(0),
  bucketCount: 0,
};

function bucketsFault(count: number): string | undefined {
  return count > HISTOGRAM_BUCKETS_MAX
    ? `histogram has ${count} buckets and bounds, ${HISTOGRAM_BUCKETS_MAX} are allowed`
    : undefined;
}

/** OTLP's bucket i begins at base^i, the stored one ends there: they are one apart. */
function exponentialBuckets({ offset, counts }: OtlpBuckets, shift: number): RawBuckets {
  if (counts.length === 0) return NO_BUCKETS;
  const dense = { spans: Int32Array.of(offset + 1, counts.length), counts };
  return sparse(reduceBuckets(dense, shift));
}

/** Leaves out empty buckets at the ends and in runs long enough to be worth a span. */
function sparse({ spans, counts }: HistogramBuckets): RawBuckets {
  const kept: number[] = [];
  const runs: number[] = [];
  // Index behind the last bucket kept.
  let end = 0;
  let index = 0;
  let at = 0;
  for (let span = 0; span < spans.length; span += 2) {
    index += spans[span]!;
    for (let left = spans[span + 1]!; left > 0; left--, index++, at++) {
      const count = counts[at]!;
      if (count === 0) continue;
      const gap = index - end;
      if (kept.length > 0 && gap <= EMPTY_RUN_MAX) {
        for (let empty = 0; empty < gap; empty++) kept.push(0);
        runs[runs.length - 1]! += gap + 1;
      } else runs.push(gap, 1);
      kept.push(count);
      end = index + 1;
    }
  }
  return {
    spans: runs,
    spanCount: runs.length / 2,
    counts: Float64Array.from(kept),
    bucketCount: kept.length,
  };
}
