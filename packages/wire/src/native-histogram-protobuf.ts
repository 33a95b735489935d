/**
 * The `Histogram` message that remote write 1.0 and 2.0 share (2.0 adds a start time), between protobuf and the model. Whole counts arrive as
 * differences between neighbouring buckets, counts with fractions as they are; either way they leave here as absolute doubles, checked as
 * Prometheus checks them (`native-histogram-check.ts`).
 */
import { ByteWriter, ProtobufReader, WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT } from "@finch/codec";
import type { ProtobufWriter } from "@finch/codec";
import { STALE_NAN_HIGH, STALE_NAN_LOW } from "@finch/model";
import type { CounterResetHint, Histogram, HistogramBuckets } from "@finch/model";
import { badBody } from "./errors.ts";
import { HISTOGRAM_BUCKETS_MAX } from "./limits.ts";
import { checkHistogram } from "./native-histogram-check.ts";

const RESET_HINTS: readonly CounterResetHint[] = ["unknown", "reset", "not-reset", "gauge"];

/** One message, read. Exactly one of: a histogram, a stale marker, a fault. */
export interface HistogramMessage {
  /** Unix milliseconds. */
  readonly timestampMs: number;
  /** Unix milliseconds, 0 when not sent. */
  readonly startTimestampMs: number;
  /** The bits of the sum: what the value column of a batch holds for this sample. */
  readonly sumLow: number;
  readonly sumHigh: number;
  readonly histogram: Histogram | undefined;
  readonly isStale: boolean;
  /** Why it cannot be stored, in Prometheus' words. */
  readonly fault: string | undefined;
  /** Buckets and bounds it had, for limits on a whole request. */
  readonly bucketCount: number;
}

/** Reads the message in `bytes[start … end)`; bytes that are no protobuf are a CodecError, a time out of range a FinchError. */
export function decodeHistogram(bytes: Uint8Array, start: number, end: number): HistogramMessage {
  return readHistogram(new ProtobufReader(bytes, start, end));
}

/** The same from a reader that was entered into the message; leaves it at the message's end. */
export function readHistogram(reader: ProtobufReader): HistogramMessage {
  FIELDS.clear();
  while (reader.more()) readField(reader, FIELDS);
  return FIELDS.result();
}

/** What a histogram is written as: the sample's time, and in 2.0 its start. */
export interface HistogramSample {
  readonly histogram: Histogram;
  readonly timestampMs: number;
  /** 0 leaves it out; remote write 1.0 has no room for it. */
  readonly startTimestampMs: number;
}

/**
 * Writes a message under `field`: with differences when all counts are whole and add up, as receivers ask of histograms written that way, else
 * with the counts.
 */
export function writeHistogram(
  writer: ProtobufWriter,
  field: number,
  sample: HistogramSample,
): void {
  const { histogram, timestampMs, startTimestampMs } = sample;
  const isFloat = !hasWholeCounts(histogram) || !addsUp(histogram);
  const message = writer.begin(field);
  if (isFloat) writeDouble(writer, 2, histogram.count);
  else writer.writeInt64(1, histogram.count);
  writeDouble(writer, 3, histogram.sum);
  writer.writeInt64(4, zigzag(histogram.schema));
  writeDouble(writer, 5, histogram.zeroThreshold);
  if (isFloat) writeDouble(writer, 7, histogram.zeroCount);
  else writer.writeInt64(6, histogram.zeroCount);
  writeBuckets(writer, histogram.negative, { spans: 8, deltas: 9, counts: 10, isFloat });
  writeBuckets(writer, histogram.positive, { spans: 11, deltas: 12, counts: 13, isFloat });
  const hint = RESET_HINTS.indexOf(histogram.resetHint);
  if (hint > 0) writer.writeInt64(14, hint);
  writer.writeInt64(15, timestampMs);
  if (histogram.customBounds.length > 0) writePackedDoubles(writer, 16, histogram.customBounds);
  if (startTimestampMs !== 0) writer.writeInt64(17, startTimestampMs);
  writer.end(message);
}

/** Doubles that grow as they are read and are used again for the next message. Those beyond what may be stored are only counted. */
class Doubles {
  values = new Float64Array(64);
  length = 0;

  add(value: number): void {
    const at = this.length++;
    if (at >= DOUBLES_MAX) return;
    if (at === this.values.length) {
      const grown = new Float64Array(2 * at);
      grown.set(this.values);
      this.values = grown;
    }
    this.values[at] = value;
  }

  /** Replaces differences by running sums. */
  accumulate(): void {
    const stored = Math.min(this.length, DOUBLES_MAX);
    for (let i = 1; i < stored; i++) this.values[i]! += this.values[i - 1]!;
  }
}

