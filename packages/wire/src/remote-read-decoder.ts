/** Reads answers of remote read, for clients and tests; see `remote-read-response.ts`. */
import { ByteReader, crc32c, decodeSnappy, ProtobufReader } from "@finch/codec";
import { Labels, wordsOf } from "@finch/model";
import type { Series } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { decodeHistogramChunk } from "./histogram-chunk.ts";
import type { HistogramSample } from "./histogram-chunk.ts";
import { decodeHistogram } from "./native-histogram-protobuf.ts";
import { CHUNK_FLOAT_HISTOGRAM, CHUNK_XOR } from "./remote-read-response.ts";
import { decodeXorChunk } from "./xor-chunk.ts";

/** What a client reads: the series of each query, in the order they came. */
export type ReadResults = readonly (readonly Series[])[];

/** The samples of a whole answer of type samples. */
export function decodeReadResponse(
  body: Uint8Array,
  options: { readonly decodedBytesMax: number },
): ReadResults {
  const reader = new ProtobufReader(decodeSnappy(body, { sizeMax: options.decodedBytesMax }));
  const results: Series[][] = [];
  while (reader.more()) {
    reader.readTag();
    const series: Series[] = [];
    const outer = reader.enter();
    while (reader.more()) {
      reader.readTag();
      series.push(readSeries(reader));
    }
    reader.leave(outer);
    results.push(series);
  }
  return results;
}

/** The samples of a whole streamed answer. A frame that does not check out is a `wire/bad-read-response`. */
export function decodeReadFrames(body: Uint8Array): ReadResults {
  const reader = new ByteReader(body);
  const results: Series[][] = [];
  while (reader.position < body.length) {
    const length = reader.readVarint();
    const start = reader.position;
    const checksum = new DataView(body.buffer, body.byteOffset + start, 4).getUint32(0);
    const message = body.subarray(start + 4, start + 4 + length);
    if (message.length < length || crc32c(message) !== checksum) {
      throw new FinchError(
        "corrupt",
        "wire/bad-read-response",
        `remote read: the frame at byte ${start} does not match its checksum`,
      );
    }
    reader.position = start + 4 + length;
    readFrame(message, results);
  }
  return results;
}

/** Adds the chunks of a frame to their query, to the series before when it is the same. */
function readFrame(message: Uint8Array, results: Series[][]): void {
  const reader = new ProtobufReader(message);
  const parts: Series[] = [];
  let queryIndex = 0;
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 2) queryIndex = reader.readVarint32();
    else {
      const outer = reader.enter();
      parts.push(...readChunkedSeries(reader));
      reader.leave(outer);
    }
  }
  const query = (results[queryIndex] ??= []);
  for (const part of parts) {
    const previous = query.at(-1);
    if (previous?.labels.key === part.labels.key) query[query.length - 1] = join(previous, part);
    else query.push(part);
  }
}

function* readChunkedSeries(reader: ProtobufReader): Generator<Series> {
  const pairs: string[] = [];
  while (reader.more()) {
    reader.readTag();
    const outer = reader.enter();
    if (reader.field === 1) readLabel(reader, pairs);
    else {
      let encoding = 0;
      let data = new Uint8Array();
      while (reader.more()) {
        reader.readTag();
        if (reader.field === 3) encoding = reader.readVarint32();
        else if (reader.field === 4) data = new Uint8Array(reader.readBytes());
        else reader.skip();
      }
      yield decodeChunk(Labels.fromPairs(pairs), encoding, data);
    }
    reader.leave(outer);
  }
}

function decodeChunk(labels: Labels, encoding: number, data: Uint8Array): Series {
  if (encoding === CHUNK_XOR) return { labels, ...decodeXorChunk(data) };
  if (encoding !== CHUNK_FLOAT_HISTOGRAM) {
    throw new FinchError(
      "unsupported",
      "wire/bad-read-response",
      `remote read: not supported yet: chunks of encoding ${encoding}`,
    );
  }
  const samples = decodeHistogramChunk(data);
  return {
    labels,
    timestampsMs: Float64Array.from(samples, ({ timestampMs }) => timestampMs),
    values: Float64Array.from(samples, ({ histogram }) => histogram.sum),
    histograms: samples.map(({ histogram }) => histogram),
  };
}

function join(a: Series, b: Series): Series {
  const { length } = a.timestampsMs;
  const values = new Float64Array(length + b.values.length);
  wordsOf(values).set(wordsOf(a.values));
  wordsOf(values).set(wordsOf(b.values), 2 * length);
  const timestampsMs = new Float64Array(values.length);
  timestampsMs.set(a.timestampsMs);
  timestampsMs.set(b.timestampsMs, length);
  if (a.histograms === undefined && b.histograms === undefined)
    return { labels: a.labels, timestampsMs, values };
  const listOf = ({ histograms, timestampsMs: { length: count } }: Series) =>
    histograms ?? Array.from({ length: count }, () => undefined);
  return { labels: a.labels, timestampsMs, values, histograms: [...listOf(a), ...listOf(b)] };
}

function readLabel(reader: ProtobufReader, pairs: string[]): void {
  let name = "";
  let value = "";
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) name = TEXT.decode(reader.readBytes());
    else value = TEXT.decode(reader.readBytes());
  }
  pairs.push(name, value);
}

const TEXT = new TextDecoder();

function readSeries(reader: ProtobufReader): Series {
  const pairs: string[] = [];
  const rows: { timestampMs: number; low: number; high: number; histogram?: HistogramSample }[] =
    [];
  const outer = reader.enter();
  while (reader.more()) {
    reader.readTag();
    const inner = reader.enter();
    if (reader.field === 1) readLabel(reader, pairs);
    else if (reader.field === 2) rows.push(readSample(reader));
    else {
      const message = decodeHistogram(reader.bytes, reader.position, reader.end);
      const { timestampMs, sumLow: low, sumHigh: high, histogram } = message;
      rows.push({
        timestampMs,
        low,
        high,
        ...(histogram === undefined ? {} : { histogram: { timestampMs, histogram } }),
      });
      reader.position = reader.end;
    }
    reader.leave(inner);
  }
  reader.leave(outer);
  rows.sort((a, b) => a.timestampMs - b.timestampMs);
  const values = new Float64Array(rows.length);
  const words = wordsOf(values);
  for (const [index, { low, high }] of rows.entries()) words.set([low, high], 2 * index);
  const timestampsMs = Float64Array.from(rows, ({ timestampMs }) => timestampMs);
  const labels = Labels.fromPairs(pairs);
  return rows.some(({ histogram }) => histogram !== undefined)
    ? { labels, timestampsMs, values, histograms: rows.map((row) => row.histogram?.histogram) }
    : { labels, timestampsMs, values };
}

function readSample(reader: ProtobufReader): { timestampMs: number; low: number; high: number } {
  const sample = { timestampMs: 0, low: 0, high: 0 };
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) {
      const view = new DataView(reader.bytes.buffer, reader.bytes.byteOffset);
      const at = reader.readFixed64();
      sample.low = view.getUint32(at, true);
      sample.high = view.getUint32(at + 4, true);
    } else {
      reader.readVarint64();
      sample.timestampMs = (reader.high | 0) * 2 ** 32 + reader.low;
    }
  }
  return sample;
}
