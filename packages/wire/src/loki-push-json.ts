/** The JSON form of Loki's push API: `{"streams":[{"stream":{…},"values":[["<ns>","line",{…}]]}]}`. */
import { badBody } from "./errors.ts";
import { checkJsonShape } from "./json-shape.ts";
import type { LokiPushLimits } from "./limits.ts";
import { LogBatchBuilder, spanOf } from "./log-batch-builder.ts";
import { decodeLooseUtf8, encodeLooseUtf8 } from "./loose-utf8.ts";

const NO_PAIRS: readonly string[] = [];
const INT64_MAX = 2n ** 63n - 1n;

/** Reads the streams of a JSON body; a FinchError names the element, such as `streams[0].values[3][0]`. */
export function readJsonStreams(content: Uint8Array, limits: LokiPushLimits): LogBatchBuilder {
  checkJsonShape(content, limits);
  const text = decodeLooseUtf8(content);
  let root = parse(text);
  if (hasInexactTime(root)) root = parse(text, keepDigits);
  if (!isObject(root)) throw badBody('the JSON body is not an object: send {"streams": […]}');
  const streams = root["streams"] ?? [];
  if (!Array.isArray(streams)) throw badBody("streams is not an array");
  const builder = new LogBatchBuilder(limits, content.length);
  for (const [index, stream] of (streams as unknown[]).entries())
    readStream(stream, `streams[${index}]`, builder);
  return builder;
}

function parse(text: string, reviver?: typeof keepDigits): unknown {
  try {
    return JSON.parse(text, reviver) as unknown;
  } catch (error) {
    throw badBody(`the body is not valid JSON: ${(error as Error).message}`, error);
  }
}

/** Numbers beyond 2^53 as their digits: timestamps that a sender did not quote. */
function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === "number" && !Number.isSafeInteger(value)
    ? (context?.source ?? value)
    : value;
}

function hasInexactTime(root: unknown): boolean {
  if (!isObject(root) || !Array.isArray(root["streams"])) return false;
  return (root["streams"] as unknown[]).some(
    (stream) =>
      isObject(stream) &&
      Array.isArray(stream["values"]) &&
      (stream["values"] as unknown[]).some(
        (value) =>
          Array.isArray(value) && typeof value[0] === "number" && !Number.isSafeInteger(value[0]),
      ),
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readStream(stream: unknown, place: string, builder: LogBatchBuilder): void {
  if (!isObject(stream)) throw badBody(`${place} is not an object`);
  const labels = stringPairs(stream["stream"] ?? {}, `${place}.stream`);
  const values = stream["values"] ?? [];
  if (!Array.isArray(values)) throw badBody(`${place}.values is not an array`);
  builder.beginStream(() => labels);
  for (const [index, value] of (values as unknown[]).entries()) {
    readValue(value, () => `${place}.values[${index}]`, builder);
  }
  builder.endStream();
}

function readValue(value: unknown, place: () => string, builder: LogBatchBuilder): void {
  if (!Array.isArray(value) || value.length < 2 || value.length > 3) {
    throw badBody(
      `${place()} is not an array of timestamp, line and, if need be, structured metadata`,
    );
  }
  const [time, line, metadata] = value as unknown[];
  if (typeof line !== "string") throw badBody(`${place()}[1] is not a string: the line`);
  const ns = parseTime(time);
  if (ns === undefined) throw badBody(`${place()}[0] is not a string of Unix nanoseconds`);
  const pairs = metadata === undefined ? NO_PAIRS : stringPairs(metadata, `${place()}[2]`);
  const span = spanOf(encodeLooseUtf8(line));
  builder.addEntry(Number(BigInt.asUintN(32, ns)), Number(ns >> 32n), span, pairs);
}

function parseTime(time: unknown): bigint | undefined {
  const text = typeof time === "number" ? String(time) : time;
  if (typeof text !== "string" || !/^[+-]?[0-9]{1,20}$/.test(text)) return undefined;
  const ns = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return ns > INT64_MAX || ns < -INT64_MAX ? undefined : ns;
}

function stringPairs(object: unknown, place: string): readonly string[] {
  if (!isObject(object)) throw badBody(`${place} is not an object`);
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(object)) {
    if (typeof value !== "string") throw badBody(`${place}.${name} is not a string`);
    pairs.push(name.toWellFormed(), value.toWellFormed());
  }
  return pairs;
}