/** A span is two numbers, and there may be one for each bucket. */
const DOUBLES_MAX = 2 * HISTOGRAM_BUCKETS_MAX;

/** One sign: spans, and the two ways to write counts. */
class SideFields {
  readonly spans = new Doubles();
  readonly deltas = new Doubles();
  readonly counts = new Doubles();

  clear(): void {
    this.spans.length = 0;
    this.deltas.length = 0;
    this.counts.length = 0;
  }

  raw(isFloat: boolean) {
    const { length, values } = isFloat ? this.counts : this.deltas;
    return {
      spans: this.spans.values,
      spanCount: this.spans.length / 2,
      counts: values,
      bucketCount: length,
    };
  }
}

/** The fields of the message at hand. Kept between messages for its memory; nothing of it leaves. */
class HistogramFields {
  readonly positive = new SideFields();
  readonly negative = new SideFields();
  readonly bounds = new Doubles();
  isFloat = false;
  count = 0;
  sumLow = 0;
  sumHigh = 0;
  sum = 0;
  schema = 0;
  zeroThreshold = 0;
  zeroIsFloat = false;
  zeroCount = 0;
  resetHint = 0;
  timestampMs = 0;
  startTimestampMs = 0;

  clear(): void {
    this.positive.clear();
    this.negative.clear();
    this.bounds.length = 0;
    this.isFloat = false;
    this.count = 0;
    this.sumLow = 0;
    this.sumHigh = 0;
    this.sum = 0;
    this.schema = 0;
    this.zeroThreshold = 0;
    this.zeroIsFloat = false;
    this.zeroCount = 0;
    this.resetHint = 0;
    this.timestampMs = 0;
    this.startTimestampMs = 0;
  }

  result(): HistogramMessage {
    const { positive, negative, bounds, isFloat, timestampMs, startTimestampMs } = this;
    const { sumLow, sumHigh } = this;
    positive.deltas.accumulate();
    negative.deltas.accumulate();
    const raw = {
      schema: this.schema,
      resetHint: RESET_HINTS[this.resetHint] ?? "unknown",
      zeroThreshold: this.zeroThreshold,
      // A zero count of the other kind than the count is none.
      zeroCount: this.zeroIsFloat === isFloat ? this.zeroCount : 0,
      count: this.count,
      sum: this.sum,
      positive: positive.raw(isFloat),
      negative: negative.raw(isFloat),
      customBounds: bounds.values.subarray(0, Math.min(bounds.length, DOUBLES_MAX)),
      isFloat,
    };
    const bucketCount = raw.positive.bucketCount + raw.negative.bucketCount + bounds.length;
    const spanCount = raw.positive.spanCount + raw.negative.spanCount;
    const checked =
      bucketCount > HISTOGRAM_BUCKETS_MAX || spanCount > HISTOGRAM_BUCKETS_MAX
        ? `histogram has ${spanCount} spans and ${bucketCount} buckets and bounds, ${HISTOGRAM_BUCKETS_MAX} of each are allowed`
        : checkHistogram(raw);
    const fault = typeof checked === "string" ? checked : undefined;
    const isStale = fault === undefined && sumHigh === STALE_NAN_HIGH && sumLow === STALE_NAN_LOW;
    const histogram = typeof checked === "string" || isStale ? undefined : checked;
    return {
      timestampMs,
      startTimestampMs,
      sumLow,
      sumHigh,
      histogram,
      isStale,
      fault,
      bucketCount,
    };
  }
}

const FIELDS = new HistogramFields();

function readField(reader: ProtobufReader, fields: HistogramFields): void {
  reader.readTag();
  switch (reader.field) {
    case 1:
      reader.expect(WIRE_VARINT);
      fields.count = readUint64(reader);
      fields.isFloat = false;
      return;
    case 2:
      reader.expect(WIRE_FIXED64);
      fields.count = reader.readDouble();
      fields.isFloat = true;
      return;
    case 3:
      readSum(reader, fields);
      return;
    case 4:
      reader.expect(WIRE_VARINT);
      fields.schema = reader.readSint64() | 0;
      return;
    case 5:
      reader.expect(WIRE_FIXED64);
      fields.zeroThreshold = reader.readDouble();
      return;
    case 6:
      reader.expect(WIRE_VARINT);
      fields.zeroCount = readUint64(reader);
      fields.zeroIsFloat = false;
      return;
    case 7:
      reader.expect(WIRE_FIXED64);
      fields.zeroCount = reader.readDouble();
      fields.zeroIsFloat = true;
      return;
    case 8:
    case 11:
      readSpan(reader, sideOf(fields, reader.field).spans);
      return;
    case 9:
    case 12:
      readPacked(reader, sideOf(fields, reader.field).deltas, WIRE_VARINT);
      return;
    case 10:
    case 13:
      readPacked(reader, sideOf(fields, reader.field).counts, WIRE_FIXED64);
      return;
    case 14:
      reader.expect(WIRE_VARINT);
      fields.resetHint = reader.readVarint32();
      return;
    case 15:
      fields.timestampMs = readTime(reader);
      return;
    case 16:
      readPacked(reader, fields.bounds, WIRE_FIXED64);
      return;
    case 17:
      fields.startTimestampMs = readTime(reader);
      return;
    default:
      reader.skip();
  }
}

