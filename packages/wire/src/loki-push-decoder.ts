/**
 * Bodies of Loki's push API, protobuf and JSON, into log columns. Streams and entries that break a limit are left out and reported; a body
 * that cannot be read is refused whole. A stream that comes twice in a request stays two streams of the batch: the store joins them.
 */
import {
  decodeSnappy,
  ProtobufReader,
  readSnappyHeader,
  WIRE_BYTES,
  WIRE_VARINT,
} from "@finch/codec";
import { SnappyDecoder } from "@finch/codec/kernels";
import type { Labels, LogBatch } from "@finch/model";
import { freeBytes } from "@finch/runtime";
import { decompressBody } from "./content-encoding.ts";
import { badBody, tooLarge, translateCodecErrors } from "./errors.ts";
import { parseLabelString } from "./label-string.ts";
import type { LokiPushLimits } from "./limits.ts";
import { LogBatchBuilder } from "./log-batch-builder.ts";
import { readJsonStreams } from "./loki-push-json.ts";
import { bufferOver } from "./text-bytes.ts";

export interface LokiPushRequest {
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly limits: LokiPushLimits;
}

/** A decoded push. Loki answers 400 with the faults when there are any, and stores the rest. */
export interface LokiPushResult {
  readonly batch: LogBatch;
  readonly rejectedEntries: number;
  /** Faults of streams and entries in all, and the first few of them in words. */
  readonly faultCount: number;
  readonly faults: readonly string[];
  /** Gives the memory of the batch back at once, when nobody looks at it any more. */
  free(): void;
}

/** Decodes a push; throws a FinchError `too-large` (413) or `invalid` (400). Anything that does not call itself JSON is read as protobuf. */
export function decodeLokiPush(request: LokiPushRequest): LokiPushResult {
  const { body, limits } = request;
  if (body.length > limits.bodyBytesMax) {
    throw tooLarge(
      `the body has ${body.length} bytes, ${limits.bodyBytesMax} are allowed: send smaller batches`,
    );
  }
  const mediaType = (request.contentType ?? "").split(";")[0]!.trim().toLowerCase();
  const content = decodeContent(body, request.contentEncoding, limits);
  const builder =
    mediaType === "application/json"
      ? readJsonStreams(content, limits)
      : readProtobufStreams(content, limits);
  if (content !== body) freeBytes(content);
  return {
    batch: { streams: builder.finish() },
    rejectedEntries: builder.rejectedEntries,
    faultCount: builder.faults.count,
    faults: builder.faults.messages,
    free: () => builder.free(),
  };
}

function decodeContent(
  body: Uint8Array,
  contentEncoding: string | undefined,
  limits: LokiPushLimits,
): Uint8Array {
  const encoding = (contentEncoding ?? "").trim().toLowerCase();
  switch (encoding) {
    case "":
    case "snappy":
      return body;
    case "gzip":
    case "deflate":
      return decompressBody(body, encoding, limits.decodedBytesMax);
    default:
      throw badBody(
        `Content-Encoding ${JSON.stringify(encoding)} not supported: send snappy, gzip, deflate or none`,
      );
  }
}

function readProtobufStreams(content: Uint8Array, limits: LokiPushLimits): LogBatchBuilder {
  return translateCodecErrors("cannot read the push request", () => {
    const { size } = readSnappyHeader(content);
    if (size > limits.decodedBytesMax)
      throw tooLarge(
        `the snappy body decodes to ${size} bytes, ${limits.decodedBytesMax} are allowed: send smaller batches`,
      );
    const decoded =
      size > KERNEL_BYTES_MAX
        ? decodeSnappy(content, { sizeMax: limits.decodedBytesMax })
        : (decoder ??= new SnappyDecoder()).decode(content, limits.decodedBytesMax);
    const builder = new LogBatchBuilder(limits, decoded.length);
    new ProtobufStreams(decoded, builder, limits).read();
    return builder;
  });
}

/** Decodes bodies one after the other, in memory of its own: nothing of it is used once the lines and labels are copied. */
let decoder: SnappyDecoder | undefined;
/** Larger bodies are decoded into memory that is given back. */
const KERNEL_BYTES_MAX = 4 * 1024 * 1024;

/** Labels of streams by their text, as they were found to keep the limits. */
const knownStreams = new WeakMap<LokiPushLimits, Map<string, Labels>>();
const KNOWN_STREAMS_MAX = 4096;
const KNOWN_TEXT_MAX = 1024;

/** Reads the streams of a push request into a batch; of one entry at a time, so that an entry needs no objects of its own. */
class ProtobufStreams {
  readonly #reader: ProtobufReader;
  readonly #buffer: Buffer;
  readonly #builder: LogBatchBuilder;
  readonly #limits: LokiPushLimits;
  readonly #line: { readonly source: Buffer; start: number; end: number };
  readonly #knownStreams: Map<string, Labels>;
  #seconds = 0;
  #nanos = 0;

