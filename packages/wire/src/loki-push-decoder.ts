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
import type { LogBatch } from "@finch/model";
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
  const builder = new LogBatchBuilder(limits);
  if (mediaType === "application/json") readJsonStreams(content, builder, limits);
  else readProtobufStreams(content, builder, limits);
  return {
    batch: { streams: builder.streams },
    rejectedEntries: builder.rejectedEntries,
    faultCount: builder.faults.count,
    faults: builder.faults.messages,
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

function readProtobufStreams(
  content: Uint8Array,
  builder: LogBatchBuilder,
  limits: LokiPushLimits,
): void {
  translateCodecErrors("cannot read the push request", () => {
    const { size } = readSnappyHeader(content);
    if (size > limits.decodedBytesMax)
      throw tooLarge(
        `the snappy body decodes to ${size} bytes, ${limits.decodedBytesMax} are allowed: send smaller batches`,
      );
    const decoded = decodeSnappy(content, { sizeMax: limits.decodedBytesMax });
    const reader = new ProtobufReader(decoded);
    const buffer = bufferOver(decoded);
    while (reader.more()) {
      reader.readTag();
      if (reader.field !== 1 || reader.wireType !== WIRE_BYTES) {
        reader.skip();
        continue;
      }
      const outer = reader.enter();
      readStream(reader, buffer, builder, limits);
      reader.leave(outer);
    }
  });
}

/** Reads a stream in two passes: labels may come behind entries. */
function readStream(
  reader: ProtobufReader,
  buffer: Buffer,
  builder: LogBatchBuilder,
  limits: LokiPushLimits,
): void {
  const start = reader.position;
  let labels = "";
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1 && reader.wireType === WIRE_BYTES) {
      const at = reader.readSpan();
      if (reader.position - at > limits.labelStringBytesMax) {
        throw tooLarge(
          `the labels of a stream at byte ${at} are longer than ${limits.labelStringBytesMax} bytes`,
        );
      }
      labels = buffer.toString("utf8", at, reader.position);
    } else reader.skip();
  }
  builder.beginStream(() => parseLabelString(labels));
  reader.position = start;
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 2 && reader.wireType === WIRE_BYTES) {
      const outer = reader.enter();
      readEntry(reader, buffer, builder);
      reader.leave(outer);
    } else reader.skip();
  }
  builder.endStream();
}

const NO_PAIRS: readonly string[] = [];
const NO_LINE = new Uint8Array(0);

function readEntry(reader: ProtobufReader, buffer: Buffer, builder: LogBatchBuilder): void {
  const start = reader.position;
  const time: ProtobufTime = { seconds: 0, nanos: 0 };
  let line: Uint8Array = NO_LINE;
  let metadata: string[] | undefined;
  while (reader.more()) {
    reader.readTag();
    if (reader.wireType !== WIRE_BYTES) reader.skip();
    else if (reader.field === 1) readTime(reader, time);
    else if (reader.field === 2) line = reader.readBytes();
    else if (reader.field === 3) readPair(reader, buffer, (metadata ??= []));
    else reader.skip();
  }
  // Seconds times 10^9 plus nanoseconds in two 32-bit words, without a bigint an entry.
  const { seconds, nanos } = time;
  if (!(seconds >= -9_223_372_036 && seconds <= 9_223_372_035 && nanos >= 0 && nanos < 1e9)) {
    throw badBody(`the timestamp of the entry at byte ${start} is out of range`);
  }
  const upper = Math.floor(seconds / 65_536) * 1e9;
  const upperRest = upper - Math.floor(upper / 65_536) * 65_536;
  const lower =
    (seconds - Math.floor(seconds / 65_536) * 65_536) * 1e9 + nanos + upperRest * 65_536;
  const high = Math.floor(upper / 65_536) + Math.floor(lower / 2 ** 32);
  builder.addEntry(lower % 2 ** 32, high, line, metadata ?? NO_PAIRS);
}

interface ProtobufTime {
  seconds: number;
  nanos: number;
}

function readTime(reader: ProtobufReader, time: ProtobufTime): void {
  const outer = reader.enter();
  while (reader.more()) {
    reader.readTag();
    if (reader.wireType !== WIRE_VARINT) reader.skip();
    else if (reader.field === 1) time.seconds = reader.readInt64();
    else if (reader.field === 2) time.nanos = reader.readInt64();
    else reader.skip();
  }
  reader.leave(outer);
}

function readPair(reader: ProtobufReader, buffer: Buffer, pairs: string[]): void {
  const outer = reader.enter();
  let name = "";
  let value = "";
  while (reader.more()) {
    reader.readTag();
    if (reader.wireType !== WIRE_BYTES) reader.skip();
    else {
      const at = reader.readSpan();
      if (reader.field === 1) name = buffer.toString("utf8", at, reader.position);
      else if (reader.field === 2) value = buffer.toString("utf8", at, reader.position);
    }
  }
  reader.leave(outer);
  pairs.push(name, value);
}