/** Fields up to 10 are of the negative side. */
function sideOf(fields: HistogramFields, field: number): SideFields {
  return field <= 10 ? fields.negative : fields.positive;
}

function readUint64(reader: ProtobufReader): number {
  reader.readVarint64();
  return reader.high * 2 ** 32 + reader.low;
}

function readSum(reader: ProtobufReader, fields: HistogramFields): void {
  reader.expect(WIRE_FIXED64);
  const start = reader.position;
  fields.sum = reader.readDouble();
  reader.position = start;
  fields.sumLow = reader.readFixed32();
  fields.sumHigh = reader.readFixed32();
}

function readTime(reader: ProtobufReader): number {
  reader.expect(WIRE_VARINT);
  const at = reader.position;
  const ms = reader.readInt64();
  if (!Number.isSafeInteger(ms)) throw badBody(`timestamp ${ms} ms at byte ${at} is out of range`);
  return ms;
}

function readSpan(reader: ProtobufReader, spans: Doubles): void {
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
  spans.add(offset);
  spans.add(length);
}

/** A repeated number, packed or one by one: doubles (`WIRE_FIXED64`) or sint64 (`WIRE_VARINT`). */
function readPacked(reader: ProtobufReader, into: Doubles, wireType: number): void {
  const isDouble = wireType === WIRE_FIXED64;
  if (reader.wireType !== WIRE_BYTES) {
    reader.expect(wireType);
    into.add(isDouble ? reader.readDouble() : reader.readSint64());
    return;
  }
  const outer = reader.enter();
  while (reader.more()) into.add(isDouble ? reader.readDouble() : reader.readSint64());
  reader.leave(outer);
}

function hasWholeCounts(histogram: Histogram): boolean {
  const { count, zeroCount, positive, negative } = histogram;
  return (
    isWhole(count) &&
    isWhole(zeroCount) &&
    positive.counts.every(isWhole) &&
    negative.counts.every(isWhole)
  );
}

/** Observations of NaN are in no bucket. */
function addsUp({ count, sum, zeroCount, positive, negative }: Histogram): boolean {
  let inBuckets = zeroCount;
  for (const { counts } of [positive, negative]) for (const one of counts) inBuckets += one;
  return Number.isNaN(sum) ? inBuckets <= count : inBuckets === count;
}

function isWhole(count: number): boolean {
  return Number.isSafeInteger(count) && count >= 0;
}

function writeBuckets(
  writer: ProtobufWriter,
  { spans, counts }: HistogramBuckets,
  fields: {
    readonly spans: number;
    readonly deltas: number;
    readonly counts: number;
    readonly isFloat: boolean;
  },
): void {
  for (let span = 0; span < spans.length; span += 2) {
    const message = writer.begin(fields.spans);
    writer.writeInt64(1, zigzag(spans[span]!));
    writer.writeInt64(2, spans[span + 1]!);
    writer.end(message);
  }
  if (counts.length === 0) return;
  if (fields.isFloat) {
    writePackedDoubles(writer, fields.counts, counts);
    return;
  }
  const packed = new ByteWriter(2 * counts.length);
  let previous = 0;
  for (const count of counts) {
    packed.writeZigzag(count - previous);
    previous = count;
  }
  writer.writeBytes(fields.deltas, packed.finish());
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function writePackedDoubles(writer: ProtobufWriter, field: number, values: Float64Array): void {
  writer.writeBytes(field, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

function writeDouble(writer: ProtobufWriter, field: number, value: number): void {
  DOUBLE[0] = value;
  writer.writeDoubleWords(field, DOUBLE_WORDS[0]!, DOUBLE_WORDS[1]!);
}

const DOUBLE = new Float64Array(1);
const DOUBLE_WORDS = new Uint32Array(DOUBLE.buffer);
