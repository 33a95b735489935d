/**
 * What makes a native histogram storable: the rules of Prometheus' receivers, with their words, so that senders and people recognise them.
 * Works on the raw fields as a protocol sent them; the result is the {@link Histogram} of the model with canonical spans. Used by remote write
 * 1.0 and 2.0 and by OTLP.
 */
import {
  CUSTOM_BOUNDS_SCHEMA,
  EXPONENTIAL_SCHEMA_MAX,
  EXPONENTIAL_SCHEMA_MIN,
  formatGoFloat,
} from "@finch/model";
import type { CounterResetHint, Histogram, HistogramBuckets } from "@finch/model";

/** Schemas above the finest stored one that may be sent; they are reduced to it. */
const EXPONENTIAL_SCHEMA_MAX_RESERVED = 52;
/** Index of a bucket; beyond it the stored spans could not name it. */
const INDEX_MAX = 2 ** 31 - 1;

/** One sign of a histogram as sent. The arrays may be longer than what is used, and may be used again after the check. */
export interface RawBuckets {
  /** Pairs: offset, length. */
  readonly spans: ArrayLike<number>;
  readonly spanCount: number;
  /** Absolute counts. */
  readonly counts: Float64Array;
  readonly bucketCount: number;
}

/** The fields of a histogram as sent, counts already absolute. */
export interface RawHistogram {
  readonly schema: number;
  readonly resetHint: CounterResetHint;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly count: number;
  readonly sum: number;
  readonly positive: RawBuckets;
  readonly negative: RawBuckets;
  readonly customBounds: Float64Array;
  /** Whether counts may have fractions. Whole counts must add up to `count`, others need not. */
  readonly isFloat: boolean;
}

/** The histogram to store, or what is wrong with it in Prometheus' words. A schema finer than 8 comes out as schema 8. */
export function checkHistogram(raw: RawHistogram): Histogram | string {
  const isReduced =
    raw.schema > EXPONENTIAL_SCHEMA_MAX && raw.schema <= EXPONENTIAL_SCHEMA_MAX_RESERVED;
  const fault = isReduced
    ? (reducibleFault(raw.positive) ?? reducibleFault(raw.negative) ?? countsFault(raw, true))
    : countsFault(raw, false);
  if (fault !== undefined) return fault;
  const positive = canonicalBuckets(raw.positive);
  const negative = canonicalBuckets(raw.negative);
  if (typeof positive === "string") return positive;
  if (typeof negative === "string") return negative;
  const shift = isReduced ? raw.schema - EXPONENTIAL_SCHEMA_MAX : 0;
  return {
    schema: raw.schema - shift,
    resetHint: raw.resetHint,
    zeroThreshold: raw.zeroThreshold,
    zeroCount: raw.zeroCount,
    count: raw.count,
    sum: raw.sum,
    positive: reduceBuckets(positive, shift),
    negative: reduceBuckets(negative, shift),
    customBounds: raw.customBounds.length === 0 ? NO_BOUNDS : raw.customBounds.slice(),
  };
}

/** Buckets of a schema finer by `shift`, joined: `2^shift` neighbours become one. */
export function reduceBuckets(buckets: HistogramBuckets, shift: number): HistogramBuckets {
  if (shift === 0 || buckets.counts.length === 0) return buckets;
  const spans: number[] = [];
  const counts: number[] = [];
  let index = 0;
  let at = 0;
  let last = 0;
  for (let span = 0; span < buckets.spans.length; span += 2) {
    index += buckets.spans[span]!;
    for (let left = buckets.spans[span + 1]!; left > 0; left--) {
      // Bucket i ends at base^i: those that end at or before base^target belong to it.
      const target = Math.ceil(index / 2 ** shift);
      if (counts.length > 0 && target === last) counts[counts.length - 1]! += buckets.counts[at]!;
      else {
        if (counts.length > 0 && target === last + 1) spans[spans.length - 1]!++;
        else spans.push(counts.length === 0 ? target : target - last - 1, 1);
        counts.push(buckets.counts[at]!);
        last = target;
      }
      index++;
      at++;
    }
  }
  return { spans: Int32Array.from(spans), counts: Float64Array.from(counts) };
}

