/**
 * A forward scanner over JSON text that never builds a tree: it hands out the scalars of an object, or finds the value at a path.
 * Lenient where log lines are sloppy (text behind the object is not looked at), strict inside.
 */
import { JSON_DEPTH_MAX } from "./limits.ts";
import type { JsonPath } from "./json-path.ts";

export class JsonFault extends Error {
  override readonly name = "JsonFault";
}

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const COMMA = 44;
const COLON = 58;

/** A key of an object as the visitor wants to know it again. */
export interface JsonField {
  /** What the key is called, the keys of the objects around it included. */
  readonly name: string;
  /** Whether the value is to be handed out; values nobody wants are not cut out of the text. */
  readonly wanted: boolean;
}

export interface JsonVisitor {
  /** Names a key; `prefix` is the name of the object around ("" at the top). Called once for keys that come again in the same place. */
  field(prefix: string, key: string): JsonField;
  /** A string, number or boolean, strings without their escapes; answer false to stop the scan. */
  scalar(field: JsonField, value: string): boolean;
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

/** The position behind the string that starts at `from`. */
function endOfString(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) return i + 1;
    if (c === BACKSLASH) i++;
  }
  throw new JsonFault("a string does not end");
}

function stringAt(text: string, from: number, end: number): string {
  const raw = text.slice(from + 1, end - 1);
  return raw.includes("\\") ? unescapeJson(raw) : raw;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

function unescapeJson(raw: string): string {
  return raw.replaceAll(/\\(?:u([0-9a-fA-F]{4})|([^]))/g, (_, hex?: string, simple?: string) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    const meaning = ESCAPES[simple!];
    if (meaning === undefined) throw new JsonFault(`unknown escape \\${simple!}`);
    return meaning;
  });
}

/** The position behind a number, true, false or null. */
function endOfPlain(text: string, from: number): number {
  let i = from;
  let whole = true;
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === COMMA || c === CLOSE_BRACE || c === CLOSE_BRACKET || c <= 32) break;
    if (c < 48 || c > 57) whole = false;
  }
  // Whole numbers, by far the most frequent, are settled by their digits.
  if (whole && i > from) return i;
  const value = text.slice(from, i);
  const known = value === "true" || value === "false" || value === "null";
  if (!known && !NUMBER.test(value)) {
    throw new JsonFault(
      value === "" ? "a value is missing" : `unknown value ${JSON.stringify(value.slice(0, 32))}`,
    );
  }
  return i;
}

const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/;

/** The position behind any value. */
function skipValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return endOfString(text, from);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return endOfPlain(text, from);
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) i = endOfString(text, i) - 1;
    else if (c === OPEN_BRACE || c === OPEN_BRACKET) depth++;
    else if ((c === CLOSE_BRACE || c === CLOSE_BRACKET) && --depth === 0) return i + 1;
  }
  throw new JsonFault("an object or array does not end");
}

/** Walks the object the text starts with. Throws a {@link JsonFault} when it starts with none or breaks; what came before was handed out. */
export function scanObject(text: string, scanner: JsonScanner): void {
  const start = skipBlanks(text, 0);
  if (text.charCodeAt(start) !== OPEN_BRACE) {
    throw new JsonFault("expecting json object, but it is not");
  }
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
  if (text.charCodeAt(i) === CLOSE_BRACE) return i + 1;
  for (;;) {
    const known = keyAt(text, i, prefix, scanner);
    i = skipBlanks(text, i + known.raw.length);
    if (text.charCodeAt(i) !== COLON) throw new JsonFault("a colon is missing behind a key");
    i = skipBlanks(text, i + 1);
    const end = scanField(text, i, known.field, scanner, depth);
    if (end < 0) return -1;
    i = skipBlanks(text, end);
    const next = text.charCodeAt(i);
    if (next === CLOSE_BRACE) return i + 1;
    if (next !== COMMA) throw new JsonFault("a comma or closing brace is missing");
    i = skipBlanks(text, i + 1);
  }
}

