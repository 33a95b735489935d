/**
 * A forward scanner over JSON text that never builds a tree: it hands out the scalars of an object, or finds the values at paths.
 * As lenient as Loki's reader: a number is what begins like one, a comma may stand before a closing brace, text behind the object is not looked at.
 */
import { JSON_DEPTH_MAX } from "./limits.ts";
import type { JsonPath } from "./json-path.ts";

/** A text that breaks; the message says it in the words that Loki has for it. */
export class JsonFault extends Error {
  override readonly name = "JsonFault";
  /** Where the outermost object within the top one begins that does not end, when that is what is wrong: nothing in it counts. */
  readonly openAt: number | undefined;

  constructor(message: string, openAt?: number) {
    super(message);
    this.openAt = openAt;
  }
}

const MALFORMED = "Malformed JSON error";
const OPEN_STRING = `Value is string, but can't find closing '"' symbol`;
const OPEN_ARRAY = "Value is array, but can't find closing ']' symbol";
const OPEN_OBJECT = "Value looks like object, but can't find closing '}' symbol";
const BAD_ESCAPE = "Encountered an invalid escape sequence in a string";
const UNKNOWN_VALUE = "Unknown value type";

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const COMMA = 44;
const COLON = 58;
const MINUS = 45;

/** A key of an object as the visitor wants to know it again. */
export interface JsonField {
  /** What the key is called, the keys of the objects around it included. */
  readonly name: string;
  /** Whether the value is to be handed out; values nobody wants are not cut out of the text. */
  readonly wanted: boolean;
  /** Whether an object under the key is to be walked; one that is not only has to end. */
  readonly inside: boolean;
}

export interface JsonVisitor {
  /** Names a key; `prefix` is the name of the object around ("" at the top). Called once for keys that come again in the same place. */
  field(prefix: string, key: string): JsonField;
  /** A string (`quoted`, without its escapes), number or boolean; answer false to stop the scan. */
  scalar(field: JsonField, value: string, quoted: boolean): boolean;
}

/** A key seen before at this place among the keys of a text: lines of a stream repeat theirs, and comparing is cheaper than cutting and hashing. */
interface KnownKey {
  readonly prefix: string;
  /** The key with its quotes, as written. */
  readonly raw: string;
  readonly field: JsonField;
}

/** Places remembered; texts with more keys are scanned all the same. */
const KNOWN_KEYS_MAX = 256;

/** Scans one text after the other; remembers their keys. */
export interface JsonScanner {
  readonly visitor: JsonVisitor;
  readonly known: KnownKey[];
  /** How many keys the current text has had. */
  place: number;
}

export function createJsonScanner(visitor: JsonVisitor): JsonScanner {
  return { visitor, known: [], place: 0 };
}

function skipBlanks(text: string, from: number): number {
  let i = from;
  for (
    let c = text.charCodeAt(i);
    c === 32 || c === 10 || c === 13 || c === 9;
    c = text.charCodeAt(++i)
  );
  return i;
}

/** The position behind the string that starts at `from`, or -1. */
function endOfString(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) return i + 1;
    if (c === BACKSLASH) i++;
  }
  return -1;
}

/** The position behind the array or object that starts at `from`, or -1. */
function endOfBlock(text: string, from: number): number {
  const open = text.charCodeAt(from);
  const close = open === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET;
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      const end = endOfString(text, i);
      if (end < 0) return -1;
      i = end - 1;
    } else if (c === open) depth++;
    else if (c === close && --depth === 0) return i + 1;
  }
  return -1;
}

/** What stands behind a backslash, but for `u`. */
export const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** A string without its escapes; undefined when one of them is wrong, half a surrogate pair among them. */
function unescapeJson(raw: string): string | undefined {
  let text = "";
  let from = 0;
  for (let i = raw.indexOf("\\"); i >= 0; i = raw.indexOf("\\", from)) {
    text += raw.slice(from, i);
    if (raw[i + 1] !== "u") {
      const meaning = ESCAPES[raw[i + 1] ?? ""];
      if (meaning === undefined) return undefined;
      text += meaning;
      from = i + 2;
      continue;
    }
    const unit = unitAt(raw, i + 2);
    if (unit === undefined) return undefined;
    text += String.fromCharCode(unit);
    from = i + 6;
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const low = raw.startsWith("\\u", from) ? unitAt(raw, from + 2) : undefined;
    if (unit >= 0xdc00 || low === undefined || low < 0xdc00 || low > 0xdfff) return undefined;
    text += String.fromCharCode(low);
    from += 6;
  }
  return text + raw.slice(from);
}

