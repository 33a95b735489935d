/**
 * What can be estimated from the buckets of a native histogram: quantiles, fractions, spread. Within an exponential bucket observations are
 * taken to be spread evenly on a logarithmic scale; in the zero bucket and in buckets with custom bounds, on a linear one. The zero bucket
 * begins or ends at 0 when only one sign has buckets.
 */
import type { Histogram } from "@finch/model";
import { hasCustomBounds } from "./histogram-bounds.ts";
import { ascendingBuckets } from "./histogram-buckets.ts";
import type { AscendingBuckets } from "./histogram-buckets.ts";
import { KahanSum } from "./kahan.ts";

/** What observations of NaN, which are in no bucket, did to an estimate. */
export type NanEffect = "none" | "result-is-nan" | "skewed" | "excluded";

export interface Estimate {
  readonly value: number;
  readonly nanEffect: NanEffect;
}

interface Bucket {
  lower: number;
  upper: number;
  count: number;
}

export function quantileOfHistogram(phi: number, histogram: Histogram): Estimate {
  if (phi < 0) return certain(-Infinity);
  if (phi > 1) return certain(Infinity);
  if (histogram.count === 0 || Number.isNaN(phi)) return certain(NaN);
  const isCustom = hasCustomBounds(histogram);
  const hasNaN = Number.isNaN(histogram.sum);
  // Observations of NaN count as larger than all others, so that ranks have to be counted from below then.
  const ascending = hasNaN || phi < 0.5;
  let rank = ascending ? phi * histogram.count : (1 - phi) * histogram.count;
  const walk = new BucketWalk(ascendingBuckets(histogram), ascending);
  let { bucket, total } = walk.advanceTo(rank);
  if (isCustom) {
    if (bucket.lower === -Infinity) {
      if (bucket.upper <= 0) return certain(bucket.upper);
      bucket.lower = 0;
    } else if (bucket.upper === Infinity) return certain(bucket.lower);
  } else if (bucket.lower < 0 && bucket.upper > 0) endAtZero(histogram, bucket);
  total = Math.min(total, histogram.count);
  if (total < rank)
    return hasNaN ? { value: NaN, nanEffect: "result-is-nan" } : certain(bucket.upper);
  rank = ascending ? rank - (total - bucket.count) : total - rank;
  let nanEffect: NanEffect = "none";
  if (hasNaN) {
    const rest = walk.advanceTo(Infinity);
    // As Prometheus does, the interpolation goes on in the last bucket then.
    if (rest.moved) bucket = rest.bucket;
    if (total + rest.added < histogram.count) nanEffect = "skewed";
  }
  return { value: interpolate(bucket, rank / bucket.count, isCustom), nanEffect };
}

function certain(value: number): Estimate {
  return { value, nanEffect: "none" };
}

/** A walk over the buckets from either end, adding up counts. */
class BucketWalk {
  readonly #buckets: AscendingBuckets;
  readonly #step: 1 | -1;
  #at: number;
  #total = 0;
  #bucket: Bucket = { lower: 0, upper: 0, count: 0 };

  constructor(buckets: AscendingBuckets, ascending: boolean) {
    this.#buckets = buckets;
    this.#step = ascending ? 1 : -1;
    this.#at = ascending ? 0 : buckets.counts.length - 1;
  }