  constructor(decoded: Uint8Array, builder: LogBatchBuilder, limits: LokiPushLimits) {
    this.#reader = new ProtobufReader(decoded);
    this.#buffer = bufferOver(decoded);
    this.#builder = builder;
    this.#limits = limits;
    this.#knownStreams = knownStreams.get(limits) ?? new Map();
    knownStreams.set(limits, this.#knownStreams);
    this.#line = { source: this.#buffer, start: 0, end: 0 };
  }

  read(): void {
    const reader = this.#reader;
    while (reader.more()) {
      reader.readTag();
      if (reader.field !== 1 || reader.wireType !== WIRE_BYTES) {
        reader.skip();
        continue;
      }
      const outer = reader.enter();
      this.#readStream();
      reader.leave(outer);
    }
  }

  /** Reads a stream in two passes: labels may come behind entries. */
  #readStream(): void {
    const reader = this.#reader;
    const { labelStringBytesMax } = this.#limits;
    const start = reader.position;
    let labels = "";
    while (reader.more()) {
      reader.readTag();
      if (reader.field === 1 && reader.wireType === WIRE_BYTES) {
        const at = reader.readSpan();
        if (reader.position - at > labelStringBytesMax) {
          throw tooLarge(
            `the labels of a stream at byte ${at} are longer than ${labelStringBytesMax} bytes`,
          );
        }
        labels = this.#buffer.toString("utf8", at, reader.position);
      } else reader.skip();
    }
    this.#beginStream(labels);
    reader.position = start;
    while (reader.more()) {
      reader.readTag();
      if (reader.field === 2 && reader.wireType === WIRE_BYTES) {
        const outer = reader.enter();
        this.#readEntry();
        reader.leave(outer);
      } else reader.skip();
    }
    this.#builder.endStream();
  }

  /** Agents send the same labels with every push. */
  #beginStream(text: string): void {
    const known = this.#knownStreams.get(text);
    if (known !== undefined) return this.#builder.beginKnownStream(known);
    const labels = this.#builder.beginStream(() => parseLabelString(text));
    if (labels === undefined || text.length > KNOWN_TEXT_MAX) return;
    if (this.#knownStreams.size >= KNOWN_STREAMS_MAX) this.#knownStreams.clear();
    this.#knownStreams.set(text, labels);
  }

  #readEntry(): void {
    const reader = this.#reader;
    const line = this.#line;
    const start = reader.position;
    this.#seconds = 0;
    this.#nanos = 0;
    line.start = 0;
    line.end = 0;
    let metadata: string[] | undefined;
    while (reader.more()) {
      reader.readTag();
      if (reader.wireType !== WIRE_BYTES) reader.skip();
      else if (reader.field === 1) this.#readTime();
      else if (reader.field === 2) {
        line.start = reader.readSpan();
        line.end = reader.position;
      } else if (reader.field === 3) this.#readPair((metadata ??= []));
      else reader.skip();
    }
    // Seconds times 10^9 plus nanoseconds in two 32-bit words, without a bigint an entry.
    const seconds = this.#seconds;
    const nanos = this.#nanos;
    if (!(seconds >= -9_223_372_036 && seconds <= 9_223_372_035 && nanos >= 0 && nanos < 1e9)) {
      throw badBody(`the timestamp of the entry at byte ${start} is out of range`);
    }
    const upper = Math.floor(seconds / 65_536) * 1e9;
    const upperRest = upper - Math.floor(upper / 65_536) * 65_536;
    const lower =
      (seconds - Math.floor(seconds / 65_536) * 65_536) * 1e9 + nanos + upperRest * 65_536;
    const high = Math.floor(upper / 65_536) + Math.floor(lower / 2 ** 32);
    this.#builder.addEntry(lower % 2 ** 32, high, line, metadata ?? NO_PAIRS);
  }

  #readTime(): void {
    const reader = this.#reader;
    const outer = reader.enter();
    while (reader.more()) {
      reader.readTag();
      if (reader.wireType !== WIRE_VARINT) reader.skip();
      else if (reader.field === 1) this.#seconds = reader.readInt64();
      else if (reader.field === 2) this.#nanos = reader.readInt64();
      else reader.skip();
    }
    reader.leave(outer);
  }

  #readPair(pairs: string[]): void {
    const reader = this.#reader;
    const outer = reader.enter();
    let name = "";
    let value = "";
    while (reader.more()) {
      reader.readTag();
      if (reader.wireType !== WIRE_BYTES) reader.skip();
      else {
        const at = reader.readSpan();
        if (reader.field === 1) name = this.#buffer.toString("utf8", at, reader.position);
        else if (reader.field === 2) value = this.#buffer.toString("utf8", at, reader.position);
      }
    }
    reader.leave(outer);
    pairs.push(name, value);
  }
}

const NO_PAIRS: readonly string[] = [];