function unitAt(raw: string, at: number): number | undefined {
  const digits = raw.slice(at, at + 4);
  return /^[\da-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : undefined;
}

/** What a label makes of a string: wrong escapes leave nothing of it, and characters that are none become blanks. */
function stringAt(text: string, from: number, end: number): string {
  const raw = text.slice(from + 1, end - 1);
  const value = raw.includes("\\") ? (unescapeJson(raw) ?? "") : raw;
  return value.includes("\ufffd") ? value.replaceAll("\ufffd", " ") : value;
}

/** The position behind a number, true, false or null. */
function endOfPlain(text: string, from: number): number {
  let i = from;
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === COMMA || c === CLOSE_BRACE || c === CLOSE_BRACKET) break;
    if (c === 32 || c === 10 || c === 13 || c === 9) break;
  }
  const first = text.charCodeAt(from);
  if ((first >= 48 && first <= 57) || first === MINUS) return i;
  if (from >= text.length) throw new JsonFault(MALFORMED);
  const value = text.slice(from, i);
  if (value === "true" || value === "false" || value === "null") return i;
  throw new JsonFault(UNKNOWN_VALUE);
}

/** The position behind any value. */
function endOfValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) {
    const end = endOfString(text, from);
    if (end < 0) throw new JsonFault(OPEN_STRING);
    return end;
  }
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return endOfPlain(text, from);
  const end = endOfBlock(text, from);
  if (end < 0) throw new JsonFault(first === OPEN_BRACE ? OPEN_OBJECT : OPEN_ARRAY);
  return end;
}

/** Walks the object the text starts with. Throws a {@link JsonFault} when it starts with none or breaks; what came before was handed out. */
export function scanObject(text: string, scanner: JsonScanner): void {
  const start = skipBlanks(text, 0);
  if (text.charCodeAt(start) !== OPEN_BRACE) throw new JsonFault(OPEN_OBJECT);
  scanner.place = 0;
  scanFields(text, start, "", scanner, 0);
}

/** Answers the position behind the object, or -1 when the visitor stopped. */
function scanFields(
  text: string,
  open: number,
  prefix: string,
  scanner: JsonScanner,
  depth: number,
): number {
  if (depth > JSON_DEPTH_MAX) throw new JsonFault(`objects nested deeper than ${JSON_DEPTH_MAX}`);
  let i = skipBlanks(text, open + 1);
  if (i >= text.length) throw new JsonFault(MALFORMED);
  for (;;) {
    if (text.charCodeAt(i) === CLOSE_BRACE) return i + 1;
    const known = keyAt(text, i, prefix, scanner);
    i = skipBlanks(text, i + known.raw.length);
    if (text.charCodeAt(i) !== COLON) throw new JsonFault(MALFORMED);
    i = skipBlanks(text, i + 1);
    const end = scanField(text, i, known.field, scanner, depth);
    if (end < 0) return -1;
    i = skipBlanks(text, end);
    if (text.charCodeAt(i) === CLOSE_BRACE) return i + 1;
    if (i < text.length && text.charCodeAt(i) !== COMMA) throw new JsonFault(OPEN_OBJECT);
    i = skipBlanks(text, i + 1);
    if (i >= text.length) throw new JsonFault(OPEN_ARRAY);
  }
}

