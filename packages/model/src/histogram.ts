/**
 * A native histogram: one sample that holds a whole distribution. Buckets are sparse: spans say which bucket indexes are filled, counts stand
 * beside them one for each index. Counts are absolute doubles, also where a protocol sends integers or differences.
 * Schema n from -4 to 8: bucket i holds (base^(i-1), base^i] with base = 2^(2^-n), mirrored for negative values; what lies within
 * ±zeroThreshold is in `zeroCount`. Schema -53: bucket i holds (customBounds[i-1], customBounds[i]], the last one up to +Inf.
 */

export const CUSTOM_BOUNDS_SCHEMA = -53;
export const EXPONENTIAL_SCHEMA_MIN = -4;
export const EXPONENTIAL_SCHEMA_MAX = 8;

/** What is known of whether counts restarted since the sample before. A gauge histogram may go up and down. */
export type CounterResetHint = "unknown" | "reset" | "not-reset" | "gauge";

/** One sign of a histogram. Immutable, as the histogram around it. */
export interface HistogramBuckets {
  /**
   * Runs of neighbouring buckets as pairs: offset, length. The first offset is the index of the first bucket, each later one the number of
   * indexes left out since the run before.
   */
  readonly spans: Int32Array;
  /** One for each bucket of the spans. */
  readonly counts: Float64Array;
}

/** Never changed once made: a histogram may be shared by a batch, a store and any number of queries. */
export interface Histogram {
  readonly schema: number;
  readonly resetHint: CounterResetHint;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly count: number;
  /** NaN when observations included one. A stale marker is not a histogram: it is a sample with the stale value. */
  readonly sum: number;
  readonly positive: HistogramBuckets;
  /** Empty with custom bounds. */
  readonly negative: HistogramBuckets;
  /** Upper bounds of custom buckets, ascending, without +Inf; empty with an exponential schema. */
  readonly customBounds: Float64Array;
}