function keyAt(text: string, at: number, prefix: string, scanner: JsonScanner): KnownKey {
  const place = scanner.place++;
  const known = scanner.known[place];
  if (known !== undefined && text.startsWith(known.raw, at) && known.prefix === prefix)
    return known;
  if (text.charCodeAt(at) !== QUOTE) throw new JsonFault("an object key is missing");
  const end = endOfString(text, at);
  const field = scanner.visitor.field(prefix, stringAt(text, at, end));
  const learned: KnownKey = { prefix, raw: text.slice(at, end), field };
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
  if (first === QUOTE) {
    const end = endOfString(text, at);
    if (!field.wanted) return end;
    return visitor.scalar(field, stringAt(text, at, end)) ? end : -1;
  }
  if (first === OPEN_BRACE) return scanFields(text, at, field.name, scanner, depth + 1);
  if (first === OPEN_BRACKET) return skipValue(text, at);
  const end = endOfPlain(text, at);
  if (!field.wanted) return end;
  const value = text.slice(at, end);
  return value === "null" || visitor.scalar(field, value) ? end : -1;
}

/** The string fields of the top object, others left out; for `unpack`. */
export function readStringFields(text: string): readonly (readonly [key: string, value: string])[] {
  const fields: (readonly [string, string])[] = [];
  let i = skipBlanks(text, 0);
  if (text.charCodeAt(i) !== OPEN_BRACE)
    throw new JsonFault("expecting json object, but it is not");
  i = skipBlanks(text, i + 1);
  while (text.charCodeAt(i) !== CLOSE_BRACE) {
    if (text.charCodeAt(i) !== QUOTE) throw new JsonFault("an object key is missing");
    const keyEnd = endOfString(text, i);
    const at = skipBlanks(text, skipBlanks(text, keyEnd) + 1);
    const end = skipValue(text, at);
    if (text.charCodeAt(at) === QUOTE)
      fields.push([stringAt(text, i, keyEnd), stringAt(text, at, end)]);
    i = skipBlanks(text, end);
    if (text.charCodeAt(i) === COMMA) i = skipBlanks(text, i + 1);
    else if (text.charCodeAt(i) !== CLOSE_BRACE)
      throw new JsonFault("a comma or closing brace is missing");
  }
  return fields;
}

/** The value at a path as `json x="path"` shows it: scalars as text, objects and arrays as they stand, null as "". Undefined when missing. */
export function findPath(text: string, path: JsonPath): string | undefined {
  let at = skipBlanks(text, 0);
  for (const step of path) {
    const next = typeof step === "number" ? findElement(text, at, step) : findField(text, at, step);
    if (next === undefined) return undefined;
    at = next;
  }
  const end = skipValue(text, at);
  if (text.charCodeAt(at) === QUOTE) return stringAt(text, at, end);
  const value = text.slice(at, end);
  return value === "null" ? "" : value;
}

function findField(text: string, open: number, name: string): number | undefined {
  if (text.charCodeAt(open) !== OPEN_BRACE) return undefined;
  let i = skipBlanks(text, open + 1);
  while (text.charCodeAt(i) === QUOTE) {
    const keyEnd = endOfString(text, i);
    const key = stringAt(text, i, keyEnd);
    i = skipBlanks(text, keyEnd);
    if (text.charCodeAt(i) !== COLON) throw new JsonFault("a colon is missing behind a key");
    i = skipBlanks(text, i + 1);
    if (key === name) return i;
    i = skipBlanks(text, skipValue(text, i));
    if (text.charCodeAt(i) !== COMMA) return undefined;
    i = skipBlanks(text, i + 1);
  }
  return undefined;
}

function findElement(text: string, open: number, index: number): number | undefined {
  if (text.charCodeAt(open) !== OPEN_BRACKET) return undefined;
  let i = skipBlanks(text, open + 1);
  for (let n = 0; text.charCodeAt(i) !== CLOSE_BRACKET; n++) {
    if (n === index) return i;
    i = skipBlanks(text, skipValue(text, i));
    if (text.charCodeAt(i) !== COMMA) return undefined;
    i = skipBlanks(text, i + 1);
  }
  return undefined;
}