  /** Goes on to the bucket that brings the total to `rank`, or to the end. */
  advanceTo(rank: number): { bucket: Bucket; total: number; added: number; moved: boolean } {
    const { lower, upper, counts } = this.#buckets;
    const before = this.#total;
    let moved = false;
    for (; this.#at >= 0 && this.#at < counts.length; this.#at += this.#step) {
      const at = this.#at;
      this.#bucket = { lower: lower[at]!, upper: upper[at]!, count: counts[at]! };
      this.#total += counts[at]!;
      moved = true;
      if (counts[at] === 0 || !(this.#total >= rank)) continue;
      this.#at += this.#step;
      break;
    }
    return { bucket: this.#bucket, total: this.#total, added: this.#total - before, moved };
  }
}

/** Where only one sign has buckets, the zero bucket holds nothing of the other. */
function endAtZero({ negative, positive }: Histogram, bucket: Bucket): void {
  if (negative.counts.length === 0 && positive.counts.length > 0) bucket.lower = 0;
  else if (positive.counts.length === 0 && negative.counts.length > 0) bucket.upper = 0;
}

/** The value below which a share of the bucket's observations is. */
function interpolate({ lower, upper }: Bucket, share: number, isLinear: boolean): number {
  if (isLinear || (lower <= 0 && upper >= 0)) return lower + (upper - lower) * share;
  const logLower = Math.log2(Math.abs(lower));
  const logUpper = Math.log2(Math.abs(upper));
  if (lower > 0) return 2 ** (logLower + (logUpper - logLower) * share);
  return -(2 ** (logUpper + (logLower - logUpper) * (1 - share)));
}

/** Share of a bucket's observations that is below a value inside of it; the inverse of {@link interpolate}. */
export function shareBelow(
  value: number,
  { lower, upper }: Pick<Bucket, "lower" | "upper">,
  isLinear: boolean,
): number {
  if (isLinear) return (value - lower) / (upper - lower);
  const logLower = Math.log2(Math.abs(lower));
  const logUpper = Math.log2(Math.abs(upper));
  const log = Math.log2(Math.abs(value));
  return value > 0
    ? (log - logLower) / (logUpper - logLower)
    : 1 - (log - logUpper) / (logLower - logUpper);
}

/** Share of all observations between two values. */
export function fractionOfHistogram(lower: number, upper: number, histogram: Histogram): Estimate {
  if (histogram.count === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return certain(NaN);
  if (lower >= upper) return certain(0);
  const buckets = ascendingBuckets(histogram);
  const inBuckets = Number.isNaN(histogram.sum)
    ? buckets.counts.reduce((total, count) => total + count, 0)
    : histogram.count;
  const rank = (value: number) => Math.min(rankOf(value, histogram, buckets), inBuckets);
  const value = (rank(upper) - rank(lower)) / histogram.count;
  return { value, nanEffect: inBuckets < histogram.count ? "excluded" : "none" };
}

/** How many observations are below a value; infinite above all buckets. */
function rankOf(value: number, histogram: Histogram, buckets: AscendingBuckets): number {
  const isCustom = hasCustomBounds(histogram);
  let rank = 0;
  for (let at = 0; at < buckets.counts.length; at++) {
    const count = buckets.counts[at]!;
    const bucket = { lower: buckets.lower[at]!, upper: buckets.upper[at]!, count };
    const isZero = bucket.lower <= 0 && bucket.upper >= 0;
    if (isZero) endAtZero(histogram, bucket);
    if (bucket.lower >= value) return rank;
    if (bucket.upper > value) {
      // Of a bucket without a lower end all observations count, of one without an upper end none.
      if ((isCustom || isZero) && bucket.lower === -Infinity) return count;
      return rank + count * shareBelow(value, bucket, isCustom || isZero);
    }
    rank += count;
  }
  return Infinity;
}

/** Variance of the observations, each taken to be in the middle of its bucket: the geometric one, or the arithmetic one with custom bounds. */
export function varianceOfHistogram(histogram: Histogram): number {
  const isCustom = hasCustomBounds(histogram);
  const mean = histogram.sum / histogram.count;
  const { lower, upper, counts } = ascendingBuckets(histogram);
  const squares = new KahanSum();
  for (let at = 0; at < counts.length; at++) {
    if (counts[at] === 0) continue;
    const distance = middleOf(lower[at]!, upper[at]!, isCustom) - mean;
    squares.add(counts[at]! * distance * distance);
  }
  return squares.total / histogram.count;
}

function middleOf(lower: number, upper: number, isCustom: boolean): number {
  if (isCustom) return (upper + lower) / 2;
  if (lower <= 0 && upper >= 0) return 0;
  const middle = Math.sqrt(upper * lower);
  return upper < 0 ? -middle : middle;
}
