/**
 * Cuts query text into tokens. Words inside braces are plain names; inside square brackets stand durations, `:` between range and step, and a
 * few words that stand for durations. A fault in the text becomes the last token, of kind `error`, so that the parser reports whatever is
 * wrong before it first.
 */
import type { Position } from "./errors.ts";
import { quoteString } from "./quote.ts";

export type TokenKind =
  | "word"
  | "name"
  | "number"
  | "duration"
  | "string"
  | "end"
  | "error"
  | "("
  | ")"
  | "{"
  | "}"
  | "["
  | "]"
  | ","
  | ":"
  | "@"
  | "="
  | "=~"
  | "!~"
  | "operator";

export interface Token {
  readonly kind: TokenKind;
  /** As written; for `string` with its quotes, for `error` the message. A `name` is a word inside braces, where none is a keyword. */
  readonly text: string;
  readonly position: Position;
}

const SPACE = /[ \t\r\n]/;
const WORD_START = /[A-Za-z_]/;
const WORD = /[A-Za-z0-9_]/;
const DIGIT = /[0-9]/;
const DURATION_WORDS: ReadonlySet<string> = new Set(["max_of", "min_of", "range", "step"]);
const SIMPLE = new Map<string, TokenKind>([
  [",", ","],
  ["@", "@"],
  ["*", "operator"],
  ["/", "operator"],
  ["%", "operator"],
  ["+", "operator"],
  ["-", "operator"],
  ["^", "operator"],
]);

class LexError extends Error {
  /** Where the fault is, if not at the start of the token. */
  readonly at: number | undefined;

  constructor(message: string, at?: number) {
    super(message);
    this.at = at;
  }
}

interface State {
  readonly text: string;
  readonly tokens: Token[];
  at: number;
  parens: number;
  inBraces: boolean;
  inBrackets: boolean;
  /** In brackets and before the first number: operators and parentheses of a duration may come. */
  beforeNumber: boolean;
  colonSeen: boolean;
}

/** All tokens of `text`; the last one is `end` or `error`. */
export function tokenize(text: string): readonly Token[] {
  const state: State = {
    text,
    tokens: [],
    at: 0,
    parens: 0,
    inBraces: false,
    inBrackets: false,
    beforeNumber: false,
    colonSeen: false,
  };
  let start = 0;
  try {
    for (;;) {
      skipBlanks(state);
      start = state.at;
      if (state.at >= text.length) break;
      if (state.inBraces) readInsideBraces(state);
      else readToken(state);
    }
    if (state.inBraces) throw new LexError("unexpected end of input inside braces");
    if (state.beforeNumber) throw new LexError("unexpected end of input in duration expression");
    if (state.parens !== 0) throw new LexError("unclosed left parenthesis");
    if (state.inBrackets) throw new LexError("unclosed left bracket");
    state.tokens.push({
      kind: "end",
      text: "",
      position: { start: text.length, end: text.length },
    });
  } catch (error) {
    if (!(error instanceof LexError)) throw error;
    state.tokens.push({
      kind: "error",
      text: error.message,
      position: { start: error.at ?? start, end: text.length },
    });
  }
  return state.tokens;
}

function skipBlanks(state: State): void {
  const { text } = state;
  for (;;) {
    const c = text[state.at];
    if (c === undefined) return;
    if (c === "#" && !state.beforeNumber) {
      const end = text.indexOf("\n", state.at);
      state.at = end < 0 ? text.length : end + 1;
    } else if (SPACE.test(c)) state.at++;
    else return;
  }
}

function emit(state: State, kind: TokenKind, length: number): void {
  const start = state.at;
  state.at += length;
  state.tokens.push({
    kind,
    text: state.text.slice(start, state.at),
    position: { start, end: state.at },
  });
}

function readToken(state: State): void {
  const { text, at } = state;
  const c = text[at]!;
  const next = text[at + 1] ?? "";
  const simple = SIMPLE.get(c);
  if (simple !== undefined) emit(state, simple, 1);
  else if (DIGIT.test(c) || (c === "." && DIGIT.test(next))) readNumber(state);
  else if (state.beforeNumber) readBeforeNumber(state, c);
  else if (c === '"' || c === "'" || c === "`") readString(state);
  else if (c === ":" && state.inBrackets) {
    if (state.colonSeen) throw new LexError("unexpected colon ':'");
    state.colonSeen = true;
    emit(state, ":", 1);
  } else if (WORD_START.test(c) && state.inBrackets) {
    if (!readDurationWord(state))
      throw new LexError(`unexpected character: ${quoteCharacter(c)}, expected ':'`);
  } else if (WORD_START.test(c) || c === ":") readWord(state);
  else if ("=!<>".includes(c)) readComparison(state, c, next);
  else readBracket(state, c);
}

