/**
 * One syslog message, RFC 5424 or RFC 3164 as it is found in the wild: what is missing or odd is left out, and whatever cannot be read stays in the line.
 * There is no message that is refused.
 */
import { readBsdTime, readIsoTime } from "./syslog-time.ts";
import { bufferOver } from "./text-bytes.ts";

export interface SyslogMessage {
  /** 0 to 23. */
  readonly facility: number;
  /** 0 (emergency) to 7 (debug). */
  readonly severity: number;
  /** Undefined where there is no time that can be read. */
  readonly timeNs: bigint | undefined;
  /** Whether the time has whole seconds alone, in which several messages fall together. */
  readonly isWholeSecond: boolean;
  /** Empty where not sent, as are the next three. */
  readonly host: string;
  readonly app: string;
  readonly processId: string;
  readonly messageId: string;
  /** Structured data, `ID, name, value, ID, name, value …`. */
  readonly data: readonly string[];
  readonly line: Uint8Array;
}

/** Of RFC 3164: what to take a message without a priority for. */
const FACILITY_USER = 1;
const SEVERITY_NOTICE = 5;
/** Structured data is read up to here; no sane header is longer. */
const HEADER_BYTES_MAX = 64 * 1024;
const NO_DATA: readonly string[] = [];

const PRIORITY = /<(\d{1,3})>/y;
const HEADER_5424 = /[1-9]\d? +(\S+) +(\S{1,255}) +(\S{1,128}) +(\S{1,128}) +(\S{1,64}) +(?=[-[])/y;
const ISO_TIME = /(\d{4}-\d\d-\d\d[Tt]\S+) +/y;
const BSD_TIME =
  /\*?([A-Z][a-z]{2}) +(\d{1,2})(?: (\d{4}))? (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?: [A-Z]{3,4})?:? +/y;
const HOST = /(?![^ ]*[:[])(\S{1,255}) +/y;
const TAG = /([^\s:[\]]{1,64})(?:\[([^\]\s]{0,128})\])?: ?/y;
const DATA_ID = /\[([^ =\]"]{1,64})/y;
const DATA_PARAMETER = / +([^ =\]"]{1,64})="((?:\\.|[^"\\])*)"/sy;

interface Cursor {
  /** Each character is a byte. */
  readonly text: string;
  at: number;
}

/** Reads a message; `nowMs` gives the year that RFC 3164 leaves out. The line is a view. */
export function parseSyslogMessage(bytes: Uint8Array, nowMs: number): SyslogMessage {
  const end = trimmedEnd(bytes);
  const buffer = bufferOver(bytes);
  const cursor = { text: buffer.toString("latin1", 0, Math.min(end, HEADER_BYTES_MAX)), at: 0 };
  const priority = readPriority(cursor);
  const head = read5424(cursor, buffer) ?? read3164(cursor, nowMs);
  let start = cursor.at;
  if (bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf) start += 3;
  return { ...priority, ...head, line: bytes.subarray(start, Math.max(start, end)) };
}

/** Frames may end with what ends a line. */
function trimmedEnd(bytes: Uint8Array): number {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d || bytes[end - 1] === 0))
    end--;
  return end;
}

function take(cursor: Cursor, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = cursor.at;
  const match = pattern.exec(cursor.text);
  if (match === null) return undefined;
  cursor.at = pattern.lastIndex;
  return match;
}

function readPriority(cursor: Cursor): { readonly facility: number; readonly severity: number } {
  const number = Number(take(cursor, PRIORITY)?.[1]);
  if (number <= 191) return { facility: number >> 3, severity: number & 7 };
  cursor.at = 0;
  return { facility: FACILITY_USER, severity: SEVERITY_NOTICE };
}

type Head = Omit<SyslogMessage, "facility" | "severity" | "line">;

function read5424(cursor: Cursor, buffer: Buffer): Head | undefined {
  const start = cursor.at;
  if (start === 0) return undefined;
  const match = take(cursor, HEADER_5424);
  if (match === undefined) return undefined;
  const [, time, ...names] = match;
  const timeNs = readIsoTime(time!);
  if (timeNs === undefined && time !== "-") {
    cursor.at = start;
    return undefined;
  }
  const [host, app, processId, messageId] = names.map((name) => (name === "-" ? "" : utf8(name)));
  return {
    timeNs,
    isWholeSecond: !time!.includes("."),
    host: host!,
    app: app!,
    processId: processId!,
    messageId: messageId!,
    data: readData(cursor, buffer),
  };
}

/** `-` or elements; of ones that are not closed the whole stays in the line. */
function readData(cursor: Cursor, buffer: Buffer): readonly string[] {
  const { text } = cursor;
  const start = cursor.at;
  const data: string[] = [];
  let isWhole = true;
  if (text[start] === "-") cursor.at++;
  else while (isWhole && text[cursor.at] === "[") isWhole = readElement(cursor, buffer, data);
  const next = text[cursor.at];
  if (!isWhole || (next !== " " && next !== undefined)) {
    cursor.at = start;
    return NO_DATA;
  }
  if (next === " ") cursor.at++;
  return data.length === 0 ? NO_DATA : data;
}

/** Whether the element at the cursor is one. */
function readElement(cursor: Cursor, buffer: Buffer, data: string[]): boolean {
  const id = take(cursor, DATA_ID)?.[1];
  if (id === undefined) return false;
  for (let match = take(cursor, DATA_PARAMETER); match; match = take(cursor, DATA_PARAMETER)) {
    const [, name, quoted] = match;
    const from = cursor.at - 1 - quoted!.length;
    const value = buffer.toString("utf8", from, cursor.at - 1);
    data.push(utf8(id), utf8(name!), value.replaceAll(/\\(["\\\]])/g, "$1"));
  }
  if (cursor.text[cursor.at] !== "]") return false;
  cursor.at++;
  return true;
}

function read3164(cursor: Cursor, nowMs: number): Head {
  const iso = take(cursor, ISO_TIME);
  const bsd = iso === undefined ? take(cursor, BSD_TIME) : undefined;
  const timeNs = iso === undefined ? bsd && readBsdTime(bsd, nowMs) : readIsoTime(iso[1]!);
  const hasTime = iso !== undefined || bsd !== undefined;
  // A word that begins a tag is no host: logger leaves the host out when it writes to a socket of the machine.
  const host = hasTime ? take(cursor, HOST) : undefined;
  const tag = take(cursor, TAG);
  const isWholeSecond = iso === undefined ? bsd?.[7] === undefined : !iso[1]!.includes(".");
  return {
    timeNs,
    isWholeSecond,
    host: host === undefined || host[1] === "-" ? "" : utf8(host[1]!),
    app: tag === undefined ? "" : utf8(tag[1]!),
    processId: utf8(tag?.[2] ?? ""),
    messageId: "",
    data: NO_DATA,
  };
}

/** Text of bytes that stand as characters. */
function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}
