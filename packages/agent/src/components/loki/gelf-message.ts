/**
 * Messages of the Graylog Extended Log Format: put together from datagrams, unpacked, read, and written as the line that Alloy makes of them.
 * @see https://go2docs.graylog.org/current/getting_in_log_data/gelf.html
 */
import { gunzipSync, inflateSync } from "node:zlib";
import { FinchError } from "@finch/runtime";
import { goJson } from "./go-json.ts";

/** What a datagram with a part of a message begins with: mark, id, number of the part, number of parts. */
const CHUNK_HEAD_BYTES = 12;
const CHUNK_MARK = 0x1e0f;
const CHUNKS_MAX = 128;
/** Parts that come later belong to a message that is lost. */
const CHUNK_MS_MAX = 5000;
/** Messages of which parts are missing; without a bound, lost datagrams would fill the memory. */
const PARTIAL_MAX = 500;
/** A message unpacked; packed ones of some hundred bytes could be gigabytes. */
const MESSAGE_BYTES_MAX = 2 << 20;

interface Partial {
  readonly parts: (Uint8Array | undefined)[];
  readonly sinceMs: number;
  missing: number;
}

/** Puts messages together that came in several datagrams. */
export class GelfAssembler {
  /** By id, the one that began first in front. */
  readonly #partial = new Map<string, Partial>();
  /** Messages given up since parts of them did not come. */
  incomplete = 0;

  /** The message that is complete with this datagram. Throws `agent/gelf` for a part that cannot be one. */
  push(datagram: Uint8Array, nowMs: number): Uint8Array | undefined {
    const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
    if (bytes.length < 2 || bytes.readUInt16BE(0) !== CHUNK_MARK) return datagram;
    if (bytes.length < CHUNK_HEAD_BYTES) throw badMessage("a part of a message is too short");
    const id = bytes.toString("hex", 2, 10);
    const [index = 0, count = 0] = bytes.subarray(10, 12);
    if (count === 0 || count > CHUNKS_MAX || index >= count)
      throw badMessage(`part ${index} of ${count} cannot be`);
    this.#forget(nowMs);
    let partial = this.#partial.get(id);
    if (partial === undefined) {
      partial = { parts: Array.from({ length: count }), sinceMs: nowMs, missing: count };
      this.#partial.set(id, partial);
    }
    if (partial.parts.length !== count || partial.parts[index] !== undefined) return undefined;
    partial.parts[index] = bytes.subarray(CHUNK_HEAD_BYTES);
    if (--partial.missing > 0) return undefined;
    this.#partial.delete(id);
    return Buffer.concat(partial.parts as Uint8Array[]);
  }

  #forget(nowMs: number): void {
    for (const [id, { sinceMs }] of this.#partial) {
      if (nowMs - sinceMs <= CHUNK_MS_MAX && this.#partial.size < PARTIAL_MAX) return;
      this.#partial.delete(id);
      this.incomplete++;
    }
  }
}

export interface GelfMessage {
  readonly version: string;
  readonly host: string;
  readonly facility: string;
  /** 0 to 7, as of syslog; 0 when the message has none. */
  readonly level: number;
  /** Unix seconds with fractions; 0 when the message has none. */
  readonly timestamp: number;
  /** The message as one line of JSON, fields in a fixed order, those of senders last. */
  readonly line: string;
}

/** Unpacks and reads a message. Throws `agent/gelf` when it is none. */
export function readGelf(bytes: Uint8Array): GelfMessage {
  const text = unpack(bytes);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw badMessage("it is not JSON", cause);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw badMessage("it is no object");
  const fields = new Fields(parsed as Readonly<Record<string, unknown>>);
  const known = {
    version: fields.text("version"),
    host: fields.text("host"),
    short: fields.text("short_message"),
    full: fields.text("full_message"),
    timestamp: fields.number("timestamp"),
    level: Math.trunc(fields.number("level")),
    facility: fields.text("facility"),
  };
  return { ...known, line: lineOf(known, fields.own()) };
}

/** Reads fields; one of another type makes the message none. */
class Fields {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  text(name: string): string {
    const value = this.#fields[name] ?? "";
    if (typeof value !== "string") throw badMessage(`${name} is no text`);
    return value;
  }

  number(name: string): number {
    const value = this.#fields[name] ?? 0;
    if (typeof value !== "number") throw badMessage(`${name} is no number`);
    return value;
  }

  /** Fields of senders, sorted by name. */
  own(): readonly (readonly [string, unknown])[] {
    return Object.entries(this.#fields)
      .filter(([name]) => name.startsWith("_"))
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
}

function lineOf(
  known: {
    readonly version: string;
    readonly host: string;
    readonly short: string;
    readonly full: string;
    readonly timestamp: number;
    readonly level: number;
    readonly facility: string;
  },
  own: readonly (readonly [string, unknown])[],
): string {
  const parts = [
    `"version":${goJson(known.version)}`,
    `"host":${goJson(known.host)}`,
    `"short_message":${goJson(known.short)}`,
    ...(known.full === "" ? [] : [`"full_message":${goJson(known.full)}`]),
    `"timestamp":${known.timestamp}`,
    ...(known.level === 0 ? [] : [`"level":${known.level}`]),
    ...(known.facility === "" ? [] : [`"facility":${goJson(known.facility)}`]),
    ...own.map(
      ([name, value]) =>
        `${goJson(name)}:${typeof value === "string" ? goJson(value) : JSON.stringify(value)}`,
    ),
  ];
  return `{${parts.join(",")}}`;
}

function unpack(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const options = { maxOutputLength: MESSAGE_BYTES_MAX };
  try {
    if (first === 0x1f && second === 0x8b) return gunzipSync(bytes, options).toString();
    const isZlib =
      first !== undefined && (first & 0x0f) === 8 && (first * 256 + second!) % 31 === 0;
    if (isZlib) return inflateSync(bytes, options).toString();
  } catch (cause) {
    throw badMessage("it cannot be unpacked", cause);
  }
  return Buffer.from(bytes).toString();
}

function badMessage(why: string, cause?: unknown): FinchError {
  return new FinchError("invalid", "agent/gelf", `a GELF message cannot be read: ${why}`, {
    cause,
  });
}