function keyAt(text: string, at: number, prefix: string, scanner: JsonScanner): KnownKey {
  const place = scanner.place++;
  const known = scanner.known[place];
  if (known !== undefined && text.startsWith(known.raw, at) && known.prefix === prefix)
    return known;
  if (text.charCodeAt(at) !== QUOTE) throw new JsonFault(OPEN_OBJECT);
  const end = endOfString(text, at);
  if (end < 0) throw new JsonFault(MALFORMED);
  const raw = text.slice(at, end);
  const key = unescapeJson(raw.slice(1, -1));
  if (key === undefined) throw new JsonFault(BAD_ESCAPE);
  const learned: KnownKey = { prefix, raw, field: scanner.visitor.field(prefix, key) };
  if (place < KNOWN_KEYS_MAX) scanner.known[place] = learned;
  return learned;
}

function scanField(
  text: string,
  at: number,
  field: JsonField,
  scanner: JsonScanner,
  depth: number,
): number {
  const { visitor } = scanner;
  const first = text.charCodeAt(at);
  if (first === OPEN_BRACE && field.inside) return scanInner(text, at, field, scanner, depth);
  const end = endOfValue(text, at);
  if (!field.wanted || first === OPEN_BRACE || first === OPEN_BRACKET) return end;
  if (first === QUOTE) return visitor.scalar(field, stringAt(text, at, end), true) ? end : -1;
  const value = text.slice(at, end);
  return value === "null" || visitor.scalar(field, value, false) ? end : -1;
}

/** An object that does not end has no fields, not even those that were asked for. */
function scanInner(
  text: string,
  at: number,
  { name }: JsonField,
  scanner: JsonScanner,
  depth: number,
): number {
  let end: number;
  try {
    end = scanFields(text, at, name, scanner, depth + 1);
  } catch (error) {
    if (error instanceof JsonFault && endOfBlock(text, at) < 0)
      throw new JsonFault(OPEN_OBJECT, at);
    throw error;
  }
  if (end < 0 && depth === 0 && endOfBlock(text, at) < 0) throw new JsonFault(OPEN_OBJECT, at);
  return end;
}

/**
 * The value at a path as `json x="path"` shows it: scalars as text, objects and arrays as they stand, null as "". Undefined when missing. Text that breaks matters
 * only when it is the value itself, or when there is a key but no object.
 */
export function findPath(text: string, path: JsonPath): string | undefined {
  let at = 0;
  if (text.charCodeAt(0) === QUOTE) {
    const end = endOfString(text, 0);
    if (end > 0 && text.charCodeAt(skipBlanks(text, end)) === COLON) throw new JsonFault(MALFORMED);
    return undefined;
  }
  for (const step of path) {
    const next = typeof step === "number" ? findElement(text, at, step) : findField(text, at, step);
    if (next === undefined) return undefined;
    at = next;
  }
  const end = endOfValue(text, at);
  if (text.charCodeAt(at) === QUOTE) return stringAt(text, at, end);
  const value = text.slice(at, end);
  return value === "null" ? "" : value;
}

function findField(text: string, open: number, name: string): number | undefined {
  if (text.charCodeAt(open) !== OPEN_BRACE) return undefined;
  for (let i = open + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === CLOSE_BRACE) return undefined;
    if (c === OPEN_BRACE || c === OPEN_BRACKET) {
      const end = endOfBlock(text, i);
      if (end < 0) return undefined;
      i = end - 1;
    } else if (c === QUOTE) {
      const end = endOfString(text, i);
      if (end < 0) return undefined;
      const colon = skipBlanks(text, end);
      if (text.charCodeAt(colon) !== COLON) i = end - 1;
      else if (unescapeJson(text.slice(i + 1, end - 1)) === name)
        return skipBlanks(text, colon + 1);
      else i = colon;
    }
  }
  return undefined;
}

function findElement(text: string, open: number, index: number): number | undefined {
  if (text.charCodeAt(open) !== OPEN_BRACKET) return undefined;
  let i = skipBlanks(text, open + 1);
  try {
    for (let n = 0; text.charCodeAt(i) !== CLOSE_BRACKET; n++) {
      const end = endOfValue(text, i);
      if (n === index) return i;
      i = skipBlanks(text, end);
      if (text.charCodeAt(i) !== COMMA) return undefined;
      i = skipBlanks(text, i + 1);
    }
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
  }
  return undefined;
}
