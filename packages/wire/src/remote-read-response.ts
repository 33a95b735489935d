/**
 * Answers of remote read. All samples at once: a Snappy block of a `prometheus.ReadResponse`. Streamed: frames of a length, a CRC-32C and a
 * `prometheus.ChunkedReadResponse` each, with chunks of one series; a chunk is as Prometheus' store has it, see `xor-chunk.ts` and
 * `histogram-chunk.ts`. Clients decode them with `remote-read-decoder.ts`.
 */
import { ByteWriter, crc32c, ProtobufWriter } from "@finch/codec";
import { wordsOf } from "@finch/model";
import type { Labels, Series } from "@finch/model";
import { encodeHistogramChunk, sharesChunk } from "./histogram-chunk.ts";
import type { HistogramSample } from "./histogram-chunk.ts";
import { writeHistogram } from "./native-histogram-protobuf.ts";
import { encodeXorChunk } from "./xor-chunk.ts";
import { encodeSnappyBody } from "./snappy-body.ts";

export const READ_CONTENT_TYPES = {
  samples: "application/x-protobuf",
  "streamed-xor-chunks": "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse",
} as const;

/** Samples of a chunk, as many as Prometheus makes them. */
const CHUNK_SAMPLES = 120;
/** Encodings of chunks by their numbers in Prometheus. */
export const CHUNK_XOR = 1;
export const CHUNK_FLOAT_HISTOGRAM = 3;

/** Builds the answer of samples: query after query, each with its series. */
export class ReadResponseWriter {
  readonly #writer = new ProtobufWriter(4096);
  #query: number | undefined;

  beginQuery(): void {
    this.endQuery();
    this.#query = this.#writer.begin(1);
  }

  /** Of the query begun last. */
  addSeries({ labels, timestampsMs, values, histograms }: Series): void {
    const writer = this.#writer;
    const words = wordsOf(values);
    const series = writer.begin(1);
    writeLabels(writer, labels);
    for (let i = 0; i < timestampsMs.length; i++) {
      const timestampMs = timestampsMs[i]!;
      const histogram = histograms?.[i];
      if (histogram !== undefined) {
        writeHistogram(writer, 4, { histogram, timestampMs, startTimestampMs: 0 });
        continue;
      }
      const sample = writer.begin(2);
      writer.writeDoubleWords(1, words[2 * i]!, words[2 * i + 1]!);
      writer.writeInt64(2, timestampMs);
      writer.end(sample);
    }
    writer.end(series);
  }

  endQuery(): void {
    if (this.#query !== undefined) this.#writer.end(this.#query);
    this.#query = undefined;
  }

  /** The body. */
  finish(): Uint8Array {
    this.endQuery();
    return encodeSnappyBody([this.#writer.finish()]);
  }
}

/** The frames of one series; a new one begins when the chunks of the last have `frameBytesMax` bytes. */
export function* encodeReadFrames(
  series: Series,
  options: { readonly queryIndex: number; readonly frameBytesMax: number },
): Generator<Uint8Array> {
  let chunks: Chunk[] = [];
  let bytes = 0;
  for (const chunk of chunksOf(series)) {
    chunks.push(chunk);
    bytes += chunk.data.length;
    if (bytes < options.frameBytesMax) continue;
    yield encodeFrame(series.labels, chunks, options.queryIndex);
    chunks = [];
    bytes = 0;
  }
  if (chunks.length > 0) yield encodeFrame(series.labels, chunks, options.queryIndex);
}

interface Chunk {
  readonly minMs: number;
  readonly maxMs: number;
  readonly encoding: number;
  readonly data: Uint8Array;
}

/** Runs of floats and runs of histograms that share a layout, each of at most {@link CHUNK_SAMPLES}. */
function* chunksOf({ timestampsMs, values, histograms }: Series): Generator<Chunk> {
  const { length } = timestampsMs;
  let from = 0;
  while (from < length) {
    const last = Math.min(length, from + CHUNK_SAMPLES);
    const first = histograms?.[from];
    let to = from + 1;
    if (first === undefined) {
      while (to < last && histograms?.[to] === undefined) to++;
      const data = encodeXorChunk(timestampsMs, values, { from, to });
      yield chunkOf(timestampsMs, { from, to }, { encoding: CHUNK_XOR, data });
    } else {
      const samples: HistogramSample[] = [{ timestampMs: timestampsMs[from]!, histogram: first }];
      for (let previous = first; to < last; to++) {
        const histogram = histograms![to];
        if (histogram === undefined || !sharesChunk(previous, histogram)) break;
        samples.push({ timestampMs: timestampsMs[to]!, histogram });
        previous = histogram;
      }
      const data = encodeHistogramChunk(samples);
      yield chunkOf(timestampsMs, { from, to }, { encoding: CHUNK_FLOAT_HISTOGRAM, data });
    }
    from = to;
  }
}

function chunkOf(
  timestampsMs: Float64Array,
  { from, to }: { readonly from: number; readonly to: number },
  content: { readonly encoding: number; readonly data: Uint8Array },
): Chunk {
  return { minMs: timestampsMs[from]!, maxMs: timestampsMs[to - 1]!, ...content };
}

/** `ChunkedReadResponse{1 ChunkedSeries{1 labels, 2 Chunk{1 min, 2 max, 3 encoding, 4 data}}, 2 query_index}` in its frame. */
function encodeFrame(labels: Labels, chunks: readonly Chunk[], queryIndex: number): Uint8Array {
  const writer = new ProtobufWriter(4096);
  const series = writer.begin(1);
  writeLabels(writer, labels);
  for (const { minMs, maxMs, encoding, data } of chunks) {
    const chunk = writer.begin(2);
    writer.writeInt64(1, minMs);
    writer.writeInt64(2, maxMs);
    writer.writeInt64(3, encoding);
    writer.writeBytes(4, data);
    writer.end(chunk);
  }
  writer.end(series);
  writer.writeInt64(2, queryIndex);
  const message = writer.finish();
  const out = new ByteWriter(message.length + 9);
  out.writeVarint(message.length);
  const checksum = crc32c(message);
  for (const shift of [24, 16, 8, 0]) out.writeByte((checksum >>> shift) & 0xff);
  out.writeBytes(message);
  return out.finish();
}

function writeLabels(writer: ProtobufWriter, labels: Labels): void {
  for (const [name, value] of labels) {
    const label = writer.begin(1);
    writer.writeString(1, name);
    writer.writeString(2, value);
    writer.end(label);
  }
}
