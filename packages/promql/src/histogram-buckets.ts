/**
 * The buckets of one sign with their indexes spelled out: what the arithmetic of histograms works on. A list also carries the rounding error
 * of each count, which sums keep (Neumaier's form of Kahan's summation); a list made from a histogram has none.
 */
import type { Histogram, HistogramBuckets } from "@finch/model";
import { boundOf, coarserIndex } from "./histogram-bounds.ts";

/** Parallel arrays, indexes ascending. Owned by whoever made it; counts and errors may be changed in place, indexes never. */
export interface BucketList {
  readonly indexes: Int32Array;
  readonly counts: Float64Array;
  readonly errors: Float64Array;
}

/** Indexes by span array: histograms of one series mostly share theirs. */
const indexesOfSpans = new WeakMap<Int32Array, Int32Array>();
/** The other way round, for layouts that came out of arithmetic: what has the same indexes shares its spans. */
const spansOfIndexes = new WeakMap<Int32Array, Int32Array>();
const EMPTY = new Int32Array(0);

function indexesOf({ spans, counts }: HistogramBuckets): Int32Array {
  if (counts.length === 0) return EMPTY;
  const known = indexesOfSpans.get(spans);
  if (known?.length === counts.length) return known;
  const indexes = new Int32Array(counts.length);
  let index = 0;
  let at = 0;
  for (let span = 0; span < spans.length; span += 2) {
    index += spans[span]!;
    for (let n = spans[span + 1]!; n > 0 && at < indexes.length; n--) indexes[at++] = index++;
  }
  indexesOfSpans.set(spans, indexes);
  return indexes;
}

/** Shared by all views; grows, is never written to. */
let noErrors = new Float64Array(256);

/** A list to read: shares the counts of the histogram. */
export function viewBuckets(buckets: HistogramBuckets): BucketList {
  const { counts } = buckets;
  if (noErrors.length < counts.length) noErrors = new Float64Array(2 * counts.length);
  return { indexes: indexesOf(buckets), counts, errors: noErrors };
}

const NO_LIST: BucketList = {
  indexes: EMPTY,
  counts: new Float64Array(0),
  errors: new Float64Array(0),
};

/** A list whose numbers may be changed. */
export function listBuckets(buckets: HistogramBuckets): BucketList {
  const { counts } = buckets;
  if (counts.length === 0) return NO_LIST;
  return {
    indexes: indexesOf(buckets),
    counts: counts.slice(),
    errors: new Float64Array(counts.length),
  };
}

/** The list as spans and counts, empty buckets included. */
export function packBuckets(indexes: Int32Array, counts: Float64Array): HistogramBuckets {
  if (indexes.length === 0) return { spans: EMPTY, counts };
  let spans = spansOfIndexes.get(indexes);
  if (spans === undefined) {
    spans = spansOf(indexes);
    spansOfIndexes.set(indexes, spans);
    indexesOfSpans.set(spans, indexes);
  }
  return { spans, counts };
}

function spansOf(indexes: Int32Array): Int32Array {
  const spans: number[] = [];
  let next = 0;
  for (const [at, index] of indexes.entries()) {
    if (at > 0 && index === next) spans[spans.length - 1]!++;
    else spans.push(index - next, 1);
    next = index + 1;
  }
  return Int32Array.from(spans);
}

/** The list without the buckets a test refuses. */
export function keepBuckets(list: BucketList, keep: (at: number) => boolean): BucketList {
  const kept: number[] = [];
  for (let at = 0; at < list.indexes.length; at++) if (keep(at)) kept.push(at);
  if (kept.length === list.indexes.length) return list;
  return {
    indexes: Int32Array.from(kept, (at) => list.indexes[at]!),
    counts: Float64Array.from(kept, (at) => list.counts[at]!),
    errors: Float64Array.from(kept, (at) => list.errors[at]!),
  };
}

/** Adds to one count, with the rounding error beside it; what is infinite carries none. */
export function addToBucket({ counts, errors }: BucketList, at: number, x: number): void {
  const sum = counts[at]!;
  const total = sum + x;
  if (total === Infinity || total === -Infinity) errors[at] = 0;
  else
    errors[at] = errors[at]! + (Math.abs(sum) >= Math.abs(x) ? sum - total + x : x - total + sum);
  counts[at] = total;
}

/** The sum or (sign -1) difference of two lists; takes `target` over and may change it. */
export function mergeLists(target: BucketList, source: BucketList, sign: 1 | -1): BucketList {
  if (isSameLayout(target.indexes, source.indexes)) {
    for (let at = 0; at < source.indexes.length; at++) {
      addToBucket(target, at, sign * source.counts[at]!);
      const error = source.errors[at]!;
      if (error !== 0) addToBucket(target, at, sign * error);
    }
    return target;
  }
  const merged = spreadOver(target, unionOf(target.indexes, source.indexes));
  let at = 0;
  for (let from = 0; from < source.indexes.length; from++) {
    while (merged.indexes[at]! < source.indexes[from]!) at++;
    addToBucket(merged, at, sign * source.counts[from]!);
    const error = source.errors[from]!;
    if (error !== 0) addToBucket(merged, at, sign * error);
  }
  return merged;
}

