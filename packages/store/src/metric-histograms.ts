/**
 * Native histograms of a chunk as columns: their shapes (schema, spans, bounds …) once, then for each shape a column a bucket. Neighbouring
 * histograms of a series nearly always have one shape, and their counts grow slowly. Layout: `docs/format/blocks.md`.
 */
import { ByteWriter, CodecError, readFloatBlock } from "@finch/codec";
import type { ByteReader, Doubles } from "@finch/codec";
import { wordsOf } from "@finch/model";
import { writeColumn } from "./column-encoder.ts";
import type { CounterResetHint, Histogram } from "@finch/model";

const HINTS: readonly CounterResetHint[] = ["unknown", "reset", "not-reset", "gauge"];

/** All of a histogram but its numbers. */
type Shape = Omit<Histogram, "sum" | "count" | "zeroCount" | "positive" | "negative"> & {
  readonly positiveSpans: Int32Array;
  readonly negativeSpans: Int32Array;
};

/** Appends the histograms of a chunk, one for each row or undefined; sums are not among it, they are the chunk's values. */
export function writeHistograms(
  writer: ByteWriter,
  rows: readonly (Histogram | undefined)[],
): void {
  const numbers = new Map<string, number>();
  const shapes = new ByteWriter();
  const members: Histogram[][] = [];
  const which = rows.map((histogram) => {
    if (histogram === undefined) return 0;
    const shape = encodeShape(histogram);
    const key = Buffer.from(shape.buffer, shape.byteOffset, shape.length).toString("latin1");
    let number = numbers.get(key);
    if (number === undefined) {
      number = members.length;
      numbers.set(key, number);
      members.push([]);
      shapes.writeBytes(shape);
    }
    members[number]!.push(histogram);
    return number + 1;
  });
  writer.writeVarint(members.length);
  writer.writeBytes(shapes.finish());
  writeRuns(writer, which);
  for (const histograms of members) writeColumns(writer, histograms);
}

function encodeShape(histogram: Histogram): Uint8Array {
  const writer = new ByteWriter();
  writer.writeZigzag(histogram.schema);
  writer.writeByte(HINTS.indexOf(histogram.resetHint));
  writeDoubles(writer, Float64Array.of(histogram.zeroThreshold));
  for (const { spans } of [histogram.positive, histogram.negative]) {
    writer.writeVarint(spans.length);
    for (const number of spans) writer.writeZigzag(number);
  }
  writer.writeVarint(histogram.customBounds.length);
  writeDoubles(writer, histogram.customBounds);
  return writer.finish();
}

