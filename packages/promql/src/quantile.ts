/** Quantiles: of plain values, and of the buckets of classic histograms. */

/**
 * The φ-quantile of ascending values, between neighbours by weight. `sorted` is in the order of typed-array `sort`: NaN at the end; as NaN
 * counts as the smallest value here, positions are rotated.
 */
export function quantileOfSorted(phi: number, sorted: Float64Array): number {
  const count = sorted.length;
  if (count === 0 || Number.isNaN(phi)) return NaN;
  if (phi < 0) return -Infinity;
  if (phi > 1) return Infinity;
  let numbers = count;
  while (numbers > 0 && Number.isNaN(sorted[numbers - 1]!)) numbers--;
  const nans = count - numbers;
  const rank = phi * (count - 1);
  const lower = Math.max(0, Math.floor(rank));
  const upper = Math.min(count - 1, lower + 1);
  const weight = rank - Math.floor(rank);
  const at = (index: number) => (index < nans ? NaN : sorted[index - nans]!);
  return at(lower) * (1 - weight) + at(upper) * weight;
}

/** Cumulative buckets of one histogram at one step, by ascending bound; scratch of the caller, changed by the functions below. */
export interface Buckets {
  readonly bounds: Float64Array;
  readonly counts: Float64Array;
  /** How many of the above are in use. */
  length: number;
}

export interface BucketQuantile {
  readonly value: number;
  /** Set when decreasing counts had to be raised: where, and by how much at most. */
  readonly forced:
    | { readonly minBound: number; readonly maxBound: number; readonly maxDifference: number }
    | undefined;
}

/** Relative difference of neighbouring counts that is taken for rounding, not for data. */
const COUNT_TOLERANCE = 1e-12;
const SMALLEST_NORMAL = 2.2250738585072014e-308;

export function quantileOfBuckets(phi: number, buckets: Buckets): BucketQuantile {
  if (Number.isNaN(phi)) return { value: NaN, forced: undefined };
  if (phi < 0 || phi > 1) return { value: phi < 0 ? -Infinity : Infinity, forced: undefined };
  const { bounds, counts } = buckets;
  if (bounds[buckets.length - 1] !== Infinity) return { value: NaN, forced: undefined };
  joinEqualBounds(buckets);
  const forced = forceMonotonic(buckets);
  const top = buckets.length - 1;
  const observations = counts[top]!;
  if (buckets.length < 2 || observations === 0) return { value: NaN, forced };
  const rank = phi * observations;
  let b = 0;
  while (b < top && !(counts[b]! >= rank)) b++;
  if (b === top) return { value: bounds[top - 1]!, forced };
  if (b === 0 && bounds[0]! <= 0) return { value: bounds[0]!, forced };
  const start = b > 0 ? bounds[b - 1]! : 0;
  const below = b > 0 ? counts[b - 1]! : 0;
  return { value: start + (bounds[b]! - start) * ((rank - below) / (counts[b]! - below)), forced };
}

function joinEqualBounds(buckets: Buckets): void {
  const { bounds, counts } = buckets;
  let kept = 0;
  for (let i = 1; i < buckets.length; i++) {
    if (bounds[i] === bounds[kept]) counts[kept] = counts[kept]! + counts[i]!;
    else {
      kept++;
      bounds[kept] = bounds[i]!;
      counts[kept] = counts[i]!;
    }
  }
  buckets.length = kept + 1;
}

function forceMonotonic({ bounds, counts, length }: Buckets): BucketQuantile["forced"] {
  let minBound = Infinity;
  let maxBound = -Infinity;
  let maxDifference = 0;
  let previous = counts[0]!;
  for (let i = 1; i < length; i++) {
    const count = counts[i]!;
    if (count === previous) continue;
    const isRounding = almostEqual(previous, count);
    if (!isRounding && !(count < previous)) {
      previous = count;
      continue;
    }
    counts[i] = previous;
    if (isRounding) continue;
    minBound = Math.min(minBound, bounds[i]!);
    maxBound = Math.max(maxBound, bounds[i]!);
    maxDifference = Math.max(maxDifference, previous - count);
  }
  return maxBound === -Infinity ? undefined : { minBound, maxBound, maxDifference };
}

function almostEqual(a: number, b: number): boolean {
  if (a === b) return true;
  const sum = Math.abs(a) + Math.abs(b);
  const difference = Math.abs(a - b);
  if (a === 0 || b === 0 || sum < SMALLEST_NORMAL)
    return difference < COUNT_TOLERANCE * SMALLEST_NORMAL;
  return difference / Math.min(sum, Number.MAX_VALUE) < COUNT_TOLERANCE;
}

/** Share of the observations between two bounds, by linear interpolation inside buckets of finite width. */
export function fractionOfBuckets(lower: number, upper: number, buckets: Buckets): number {
  const { bounds, counts } = buckets;
  if (bounds[buckets.length - 1] !== Infinity) return NaN;
  joinEqualBounds(buckets);
  const observations = counts[buckets.length - 1]!;
  if (
    observations === 0 ||
    Number.isNaN(observations) ||
    Number.isNaN(lower) ||
    Number.isNaN(upper)
  )
    return NaN;
  if (lower >= upper) return 0;
  return (rankOf(upper, buckets) - rankOf(lower, buckets)) / observations;
}

/** How many observations are at most `value`. */
function rankOf(value: number, { bounds, counts, length }: Buckets): number {
  let rank = 0;
  let start = bounds[0]! <= 0 ? -Infinity : 0;
  for (let i = 0; i < length; i++) {
    if (start >= value) return rank;
    const end = bounds[i]!;
    const count = counts[i]!;
    if (end > value) {
      if (start === -Infinity) return Math.min(count, counts[length - 1]!);
      return Math.min(
        rank + ((count - rank) * (value - start)) / (end - start),
        counts[length - 1]!,
      );
    }
    rank = count;
    start = end;
  }
  return counts[length - 1]!;
}