/** Between `[` and the first number. */
function readBeforeNumber(state: State, c: string): void {
  const { text, at } = state;
  if (c === ":")
    throw new LexError("unexpected colon before duration in duration expression", at + 1);
  if (c === "(" || c === ")" || c === "]") return readBracket(state, c);
  if (WORD_START.test(c) && readDurationWord(state)) return;
  const character = String.fromCodePoint(text.codePointAt(at)!);
  throw new LexError(`unexpected character in duration expression: ${quoteCharacter(character)}`);
}

/** Takes a word that stands for a duration; false for any other. */
function readDurationWord(state: State): boolean {
  const [word] = /^[A-Za-z_]+/.exec(state.text.slice(state.at, state.at + 8))!;
  if (!DURATION_WORDS.has(word.toLowerCase())) return false;
  emit(state, "word", word.length);
  return true;
}

function readComparison(state: State, c: string, next: string): void {
  if (c === "=") {
    if (next === "~") throw new LexError("unexpected character after '=': '~'");
    emit(state, next === "=" ? "operator" : "=", next === "=" ? 2 : 1);
  } else if (c === "!") {
    if (next !== "=") throw new LexError(`unexpected character after '!': ${quoteCharacter(next)}`);
    emit(state, "operator", 2);
  } else emit(state, "operator", next === "=" || next === "/" ? 2 : 1);
}

function readBracket(state: State, c: string): void {
  switch (c) {
    case "(":
      state.parens++;
      return emit(state, "(", 1);
    case ")":
      if (--state.parens < 0) throw new LexError("unexpected right parenthesis ')'", state.at + 1);
      return emit(state, ")", 1);
    case "{":
      state.inBraces = true;
      return emit(state, "{", 1);
    case "[":
      if (state.inBrackets) throw new LexError("unexpected left bracket '['");
      state.inBrackets = true;
      state.beforeNumber = true;
      state.colonSeen = false;
      return emit(state, "[", 1);
    case "]":
      if (!state.inBrackets) throw new LexError("unexpected right bracket ']'");
      state.inBrackets = false;
      state.beforeNumber = false;
      return emit(state, "]", 1);
    default:
      throw new LexError(
        `unexpected character: ${quoteCharacter(String.fromCodePoint(state.text.codePointAt(state.at)!))}`,
      );
  }
}

function readInsideBraces(state: State): void {
  const { text, at } = state;
  const c = text[at]!;
  const next = text[at + 1] ?? "";
  if (WORD_START.test(c)) readWord(state);
  else if (c === ",") emit(state, ",", 1);
  else if (c === '"' || c === "'" || c === "`") readString(state);
  else if (c === "=") emit(state, next === "~" ? "=~" : "=", next === "~" ? 2 : 1);
  else if (c === "!") {
    if (next === "~") emit(state, "!~", 2);
    else if (next === "=") emit(state, "operator", 2);
    else
      throw new LexError(`unexpected character after '!' inside braces: ${quoteCharacter(next)}`);
  } else if (c === "}") {
    state.inBraces = false;
    emit(state, "}", 1);
  } else if (c === "{") throw new LexError("unexpected left brace '{'");
  else
    throw new LexError(
      `unexpected character inside braces: ${quoteCharacter(String.fromCodePoint(text.codePointAt(at)!))}`,
    );
}

function readWord(state: State): void {
  const { text, at } = state;
  const colons = !state.inBraces && !state.inBrackets;
  let end = at + 1;
  while (end < text.length && (WORD.test(text[end]!) || (colons && text[end] === ":"))) end++;
  const word = text.slice(at, end);
  const kind = state.inBraces ? "name" : /^(?:inf|nan)$/i.test(word) ? "number" : "word";
  emit(state, kind, end - at);
}

function readNumber(state: State): void {
  const { text, at } = state;
  state.beforeNumber = false;
  const number = scanNumber(text, at);
  if (number.isWhole) return emit(state, "number", number.end - at);
  const duration = scanDuration(text, number.end);
  if (duration.isWhole) return emit(state, "duration", duration.end - at);
  throw new LexError(`bad number or duration syntax: ${quoteString(text.slice(at, duration.end))}`);
}

/** How far a literal goes, or how far it went until it could be none. */
interface Scan {
  readonly end: number;
  readonly isWhole: boolean;
}

/** A decimal or hexadecimal number with single underscores between its digits; nothing that could go on may follow. */
function scanNumber(text: string, start: number): Scan {
  const isHex = /^0[xX]/.test(text.slice(start, start + 2));
  const digit = isHex ? /[0-9a-fA-F]/ : DIGIT;
  const charAt = (index: number) => text[index] ?? "";
  let at = isHex ? start + 2 : start;
  if (isHex && charAt(at) === "_") at++;
  let hasDot = false;
  let hasExponent = false;
  for (;;) {
    const c = charAt(at);
    if (c !== "" && digit.test(c)) {
      at++;
      continue;
    }
    if (c === "." || c === "_" || (!isHex && /^[eE]$/.test(c))) {
      const isExponent = c !== "." && c !== "_";
      if ((c === "." && hasDot) || (isExponent && hasExponent))
        return { end: at + 1, isWhole: false };
      at++;
      hasDot ||= c === ".";
      hasExponent ||= isExponent;
      if (isExponent && /^[+-]$/.test(charAt(at))) at++;
      const after = charAt(at);
      if (c === "." ? /^[_.]$/.test(after) : /^[._eE]$/.test(after))
        return { end: at + 1, isWhole: false };
      if ((c === "." && isHex) || (c !== "." && after === "")) return { end: at, isWhole: false };
      continue;
    }
    return { end: at, isWhole: !WORD.test(c) };
  }
}

