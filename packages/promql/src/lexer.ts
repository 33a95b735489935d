/**
 * Cuts query text into tokens. Words inside braces are plain names; inside square brackets `:` separates range and step. A fault in the
 * text becomes the last token, of kind `error`, so that the parser reports whatever is wrong before it first.
 */
import type { Position } from "./errors.ts";
import { quoteString } from "./quote.ts";

export type TokenKind =
  | "word"
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
  /** As written; for `string` with its quotes, for `error` the message. */
  readonly text: string;
  readonly position: Position;
}

const SPACE = /[ \t\r\n]/;
const WORD_START = /[A-Za-z_]/;
const WORD = /[A-Za-z0-9_]/;
const DIGIT = /[0-9]/;
const NUMBER =
  /(?:0[xX][0-9a-fA-F_]+|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?)(?![A-Za-z0-9_.])/y;
const DURATION = /(?:[0-9]+(?:ms|[smhdwy]))+(?![A-Za-z0-9_])/y;
const BAD_NUMBER = /[0-9A-Za-z_.]*/y;
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

class LexError extends Error {}

interface State {
  readonly text: string;
  readonly tokens: Token[];
  at: number;
  parens: number;
  inBraces: boolean;
  inBrackets: boolean;
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
      position: { start, end: text.length },
    });
  }
  return state.tokens;
}

function skipBlanks(state: State): void {
  const { text } = state;
  for (;;) {
    const c = text[state.at];
    if (c === undefined) return;
    if (c === "#") {
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
  else if (c === '"' || c === "'" || c === "`") readString(state);
  else if (c === ":" && state.inBrackets) {
    if (state.colonSeen) throw new LexError("unexpected colon ':'");
    state.colonSeen = true;
    emit(state, ":", 1);
  } else if (WORD_START.test(c) || c === ":") readWord(state);
  else if ("=!<>".includes(c)) readComparison(state, c, next);
  else readBracket(state, c);
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
      if (--state.parens < 0) throw new LexError("unexpected right parenthesis ')'");
      return emit(state, ")", 1);
    case "{":
      state.inBraces = true;
      return emit(state, "{", 1);
    case "[":
      if (state.inBrackets) throw new LexError("unexpected left bracket '['");
      state.inBrackets = true;
      state.colonSeen = false;
      return emit(state, "[", 1);
    case "]":
      if (!state.inBrackets) throw new LexError("unexpected right bracket ']'");
      state.inBrackets = false;
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
  const isNumber = !state.inBraces && /^(?:inf|nan)$/i.test(word);
  emit(state, isNumber ? "number" : "word", end - at);
}

function readNumber(state: State): void {
  const { text, at } = state;
  NUMBER.lastIndex = at;
  const number = NUMBER.exec(text);
  if (number !== null && !/__|_$|_[.eE]|[.eE]_/.test(number[0]))
    return emit(state, "number", number[0].length);
  DURATION.lastIndex = at;
  const duration = DURATION.exec(text);
  if (duration !== null) return emit(state, "duration", duration[0].length);
  BAD_NUMBER.lastIndex = at;
  throw new LexError(`bad number or duration syntax: ${quoteString(BAD_NUMBER.exec(text)![0])}`);
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
  return c === "" ? "'\\ufffd'" : c === "'" ? "'\\''" : `'${c === "\n" ? "\\n" : c}'`;
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
