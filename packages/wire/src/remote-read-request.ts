/** Remote read requests: a Snappy block of a `prometheus.ReadRequest`. Decoded by the server, encoded by clients and tests. */
import { CodecError, decodeSnappy, ProtobufReader, ProtobufWriter } from "@finch/codec";
import { createMatcher } from "@finch/model";
import type { Matcher, MatchOperator } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { encodeSnappyBody } from "./snappy-body.ts";

/** How the answer is sent: all samples in one message, or chunks series by series. */
export type ReadResponseType = "samples" | "streamed-xor-chunks";

/** Hints of the query behind a selection (step, function, grouping) are read over: the answer is the raw samples either way. */
export interface ReadQuery {
  readonly startMs: number;
  readonly endMs: number;
  readonly matchers: readonly Matcher[];
}

export interface ReadRequest {
  readonly queries: readonly ReadQuery[];
  /** In order of preference; numbers this build does not know are kept as they are. Empty means samples. */
  readonly acceptedTypes: readonly number[];
}

export interface ReadRequestLimits {
  /** Bytes once decompressed. */
  readonly decodedBytesMax: number;
  readonly queriesMax: number;
}

const OPERATORS: readonly MatchOperator[] = ["=", "!=", "=~", "!~"];
const RESPONSE_TYPES: readonly ReadResponseType[] = ["samples", "streamed-xor-chunks"];

/** Throws a `wire/bad-read-request` that names the place. */
export function decodeReadRequest(body: Uint8Array, limits: ReadRequestLimits): ReadRequest {
  try {
    const bytes = decodeSnappy(body, { sizeMax: limits.decodedBytesMax });
    return readRequest(new ProtobufReader(bytes), limits);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new FinchError(
      error.fault === "too-large" ? "too-large" : "invalid",
      "wire/bad-read-request",
      `remote read: ${error.message}`,
      { cause: error },
    );
  }
}

/** The first type of the request that there is. */
export function negotiateReadResponse({ acceptedTypes }: ReadRequest): ReadResponseType {
  if (acceptedTypes.length === 0) return "samples";
  for (const type of acceptedTypes) {
    const known = RESPONSE_TYPES[type];
    if (known !== undefined) return known;
  }
  throw new FinchError(
    "invalid",
    "wire/bad-read-request",
    `server does not support any of the requested response types: ${acceptedTypes.join()}; supported: 0 (SAMPLES), 1 (STREAMED_XOR_CHUNKS)`,
  );
}

function readRequest(reader: ProtobufReader, limits: ReadRequestLimits): ReadRequest {
  const queries: ReadQuery[] = [];
  const acceptedTypes: number[] = [];
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) {
      if (queries.length === limits.queriesMax) {
        throw new FinchError(
          "invalid",
          "wire/bad-read-request",
          `remote read: more than ${limits.queriesMax} queries in one request`,
        );
      }
      queries.push(readQuery(reader));
    } else if (reader.field === 2) readTypes(reader, acceptedTypes);
    else reader.skip();
  }
  return { queries, acceptedTypes };
}

/** A repeated enum, packed or not. */
function readTypes(reader: ProtobufReader, types: number[]): void {
  if (reader.wireType === 0) {
    types.push(reader.readVarint32());
    return;
  }
  reader.expect(2);
  const outer = reader.enter();
  while (reader.more()) types.push(reader.readVarint32());
  reader.leave(outer);
}

function readQuery(reader: ProtobufReader): ReadQuery {
  let startMs = 0;
  let endMs = 0;
  const matchers: Matcher[] = [];
  reader.expect(2);
  const outer = reader.enter();
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) startMs = readInt64(reader);
    else if (reader.field === 2) endMs = readInt64(reader);
    else if (reader.field === 3) matchers.push(readMatcher(reader));
    else reader.skip();
  }
  reader.leave(outer);
  return { startMs, endMs, matchers };
}

function readInt64(reader: ProtobufReader): number {
  reader.expect(0);
  reader.readVarint64();
  return (reader.high | 0) * 2 ** 32 + reader.low;
}

function readMatcher(reader: ProtobufReader): Matcher {
  let type = 0;
  let name = "";
  let value = "";
  reader.expect(2);
  const outer = reader.enter();
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) type = reader.readVarint32();
    else if (reader.field === 2) name = readText(reader);
    else if (reader.field === 3) value = readText(reader);
    else reader.skip();
  }
  reader.leave(outer);
  const operator = OPERATORS[type];
  if (operator === undefined)
    throw new FinchError(
      "invalid",
      "wire/bad-read-request",
      `remote read: matcher type ${type} of label ${JSON.stringify(name)}: 0 to 3 are known`,
    );
  return createMatcher(name, operator, value);
}

const TEXT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readText(reader: ProtobufReader): string {
  reader.expect(2);
  const at = reader.position;
  try {
    return TEXT.decode(reader.readBytes());
  } catch (error) {
    if (error instanceof CodecError) throw error;
    throw new CodecError("malformed", at, "text that is no UTF-8");
  }
}

/** The body of a request. */
export function encodeReadRequest(request: {
  readonly queries: readonly ReadQuery[];
  readonly acceptedTypes: readonly ReadResponseType[];
}): Uint8Array {
  const writer = new ProtobufWriter();
  for (const { startMs, endMs, matchers } of request.queries) {
    const query = writer.begin(1);
    writer.writeInt64(1, startMs);
    writer.writeInt64(2, endMs);
    for (const { operator, name, value } of matchers) {
      const matcher = writer.begin(3);
      writer.writeInt64(1, OPERATORS.indexOf(operator));
      writer.writeString(2, name);
      writer.writeString(3, value);
      writer.end(matcher);
    }
    writer.end(query);
  }
  for (const type of request.acceptedTypes) writer.writeInt64(2, RESPONSE_TYPES.indexOf(type));
  return encodeSnappyBody([writer.finish()]);
}