/** The rest of a duration whose first digits end at `start`. */
function scanDuration(text: string, start: number): Scan {
  const charAt = (index: number) => text[index] ?? "";
  let at = start;
  for (let units = /^[smhdwy]$/; ; units = /^[smhdw]$/) {
    if (!units.test(charAt(at))) return { end: at, isWhole: false };
    at++;
    // `ms`; other pairs are found out when the duration is read.
    if (charAt(at) === "s") at++;
    if (!DIGIT.test(charAt(at))) break;
    while (DIGIT.test(charAt(at))) at++;
  }
  const isWhole = !WORD.test(charAt(at));
  return { end: isWhole ? at : at + 1, isWhole };
}

function readString(state: State): void {
  const { text, at } = state;
  const quote = text[at]!;
  let end = at + 1;
  for (; end < text.length && text[end] !== quote; end++) {
    if (quote === "`") continue;
    if (text[end] === "\n") throw new LexError("unterminated quoted string");
    if (text[end] === "\\") end = skipEscape(text, end, quote);
  }
  if (end >= text.length)
    throw new LexError(quote === "`" ? "unterminated raw string" : "unterminated quoted string");
  emit(state, "string", end + 1 - at);
}

/** Checks the escape at `at` and returns the offset of its last character. */
function skipEscape(text: string, at: number, quote: string): number {
  const c = text[at + 1];
  if (c === undefined) throw new LexError("escape sequence not terminated");
  if (c === quote || "abfnrtv\\".includes(c)) return at + 1;
  const [digits, pattern] =
    c === "x"
      ? [2, /^[0-9a-fA-F]+$/]
      : c === "u"
        ? [4, /^[0-9a-fA-F]+$/]
        : c === "U"
          ? [8, /^[0-9a-fA-F]+$/]
          : [3, /^[0-7]+$/];
  const first = "xuU".includes(c) ? at + 2 : at + 1;
  if (first === at + 1 && !/[0-7]/.test(c))
    throw new LexError(`unknown escape sequence ${describeCharacter(c)}`);
  const body = text.slice(first, first + digits);
  for (const d of body)
    if (!pattern.test(d))
      throw new LexError(`illegal character ${describeCharacter(d)} in escape sequence`);
  if (body.length < digits) throw new LexError("escape sequence not terminated");
  const value = parseInt(body, digits === 3 ? 8 : 16);
  const most = digits <= 3 ? 255 : 0x10ffff;
  if (value > most || (value >= 0xd800 && value < 0xe000))
    throw new LexError("escape sequence is an invalid Unicode code point");
  return first + digits - 1;
}

function describeCharacter(c: string): string {
  return `U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")} '${c}'`;
}

function quoteCharacter(c: string): string {
  if (c === "") return "'\ufffd'";
  return c === "'" ? "'\\''" : c === '"' ? `'"'` : `'${quoteString(c).slice(1, -1)}'`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** The value of a string token. Bytes (`\xff`) that are no UTF-8 come out as lone surrogates, so that `isWellFormed` tells them. */
export function unquoteString(token: string): string {
  const body = token.slice(1, -1);
  if (token.startsWith("`") || !body.includes("\\")) return body;
  let out = "";
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length > 0) out += decodeBytes(bytes);
    bytes = [];
  };
  for (let i = 0; i < body.length; i++) {
    const c = body[i]!;
    const escape = c === "\\" ? body[i + 1]! : "";
    const byteDigits = escape === "x" ? 2 : /[0-7]/.test(escape) ? 3 : 0;
    if (byteDigits > 0) {
      const first = escape === "x" ? i + 2 : i + 1;
      bytes.push(parseInt(body.slice(first, first + byteDigits), escape === "x" ? 16 : 8));
      i = first + byteDigits - 1;
      continue;
    }
    flush();
    if (c !== "\\") out += c;
    else if (escape === "u" || escape === "U") {
      const digits = escape === "u" ? 4 : 8;
      out += String.fromCodePoint(parseInt(body.slice(i + 2, i + 2 + digits), 16));
      i += digits + 1;
    } else {
      out += ESCAPES[escape]!;
      i++;
    }
  }
  flush();
  return out;
}

function decodeBytes(bytes: readonly number[]): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes));
  } catch {
    return bytes.map((b) => String.fromCharCode(b < 0x80 ? b : 0xdc00 + b)).join("");
  }
}
