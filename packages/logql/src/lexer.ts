/**
 * LogQL's words. Keywords, which may be written in any case, are not told apart from names here: the parser knows where one may stand, so that labels may
 * be called `json` or `rate`. Durations, sizes and numbers are told apart by their longest reading, as Loki does.
 */
import { parseFault } from "./errors.ts";
import type { Position } from "./errors.ts";
import { parseByteSize, parseGoFloat, parseQueryDuration, unescapeGo } from "@finch/go-text";

export type TokenKind =
  | "identifier"
  | "string"
  | "number"
  | "duration"
  | "bytes"
  | "range"
  | "flag"
  | "symbol"
  | "end";

export interface Token {
  readonly kind: TokenKind;
  /** The name, symbol or literal as written; for strings and ranges what they mean. */
  readonly text: string;
  /** The text of a name in lower case, as keywords are compared; of a symbol as it is. Empty for literals, which are neither. */
  readonly word: string;
  /** Numbers, bytes; durations and ranges in nanoseconds. */
  readonly value: number;
  readonly offset: number;
  readonly at: Position;
}

const SYMBOLS = [
  "|=",
  "|~",
  "|>",
  "!=",
  "!~",
  "!>",
  "=~",
  "==",
  ">=",
  "<=",
  "|",
  "=",
  ">",
  "<",
  "{",
  "}",
  "(",
  ")",
  ",",
  ".",
  "+",
  "-",
  "*",
  "/",
  "%",
  "^",
] as const;
const BLANK = /[ \t\r\n]+|#[^\n]*/y;
const IDENTIFIER = /[A-Za-z_\p{L}][\w:\p{L}\p{Nd}]*/uy;
const FLAG = /--(?:strict|keep-empty)(?![\w-])/y;
const DURATION = /(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h|d|w|y))+/y;
const BYTES = /(?:\d+\.?\d*|\.\d+)(?:[KMGTP]i?B|kB|[KMGTPk]i?|B)/y;
const NUMBER =
  /(?:0[xX][\da-fA-F]*(?:\.[\da-fA-F]*)?(?:[pP][+-]?\d+)?|0[oObB]\w*|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y;

/** Splits a query into tokens, the last of kind `end`. Throws a parse fault at the first text that is no word. */
export function scanTokens(text: string): readonly Token[] {
  const tokens: Token[] = [];
  const places = createPlaces(text);
  let offset = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = offset;
    return pattern.exec(text)?.[0];
  };
  for (;;) {
    for (let blank = match(BLANK); blank !== undefined; blank = match(BLANK))
      offset += blank.length;
    const at = places(offset);
    if (offset >= text.length) {
      tokens.push({ kind: "end", text: "$end", word: "", value: NaN, offset, at });
      return tokens;
    }
    const scanned = scanOne(text, offset, at, match);
    tokens.push({ ...scanned.token, word: wordOf(scanned.token), offset, at });
    offset += scanned.length;
  }
}

function wordOf({ kind, text }: Scanned["token"]): string {
  if (kind === "identifier") return text.toLowerCase();
  return kind === "symbol" ? text : "";
}

interface Scanned {
  readonly token: { readonly kind: TokenKind; readonly text: string; readonly value: number };
  readonly length: number;
}

function scanOne(
  text: string,
  offset: number,
  at: Position,
  match: (pattern: RegExp) => string | undefined,
): Scanned {
  const first = text[offset]!;
  if (first === '"' || first === "`") return scanString(text, offset, at);
  if (first === "[") return scanRange(text, offset, at);
  const name = match(IDENTIFIER);
  if (name !== undefined) {
    return { token: { kind: "identifier", text: name, value: NaN }, length: name.length };
  }
  if ((first >= "0" && first <= "9") || first === ".") {
    const number = scanNumber(at, match);
    if (number !== undefined) return number;
  }
  const flag = match(FLAG);
  if (flag !== undefined) {
    return { token: { kind: "flag", text: flag, value: NaN }, length: flag.length };
  }
  const symbol = SYMBOLS.find((candidate) => text.startsWith(candidate, offset));
  if (symbol === undefined) {
    const character = String.fromCodePoint(text.codePointAt(offset)!);
    throw parseFault(`syntax error: unexpected ${JSON.stringify(character)}`, at);
  }
  return { token: { kind: "symbol", text: symbol, value: NaN }, length: symbol.length };
}

