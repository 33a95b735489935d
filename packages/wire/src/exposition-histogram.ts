/** The `Histogram` message of the protobuf exposition format: classic buckets, native ones, or both. */
import { WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT, type ProtobufReader } from "@finch/codec";
import type { Histogram } from "@finch/model";
import { badBody } from "./errors.ts";
import { readClientExemplar, type ClientExemplar } from "./exposition-exemplar.ts";
import { HISTOGRAM_BUCKETS_MAX } from "./limits.ts";
import { checkHistogram } from "./native-histogram-check.ts";

/** A classic bucket; the count includes all buckets below. */
export interface ClientBucket {
  readonly upperBound: number;
  readonly count: number;
  readonly exemplar: ClientExemplar | undefined;
}

interface Side {
  /** Pairs: offset, length. */
  readonly spans: number[];
  /** Differences between whole counts, or counts with fractions; only one of the two is filled. */
  readonly deltas: number[];
  readonly counts: number[];
}

export interface ClientHistogram {
  count: number;
  sum: number;
  schema: number;
  zeroThreshold: number;
  zeroCount: number;
  isFloat: boolean;
  readonly buckets: ClientBucket[];
  readonly positive: Side;
  readonly negative: Side;
  readonly exemplars: ClientExemplar[];
}

/** Reads the message a reader's last tag announced. */
export function readClientHistogram(reader: ProtobufReader): ClientHistogram {
  reader.expect(WIRE_BYTES);
  const outer = reader.enter();
  const histogram: ClientHistogram = {
    count: 0,
    sum: 0,
    schema: 0,
    zeroThreshold: 0,
    zeroCount: 0,
    isFloat: false,
    buckets: [],
    positive: { spans: [], deltas: [], counts: [] },
    negative: { spans: [], deltas: [], counts: [] },
    exemplars: [],
  };
  while (reader.more()) {
    reader.readTag();
    if (!readNumber(reader, histogram)) readPart(reader, histogram);
  }
  reader.leave(outer);
  return histogram;
}

/** `1 sample_count, 2 sample_sum, 4 sample_count_float, 5 schema, 6 zero_threshold, 7 zero_count, 8 zero_count_float`. */
function readNumber(reader: ProtobufReader, histogram: ClientHistogram): boolean {
  const { field, wireType } = reader;
  if (wireType === WIRE_VARINT) {
    if (field === 1) histogram.count = reader.readInt64();
    else if (field === 5) histogram.schema = reader.readSint64() | 0;
    else if (field === 7) histogram.zeroCount = reader.readInt64();
    else return false;
    return true;
  }
  if (wireType !== WIRE_FIXED64 || field === 11 || field === 14) return false;
  const value = reader.readDouble();
  if (field === 2) histogram.sum = value;
  else if (field === 6) histogram.zeroThreshold = value;
  else if ((field === 4 || field === 8) && value > 0) {
    histogram.isFloat = true;
    if (field === 4) histogram.count = value;
    else histogram.zeroCount = value;
  }
  return true;
}

/** `3 bucket, 9/10/11 negative span/delta/count, 12/13/14 positive, 16 exemplars`; anything else is skipped. */
function readPart(reader: ProtobufReader, histogram: ClientHistogram): void {
  const { positive, negative } = histogram;
  switch (reader.field) {
    case 3:
      histogram.buckets.push(readBucket(reader));
      return;
    case 9:
      readSpan(reader, negative.spans);
      return;
    case 10:
      readNumbers(reader, negative.deltas, WIRE_VARINT);
      return;
    case 11:
      readNumbers(reader, negative.counts, WIRE_FIXED64);
      return;
    case 12:
      readSpan(reader, positive.spans);
      return;
    case 13:
      readNumbers(reader, positive.deltas, WIRE_VARINT);
      return;
    case 14:
      readNumbers(reader, positive.counts, WIRE_FIXED64);
      return;
    case 16:
      reader.expect(WIRE_BYTES);
      histogram.exemplars.push(readClientExemplar(reader));
      return;
    default:
      reader.skip();
  }
}

