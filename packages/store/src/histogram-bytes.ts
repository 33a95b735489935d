/**
 * A native histogram as bytes, as records of the log and the head keep it; drawn in `docs/format/metric-records.md`. The sum is not in it: it
 * stands in the value column, bit for bit. Whole counts become varints of differences, others stay doubles.
 */
import { CodecError } from "@finch/codec";
import type { ByteReader, ByteWriter } from "@finch/codec";
import type { CounterResetHint, Histogram, HistogramBuckets } from "@finch/model";
import { readDouble, writeDouble } from "./byte-strings.ts";

const HINTS: readonly CounterResetHint[] = ["unknown", "reset", "not-reset", "gauge"];
const HINT_BITS = 3;
const FLAG_WHOLE = 4;
const FLAG_NEGATIVE = 8;
const FLAG_BOUNDS = 16;
/** What differences of whole counts and their sums stay exact below. */
const WHOLE_MAX = 2 ** 51;

export function writeHistogram(writer: ByteWriter, histogram: Histogram): void {
  const { positive, negative, customBounds } = histogram;
  const isWhole = hasWholeCounts(histogram);
  writer.writeByte(
    HINTS.indexOf(histogram.resetHint) |
      (isWhole ? FLAG_WHOLE : 0) |
      (negative.spans.length > 0 ? FLAG_NEGATIVE : 0) |
      (customBounds.length > 0 ? FLAG_BOUNDS : 0),
  );
  writer.writeZigzag(histogram.schema);
  writeDouble(writer, histogram.zeroThreshold);
  if (isWhole) {
    writer.writeVarint(histogram.zeroCount);
    writer.writeVarint(histogram.count);
  } else {
    writeDouble(writer, histogram.zeroCount);
    writeDouble(writer, histogram.count);
  }
  writeBuckets(writer, positive, isWhole);
  if (negative.spans.length > 0) writeBuckets(writer, negative, isWhole);
  if (customBounds.length > 0) {
    writer.writeVarint(customBounds.length);
    for (const bound of customBounds) writeDouble(writer, bound);
  }
}

/** `sum` is what the value column says. */
export function readHistogram(reader: ByteReader, sum: number): Histogram {
  const flags = reader.readByte();
  const isWhole = (flags & FLAG_WHOLE) !== 0;
  const readCount = (): number => (isWhole ? reader.readVarint() : readDouble(reader));
  return {
    resetHint: HINTS[flags & HINT_BITS]!,
    schema: reader.readZigzag(),
    zeroThreshold: readDouble(reader),
    zeroCount: readCount(),
    count: readCount(),
    sum,
    positive: readBuckets(reader, isWhole),
    negative: (flags & FLAG_NEGATIVE) !== 0 ? readBuckets(reader, isWhole) : NO_BUCKETS,
    customBounds:
      (flags & FLAG_BOUNDS) !== 0 ? readDoubles(reader, readLength(reader, 8)) : NO_DOUBLES,
  };
}

const NO_DOUBLES = new Float64Array(0);
const NO_BUCKETS: HistogramBuckets = { spans: new Int32Array(0), counts: NO_DOUBLES };

function hasWholeCounts(histogram: Histogram): boolean {
  if (!isWhole(histogram.zeroCount) || !isWhole(histogram.count)) return false;
  return histogram.positive.counts.every(isWhole) && histogram.negative.counts.every(isWhole);
}

function isWhole(count: number): boolean {
  return Number.isInteger(count) && count >= 0 && count < WHOLE_MAX && !Object.is(count, -0);
}

function writeBuckets(writer: ByteWriter, buckets: HistogramBuckets, areWhole: boolean): void {
  writer.writeVarint(buckets.spans.length / 2);
  for (const number of buckets.spans) writer.writeZigzag(number);
  writer.writeVarint(buckets.counts.length);
  let previous = 0;
  for (const count of buckets.counts) {
    if (areWhole) writer.writeZigzag(count - previous);
    else writeDouble(writer, count);
    previous = count;
  }
}

function readBuckets(reader: ByteReader, areWhole: boolean): HistogramBuckets {
  const spans = new Int32Array(2 * readLength(reader, 2));
  for (let i = 0; i < spans.length; i++) spans[i] = reader.readZigzag();
  const length = readLength(reader, areWhole ? 1 : 8);
  if (!areWhole) return { spans, counts: readDoubles(reader, length) };
  const counts = new Float64Array(length);
  let count = 0;
  for (let i = 0; i < length; i++) counts[i] = count += reader.readZigzag();
  return { spans, counts };
}

/** A count of things of at least `bytes` bytes each, held against what is there before memory is taken for them. */
function readLength(reader: ByteReader, bytes: number): number {
  const at = reader.position;
  const length = reader.readVarint();
  if (length * bytes > reader.end - reader.position)
    throw new CodecError("truncated", at, `a histogram with ${length} parts is cut off`);
  return length;
}

function readDoubles(reader: ByteReader, length: number): Float64Array {
  const values = new Float64Array(length);
  for (let i = 0; i < length; i++) values[i] = readDouble(reader);
  return values;
}