function scanNumber(
  at: Position,
  match: (pattern: RegExp) => string | undefined,
): Scanned | undefined {
  const duration = match(DURATION);
  if (duration !== undefined) {
    const value = parseQueryDuration(duration)!;
    return { token: { kind: "duration", text: duration, value }, length: duration.length };
  }
  const bytes = match(BYTES);
  if (bytes !== undefined) {
    const value = parseByteSize(bytes);
    return { token: { kind: "bytes", text: bytes, value }, length: bytes.length };
  }
  const number = match(NUMBER);
  if (number === undefined) return undefined;
  try {
    const value = parseGoFloat(number);
    return { token: { kind: "number", text: number, value }, length: number.length };
  } catch (error) {
    throw parseFault(`unable to parse literal as a float: ${(error as Error).message}`, at);
  }
}

function scanString(text: string, offset: number, at: Position): Scanned {
  const mark = text[offset]!;
  let end = offset + 1;
  while (end < text.length && text[end] !== mark) {
    if (mark === '"' && text[end] === "\n") break;
    end += mark === '"' && text[end] === "\\" ? 2 : 1;
  }
  if (text[end] !== mark) throw parseFault("literal not terminated", at);
  const body = text.slice(offset + 1, end);
  const meaning = mark === '"' ? unescapeGo(body) : body.replaceAll("\r", "");
  if (meaning === undefined) throw parseFault("invalid char escape", at);
  return { token: { kind: "string", text: meaning, value: NaN }, length: end + 1 - offset };
}

function scanRange(text: string, offset: number, at: Position): Scanned {
  const end = text.indexOf("]", offset);
  if (end < 0) throw parseFault("missing closing ']' in duration", at);
  const body = text.slice(offset + 1, end);
  const value = parseRange(body, at);
  return { token: { kind: "range", text: body, value }, length: end + 1 - offset };
}

/** Milliseconds of the units of ranges, which stand in this order, each once and whole. */
const RANGE_UNITS: readonly (readonly [string, number])[] = [
  ["y", 365 * 86_400_000],
  ["w", 7 * 86_400_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
];
const NANOSECONDS_MAX = 2 ** 63;

/** Prometheus' durations, in nanoseconds. */
function parseRange(body: string, at: Position): number {
  if (body === "") throw parseFault("empty duration string", at);
  if (body === "0") return 0;
  const parts = [...body.matchAll(/(\d+)(\D+)/gy)];
  let total = 0;
  let last = -1;
  for (const [, number, name] of parts) {
    const unit = RANGE_UNITS.findIndex(([other]) => other === name);
    if (unit < 0) {
      throw parseFault(
        `unknown unit ${JSON.stringify(name)} in duration ${JSON.stringify(body)}`,
        at,
      );
    }
    if (unit <= last) total = NaN;
    last = unit;
    total += Number(number) * RANGE_UNITS[unit]![1];
  }
  if (parts.map(([whole]) => whole).join("") !== body || Number.isNaN(total)) {
    throw parseFault(`not a valid duration string: ${JSON.stringify(body)}`, at);
  }
  if (total * 1e6 >= NANOSECONDS_MAX) throw parseFault("duration out of range", at);
  return total * 1e6;
}

/** Maps ascending offsets to lines and columns. */
function createPlaces(text: string): (offset: number) => Position {
  let line = 1;
  let lineStart = 0;
  let seen = 0;
  return (offset) => {
    for (; seen < offset; seen++) {
      if (text[seen] === "\n") {
        line++;
        lineStart = seen + 1;
      }
    }
    return { line, column: offset - lineStart + 1 };
  };
}