/** `Bucket{1 cumulative_count, 2 upper_bound, 3 exemplar, 4 cumulative_count_float}`. */
function readBucket(reader: ProtobufReader): ClientBucket {
  reader.expect(WIRE_BYTES);
  const outer = reader.enter();
  let count = 0;
  let upperBound = 0;
  let exemplar: ClientExemplar | undefined;
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1 && reader.wireType === WIRE_VARINT) count = reader.readInt64();
    else if (reader.field === 2 && reader.wireType === WIRE_FIXED64)
      upperBound = reader.readDouble();
    else if (reader.field === 3 && reader.wireType === WIRE_BYTES)
      exemplar = readClientExemplar(reader);
    else if (reader.field === 4 && reader.wireType === WIRE_FIXED64) {
      const fraction = reader.readDouble();
      if (fraction > 0) count = fraction;
    } else reader.skip();
  }
  reader.leave(outer);
  return { upperBound, count, exemplar };
}

/** `BucketSpan{1 offset, 2 length}`. */
function readSpan(reader: ProtobufReader, spans: number[]): void {
  reader.expect(WIRE_BYTES);
  const outer = reader.enter();
  let offset = 0;
  let length = 0;
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1 && reader.wireType === WIRE_VARINT) offset = reader.readSint64() | 0;
    else if (reader.field === 2 && reader.wireType === WIRE_VARINT) length = reader.readVarint32();
    else reader.skip();
  }
  reader.leave(outer);
  spans.push(offset, length);
  if (spans.length > 2 * HISTOGRAM_BUCKETS_MAX) throw tooManyBuckets();
}

/** A repeated number, packed or one by one. */
function readNumbers(reader: ProtobufReader, into: number[], wireType: number): void {
  const read = () => (wireType === WIRE_FIXED64 ? reader.readDouble() : reader.readSint64());
  if (reader.wireType !== WIRE_BYTES) {
    reader.expect(wireType);
    into.push(read());
  } else {
    const outer = reader.enter();
    while (reader.more()) into.push(read());
    reader.leave(outer);
  }
  if (into.length > HISTOGRAM_BUCKETS_MAX) throw tooManyBuckets();
}

function tooManyBuckets(): Error {
  return badBody(`a native histogram has more than ${HISTOGRAM_BUCKETS_MAX} buckets`);
}

/** Whether it has anything only native histograms have. One without observations has a zero threshold or a span of none, to tell. */
export function isNativeHistogram(histogram: ClientHistogram): boolean {
  const { zeroThreshold, zeroCount, positive, negative } = histogram;
  return (
    zeroThreshold > 0 || zeroCount > 0 || positive.spans.length > 0 || negative.spans.length > 0
  );
}

/** The native part; throws when it contradicts itself. */
export function nativeHistogramOf(
  histogram: ClientHistogram,
  about: { readonly name: string; readonly isGauge: boolean },
): Histogram {
  const { schema, zeroThreshold, zeroCount, count, sum, isFloat } = histogram;
  const checked = checkHistogram({
    schema,
    resetHint: about.isGauge ? "gauge" : "unknown",
    zeroThreshold,
    zeroCount,
    count,
    sum,
    positive: rawSide(histogram.positive, isFloat),
    negative: rawSide(histogram.negative, isFloat),
    customBounds: new Float64Array(0),
    isFloat,
  });
  if (typeof checked === "string") throw badBody(`${about.name}: ${checked}`);
  return checked;
}

function rawSide(side: Side, isFloat: boolean) {
  const counts = Float64Array.from(isFloat ? side.counts : side.deltas);
  if (!isFloat) for (let i = 1; i < counts.length; i++) counts[i]! += counts[i - 1]!;
  return {
    spans: side.spans,
    spanCount: side.spans.length / 2,
    counts,
    bucketCount: counts.length,
  };
}