const NO_BOUNDS = new Float64Array(0);
const NO_BUCKETS: HistogramBuckets = { spans: new Int32Array(0), counts: new Float64Array(0) };

function countsFault(raw: RawHistogram, spansChecked: boolean): string | undefined {
  const { positive, negative, isFloat, schema } = raw;
  const isCustom = schema === CUSTOM_BOUNDS_SCHEMA;
  if (isCustom) {
    const fault = customFault(raw);
    if (fault !== undefined) return fault;
  } else if (
    spansChecked ||
    (schema >= EXPONENTIAL_SCHEMA_MIN && schema <= EXPONENTIAL_SCHEMA_MAX)
  ) {
    const fault =
      sided("positive", spansFault(positive)) ??
      sided("negative", spansFault(negative)) ??
      sided("negative", bucketsFault(negative)) ??
      (isFloat && raw.zeroCount < 0
        ? `zero bucket has observation count of ${formatGoFloat(raw.zeroCount)}: ${NEGATIVE_BUCKET}`
        : undefined) ??
      (raw.customBounds.length > 0
        ? "histogram with exponential schema must not have custom bounds"
        : undefined);
    if (fault !== undefined) return fault;
  } else {
    return `histogram has an invalid schema, which must be between ${EXPONENTIAL_SCHEMA_MIN} and ${EXPONENTIAL_SCHEMA_MAX} for exponential buckets, or ${CUSTOM_BOUNDS_SCHEMA} for custom buckets, got schema ${schema}`;
  }
  if (isFloat && raw.count < 0)
    return `observation count is  ${formatGoFloat(raw.count)}: histogram's observation count is negative`;
  return sided("positive", bucketsFault(positive)) ?? (isFloat ? undefined : totalFault(raw));
}

/** Whole counts must add up; with NaN among the observations some are in no bucket. Beyond 2^53 a double cannot tell. */
function totalFault(raw: RawHistogram): string | undefined {
  const found = total(raw.negative) + total(raw.positive) + raw.zeroCount;
  if (found > Number.MAX_SAFE_INTEGER || raw.count > Number.MAX_SAFE_INTEGER) return undefined;
  const told = `${found} observations found in buckets, but the Count field is ${raw.count}`;
  if (Number.isNaN(raw.sum)) {
    return found > raw.count
      ? `${told}: histogram's observation count should be at least the number of observations found in the buckets`
      : undefined;
  }
  return found === raw.count
    ? undefined
    : `${told}: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)`;
}

function total({ counts, bucketCount }: RawBuckets): number {
  let sum = 0;
  for (let i = 0; i < bucketCount; i++) sum += counts[i]!;
  return sum;
}

const NEGATIVE_BUCKET = "histogram has a bucket whose observation count is negative";
const NEGATIVE_OFFSET = "histogram has a span whose offset is negative";
const SPANS_MISMATCH = "histogram spans specify different number of buckets than provided";

function sided(side: "positive" | "negative", fault: string | undefined): string | undefined {
  return fault === undefined ? undefined : `${side} side: ${fault}`;
}

function bucketsFault({ counts, bucketCount }: RawBuckets): string | undefined {
  for (let i = 0; i < bucketCount; i++) {
    if (counts[i]! < 0)
      return `bucket number ${i + 1} has observation count of ${formatGoFloat(counts[i]!)}: ${NEGATIVE_BUCKET}`;
  }
  return undefined;
}

function spansFault(buckets: RawBuckets): string | undefined {
  const { spans, spanCount, bucketCount } = buckets;
  let needed = 0;
  for (let span = 0; span < spanCount; span++) {
    if (span > 0 && spans[2 * span]! < 0) return offsetFault(buckets, span);
    needed += spans[2 * span + 1]!;
  }
  if (needed !== bucketCount)
    return `spans need ${needed} buckets, have ${bucketCount} buckets: ${SPANS_MISMATCH}`;
  return undefined;
}