function writeDoubles(writer: ByteWriter, values: Float64Array): void {
  writer.writeBytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

/** Number of the shape of each row (0: a float), as runs: number, length. */
function writeRuns(writer: ByteWriter, which: readonly number[]): void {
  for (let from = 0; from < which.length;) {
    let to = from + 1;
    while (to < which.length && which[to] === which[from]) to++;
    writer.writeVarint(which[from]!);
    writer.writeVarint(to - from);
    from = to;
  }
}

function writeColumns(writer: ByteWriter, histograms: readonly Histogram[]): void {
  const [first] = histograms;
  const write = (numberOf: (histogram: Histogram) => number) => {
    const values = Float64Array.from(histograms, numberOf);
    writeColumn(writer, values, 0, values.length);
  };
  write(({ count }) => count);
  write(({ zeroCount }) => zeroCount);
  for (let b = 0; b < first!.positive.counts.length; b++)
    write(({ positive }) => positive.counts[b]!);
  for (let b = 0; b < first!.negative.counts.length; b++)
    write(({ negative }) => negative.counts[b]!);
}

/** The histograms that {@link writeHistograms} wrote for a chunk whose values are `sums`. */
export function readHistograms(reader: ByteReader, sums: Float64Array): (Histogram | undefined)[] {
  const shapeCount = boundedCount(reader);
  const shapes = Array.from({ length: shapeCount }, () => readShape(reader));
  const which = readRuns(reader, sums.length);
  const rowsOf: number[][] = shapes.map(() => []);
  for (const [row, number] of which.entries()) {
    if (number === 0) continue;
    const rows = rowsOf[number - 1];
    if (rows === undefined)
      throw new CodecError("malformed", reader.position, `a histogram of shape ${number}`);
    rows.push(row);
  }
  const histograms = Array.from<Histogram | undefined>({ length: sums.length });
  for (const [number, shape] of shapes.entries())
    readColumns(reader, shape, rowsOf[number]!, sums, histograms);
  return histograms;
}

function readShape(reader: ByteReader): Shape {
  const schema = reader.readZigzag();
  const resetHint = HINTS[reader.readByte()];
  if (resetHint === undefined) throw new CodecError("malformed", reader.position, "a reset hint");
  const zeroThreshold = readDoubles(reader, 1)[0]!;
  const positiveSpans = readSpans(reader);
  const negativeSpans = readSpans(reader);
  const customBounds = readDoubles(reader, boundedCount(reader));
  return { schema, resetHint, zeroThreshold, positiveSpans, negativeSpans, customBounds };
}

function readSpans(reader: ByteReader): Int32Array {
  const spans = new Int32Array(boundedCount(reader));
  for (let i = 0; i < spans.length; i++) spans[i] = reader.readZigzag();
  return spans;
}

function readDoubles(reader: ByteReader, count: number): Float64Array {
  const at = reader.take(8 * count);
  return new Float64Array(reader.bytes.slice(at, at + 8 * count).buffer);
}

function boundedCount(reader: ByteReader): number {
  const count = reader.readVarint();
  if (count > reader.end - reader.position) throw reader.truncated(count);
  return count;
}

function readRuns(reader: ByteReader, rows: number): Uint32Array {
  const which = new Uint32Array(rows);
  for (let row = 0; row < rows;) {
    const number = reader.readVarint();
    const length = reader.readVarint();
    if (length === 0 || length > rows - row)
      throw new CodecError("malformed", reader.position, `a run of ${length} rows`);
    which.fill(number, row, row + length);
    row += length;
  }
  return which;
}

function readColumns(
  reader: ByteReader,
  shape: Shape,
  rows: readonly number[],
  sums: Float64Array,
  histograms: (Histogram | undefined)[],
): void {
  if (rows.length === 0)
    throw new CodecError("malformed", reader.position, "a shape without histograms");
  const read = () => {
    const values = new Float64Array(rows.length);
    readFloatBlock(reader, doublesOf(values), 0, values.length);
    return values;
  };
  const readSide = (spans: Int32Array) =>
    Array.from({ length: bucketsOf(spans, reader) }, () => read());
  const counts = read();
  const zeroCounts = read();
  const positives = readSide(shape.positiveSpans);
  const negatives = readSide(shape.negativeSpans);
  const { positiveSpans, negativeSpans, ...rest } = shape;
  for (const [at, row] of rows.entries()) {
    histograms[row] = {
      ...rest,
      zeroCount: zeroCounts[at]!,
      count: counts[at]!,
      sum: sums[row]!,
      positive: { spans: positiveSpans, counts: Float64Array.from(positives, (c) => c[at]!) },
      negative: { spans: negativeSpans, counts: Float64Array.from(negatives, (c) => c[at]!) },
    };
  }
}

function doublesOf(values: Float64Array): Doubles {
  return { values, words: wordsOf(values) };
}

function bucketsOf(spans: Int32Array, reader: ByteReader): number {
  let buckets = 0;
  for (let i = 1; i < spans.length; i += 2) {
    // Each bucket has a column of two bytes or more.
    if (spans[i]! < 0 || (buckets += spans[i]!) > reader.end - reader.position)
      throw new CodecError("malformed", reader.position, `a span of ${spans[i]} buckets`);
  }
  return buckets;
}