/** Adds the buckets of `source` to those of `target` that a mapping of indexes names; the buckets of `target` are 0, 1, 2 … */
export function addMapped(
  target: BucketList,
  source: BucketList,
  targetOf: (index: number) => number,
  sign: 1 | -1,
): void {
  for (let from = 0; from < source.indexes.length; from++) {
    const at = targetOf(source.indexes[from]!);
    addToBucket(target, at, sign * source.counts[from]!);
    const error = source.errors[from]!;
    if (error !== 0) addToBucket(target, at, sign * error);
  }
}

export function isSameLayout(a: Int32Array, b: Int32Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

function unionOf(a: Int32Array, b: Int32Array): Int32Array {
  const union = new Int32Array(a.length + b.length);
  let length = 0;
  for (let i = 0, j = 0; i < a.length || j < b.length; length++) {
    const left = i < a.length ? a[i]! : Infinity;
    const right = j < b.length ? b[j]! : Infinity;
    union[length] = Math.min(left, right);
    if (left <= right) i++;
    if (right <= left) j++;
  }
  return union.slice(0, length);
}

function spreadOver(list: BucketList, indexes: Int32Array): BucketList {
  const wider = {
    indexes,
    counts: new Float64Array(indexes.length),
    errors: new Float64Array(indexes.length),
  };
  let at = 0;
  for (let from = 0; from < list.indexes.length; from++) {
    while (indexes[at]! < list.indexes[from]!) at++;
    wider.counts[at] = list.counts[from]!;
    wider.errors[at] = list.errors[from]!;
  }
  return wider;
}

/** The list in a layout whose buckets are made of one or more of its own; `targetOf` must not descend. */
export function regroup(list: BucketList, targetOf: (index: number) => number): BucketList {
  const indexes: number[] = [];
  const out = {
    indexes: list.indexes,
    counts: new Float64Array(list.indexes.length),
    errors: new Float64Array(list.indexes.length),
  };
  for (let from = 0; from < list.indexes.length; from++) {
    const index = targetOf(list.indexes[from]!);
    if (indexes.at(-1) === index) {
      addToBucket(out, indexes.length - 1, list.counts[from]!);
      addToBucket(out, indexes.length - 1, list.errors[from]!);
      continue;
    }
    out.counts[indexes.length] = list.counts[from]!;
    out.errors[indexes.length] = list.errors[from]!;
    indexes.push(index);
  }
  const { length } = indexes;
  return {
    indexes: Int32Array.from(indexes),
    counts: out.counts.slice(0, length),
    errors: out.errors.slice(0, length),
  };
}

/** The list in a coarser exponential schema. */
export function coarsen(list: BucketList, from: number, to: number): BucketList {
  return from === to ? list : regroup(list, (index) => coarserIndex(index, from, to));
}

/** All buckets of a histogram in ascending order, as parallel arrays. The zero bucket is among them where it is not empty. */
export interface AscendingBuckets {
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  readonly counts: Float64Array;
}

/** Buckets that reach into the zero bucket end at its edge. */
export function ascendingBuckets(histogram: Histogram): AscendingBuckets {
  const { schema, zeroThreshold, zeroCount, customBounds } = histogram;
  const negative = viewBuckets(histogram.negative);
  const positive = viewBuckets(histogram.positive);
  const zeros = zeroCount > 0 ? 1 : 0;
  const length = negative.indexes.length + zeros + positive.indexes.length;
  const lower = new Float64Array(length);
  const upper = new Float64Array(length);
  const counts = new Float64Array(length);
  let at = 0;
  for (let from = negative.indexes.length - 1; from >= 0; from--, at++) {
    const index = negative.indexes[from]!;
    lower[at] = -boundOf(index, schema, customBounds);
    upper[at] = Math.min(-boundOf(index - 1, schema, customBounds), -zeroThreshold);
    counts[at] = negative.counts[from]!;
  }
  if (zeros === 1) {
    lower[at] = -zeroThreshold;
    upper[at] = zeroThreshold;
    counts[at++] = zeroCount;
  }
  for (let from = 0; from < positive.indexes.length; from++, at++) {
    const index = positive.indexes[from]!;
    const start = boundOf(index - 1, schema, customBounds);
    lower[at] = start > 0 ? Math.max(start, zeroThreshold) : start;
    upper[at] = boundOf(index, schema, customBounds);
    counts[at] = positive.counts[from]!;
  }
  return { lower, upper, counts };
}

/** How many samples' worth of memory a histogram takes, against the limits on samples. */
export function sizeInSamples({ positive, negative, customBounds }: Histogram): number {
  const words =
    positive.spans.length / 2 +
    positive.counts.length +
    negative.spans.length / 2 +
    negative.counts.length +
    customBounds.length;
  return 11 + Math.ceil(words / 2);
}
