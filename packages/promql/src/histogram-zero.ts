/**
 * The zero bucket: histograms with zero buckets of different width are brought to a common one, wide enough for both, whose edge is not
 * inside a populated bucket of either.
 */
import { exponentialBound } from "./histogram-bounds.ts";
import { keepBuckets } from "./histogram-buckets.ts";
import type { BucketList } from "./histogram-buckets.ts";
import { KahanSum } from "./kahan.ts";

/** What of an exponential histogram the zero bucket has to do with. */
export interface ZeroParts {
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly zeroError: number;
  readonly positive: BucketList;
  readonly negative: BucketList;
}

export interface WiderZero {
  /** At least the one asked for: moved out of any populated bucket. */
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly zeroError: number;
}

/** The zero bucket after it has swallowed the buckets up to `wanted`, which is not below its threshold. */
export function widenZero(parts: ZeroParts, wanted: number): WiderZero {
  if (wanted === parts.zeroThreshold) return parts;
  let threshold = wanted;
  for (;;) {
    const total = new KahanSum();
    total.sum = parts.zeroCount;
    total.compensation = parts.zeroError;
    threshold = swallow(total, parts.positive, parts.schema, threshold);
    const wider = swallow(total, parts.negative, parts.schema, threshold);
    if (wider === threshold)
      return { zeroThreshold: threshold, zeroCount: total.sum, zeroError: total.compensation };
    // The negative side moved the edge, so the positive one has to be looked at again.
    threshold = wider;
  }
}

/** Adds the buckets below the threshold; answers the edge of the populated bucket that it is inside of, else itself. */
function swallow(total: KahanSum, list: BucketList, schema: number, threshold: number): number {
  for (let at = 0; at < list.indexes.length; at++) {
    const index = list.indexes[at]!;
    if (exponentialBound(index - 1, schema) >= threshold) break;
    total.add(list.counts[at]!);
    total.add(list.errors[at]!);
    const upper = exponentialBound(index, schema);
    if (upper > threshold) return list.counts[at] === 0 ? threshold : upper;
  }
  return threshold;
}

/** The buckets of one sign that a zero bucket leaves; empty ones go as well. */
export function outsideZero(list: BucketList, schema: number, threshold: number): BucketList {
  return keepBuckets(
    list,
    (at) =>
      exponentialBound(list.indexes[at]! - 1, schema) >= threshold &&
      (list.counts[at] !== 0 || list.errors[at] !== 0),
  );
}

/** Without the first buckets that end within the zero bucket: their observations are in its count already. */
export function beyondZero(list: BucketList, schema: number, threshold: number): BucketList {
  let first = 0;
  while (first < list.indexes.length && exponentialBound(list.indexes[first]!, schema) <= threshold)
    first++;
  if (first === 0) return list;
  return {
    indexes: list.indexes.subarray(first),
    counts: list.counts.subarray(first),
    errors: list.errors.subarray(first),
  };
}