/** The same, in the words of the reduction to another schema, which sees it first. */
function reducibleFault(buckets: RawBuckets): string | undefined {
  const { spans, spanCount, bucketCount } = buckets;
  let needed = 0;
  for (let span = 0; span < spanCount; span++) {
    if (span > 0 && spans[2 * span]! < 0) return offsetFault(buckets, span);
    needed += spans[2 * span + 1]!;
    if (needed > bucketCount)
      return `have ${bucketCount} buckets but spans need more: ${SPANS_MISMATCH}`;
  }
  return spansFault(buckets);
}

function offsetFault({ spans }: RawBuckets, span: number): string {
  return `span number ${span + 1} with offset ${spans[2 * span]!}: ${NEGATIVE_OFFSET}`;
}

function customFault(raw: RawHistogram): string | undefined {
  const fault = boundsFault(raw.customBounds) ?? customSpansFault(raw);
  if (fault !== undefined) return `custom buckets: ${fault}`;
  if (raw.zeroCount !== 0) return "custom buckets: must have zero count of 0";
  if (raw.zeroThreshold !== 0) return "custom buckets: must have zero threshold of 0";
  if (raw.negative.spanCount > 0) return "custom buckets: must not have negative spans";
  if (raw.negative.bucketCount > 0) return "custom buckets: must not have negative buckets";
  return undefined;
}

function boundsFault(bounds: Float64Array): string | undefined {
  let previous = -Infinity;
  for (let i = 0; i < bounds.length; i++) {
    const bound = bounds[i]!;
    if (Number.isNaN(bound)) return "histogram custom bounds must not be NaN";
    if (i > 0 && bound <= previous)
      return `previous bound is ${sixDigits(previous)} and current is ${sixDigits(bound)}: histogram custom bounds must be in strictly increasing order`;
    previous = bound;
  }
  if (previous === Infinity)
    return "last +Inf bound must not be explicitly defined: histogram custom bounds must be finite";
  return undefined;
}

function customSpansFault({ positive, customBounds }: RawHistogram): string | undefined {
  const { spans, spanCount, bucketCount } = positive;
  let needed = 0;
  let covered = 0;
  for (let span = 0; span < spanCount; span++) {
    if (spans[2 * span]! < 0) return offsetFault(positive, span);
    needed += spans[2 * span + 1]!;
    covered += spans[2 * span]! + spans[2 * span + 1]!;
  }
  if (needed !== bucketCount)
    return `spans need ${needed} buckets, have ${bucketCount} buckets: ${SPANS_MISMATCH}`;
  if (customBounds.length + 1 < covered)
    return `only ${customBounds.length} custom bounds defined which is insufficient to cover total span length of ${covered}: histogram custom bounds are too few`;
  return undefined;
}

/** Go's `%f`. */
function sixDigits(value: number): string {
  return Number.isFinite(value) ? value.toFixed(6) : formatGoFloat(value);
}

/** Copies of checked buckets with empty spans folded into the next offset and touching ones joined, or a fault. */
function canonicalBuckets(raw: RawBuckets): HistogramBuckets | string {
  if (raw.bucketCount === 0) return NO_BUCKETS;
  const spans = new Int32Array(2 * raw.spanCount);
  let used = 0;
  let gap = 0;
  let index = 0;
  for (let span = 0; span < raw.spanCount; span++) {
    const length = raw.spans[2 * span + 1]!;
    gap += raw.spans[2 * span]!;
    index += raw.spans[2 * span]! + length;
    if (length === 0) continue;
    if (index > INDEX_MAX || gap > INDEX_MAX)
      return `span number ${span + 1} ends at bucket ${index - 1}: no bucket has an index beyond ${INDEX_MAX - 1}`;
    if (used > 0 && gap === 0) spans[2 * used - 1]! += length;
    else {
      spans[2 * used] = gap;
      spans[2 * used + 1] = length;
      used++;
    }
    gap = 0;
  }
  return { spans: spans.slice(0, 2 * used), counts: raw.counts.slice(0, raw.bucketCount) };
}
