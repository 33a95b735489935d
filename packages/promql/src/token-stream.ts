/** The parser's view of the tokens: look ahead, take, and complain in Prometheus' words. */
import { FinchError } from "@finch/runtime";
import { parseDuration } from "@finch/model";
import { AGGREGATE_OPERATORS } from "./ast.ts";
import { PromqlParseError } from "./errors.ts";
import type { Position } from "./errors.ts";
import { tokenize } from "./lexer.ts";
import type { Token, TokenKind } from "./lexer.ts";
import { quoteString } from "./quote.ts";

const OPERATOR_WORDS: ReadonlySet<string> = new Set(["and", "or", "unless", "atan2"]);
/** Words that mean something by themselves; most may still be names. */
export const KEYWORDS: ReadonlySet<string> = new Set([
  "offset",
  "smoothed",
  "anchored",
  "by",
  "without",
  "on",
  "ignoring",
  "group_left",
  "group_right",
  "fill",
  "fill_left",
  "fill_right",
  "bool",
]);
/** Words that stand for times of the query; they are told as they are. */
export const QUERY_WORDS: ReadonlySet<string> = new Set([
  "end",
  "max_of",
  "min_of",
  "range",
  "start",
  "step",
]);
/** Whole numbers that Go reads with a prefix, and its decimals: underscores stand between digits. */
const GO_NUMBER =
  /^(?:0[xX]_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|(?=\.?[0-9])(?:[0-9]+(?:_[0-9]+)*)?(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?(?:[eE][+-]?[0-9]+(?:_[0-9]+)*)?)$/;
const INT64_MAX = 2 ** 63;

/** Tokens of one query, taken from left to right. A token of kind `error` is thrown when it is looked at. */
export class TokenStream {
  readonly text: string;
  /** Nesting of the expression being parsed. */
  depth = 0;
  /** How many aggregations are being parsed. */
  aggregations = 0;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.text = text;
    this.#tokens = tokenize(text);
  }

  peek(ahead = 0): Token {
    const token = this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]!;
    if (token.kind === "error" && ahead === 0)
      throw new PromqlParseError(this.text, token.position, token.text);
    return token;
  }

  next(): Token {
    const token = this.peek();
    if (token.kind !== "end") this.#at++;
    return token;
  }

  /** Where the token taken last ends. */
  get previousEnd(): number {
    return this.#tokens[this.#at - 1]?.position.end ?? 0;
  }

  /** Takes a token of this kind, or complains with the context given. */
  expect(kind: TokenKind, context: string, expected: string): Token {
    if (this.peek().kind !== kind) throw unexpected(this, context, expected);
    return this.next();
  }

  /** Takes the keyword if it comes next. */
  takeWord(word: string): boolean {
    if (!isWord(this.peek(), word)) return false;
    this.next();
    return true;
  }

  /** Takes a sign if one comes next: -1 or 1. */
  takeSign(): 1 | -1 {
    const token = this.peek();
    if (token.kind !== "operator" || (token.text !== "-" && token.text !== "+")) return 1;
    this.next();
    return token.text === "-" ? -1 : 1;
  }

  /** The value of a number token, seconds for a duration. */
  numberOf(token: Token): number {
    if (token.kind === "duration") return this.#secondsOf(token);
    const plain = token.text.replaceAll("_", "");
    // As in Go, a leading zero means octal where the digits allow it.
    if (/^0[0-7]+$/.test(plain)) return parseInt(plain, 8);
    if (/^inf$/i.test(plain)) return Infinity;
    if (/^nan$/i.test(plain)) return NaN;
    const value = Number(plain);
    const isHex = /^0x/i.test(plain);
    const isNumber = GO_NUMBER.test(token.text) && !(isHex && value >= INT64_MAX);
    if (isNumber && value !== Infinity) return value;
    const fault = isNumber ? "value out of range" : "invalid syntax";
    const reason = `strconv.ParseFloat: parsing ${quoteString(token.text)}: ${fault}`;
    throw new PromqlParseError(this.text, token.position, `error parsing number: ${reason}`);
  }

  #secondsOf(token: Token): number {
    try {
      return parseDuration(token.text) / 1000;
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      throw new PromqlParseError(this.text, token.position, error.message);
    }
  }
}

export function isWord(token: Token, word: string): boolean {
  return token.kind === "word" && token.text.toLowerCase() === word;
}

export function fail(stream: TokenStream, position: Position, detail: string): PromqlParseError {
  return new PromqlParseError(stream.text, position, detail);
}

/** The fault of meeting `token` (the next one unless given) here. Without a context it is the aggregation around, if there is one. */
export function unexpected(
  stream: TokenStream,
  context: string,
  expected: string,
  token: Token = stream.peek(),
): PromqlParseError {
  const around = stream.aggregations > 0 ? "aggregation" : "";
  const where = context === "" && around === "" ? "" : ` in ${context === "" ? around : context}`;
  const wanted = expected === "" ? "" : `, expected ${expected}`;
  return fail(stream, token.position, `unexpected ${describeToken(token)}${where}${wanted}`);
}

function describeToken(token: Token): string {
  const quoted = quoteString(token.text);
  switch (token.kind) {
    case "end":
      return "end of input";
    case "number":
    case "duration":
    case "string":
      return `${token.kind} ${token.text.length > 10 ? `${quoteString(token.text.slice(0, 10))}...` : quoted}`;
    case "operator":
      return `<op:${token.text}>`;
    case "=~":
    case "!~":
    case "=":
      return token.kind === "=" ? '"="' : `<op:${token.text}>`;
    case "@":
      return "<op:@>";
    case "word":
      return describeWord(token.text);
    case "name":
      return `identifier ${quoted}`;
    default:
      return quoted;
  }
}

function describeWord(text: string): string {
  const word = text.toLowerCase();
  if (OPERATOR_WORDS.has(word)) return `<op:${text}>`;
  if (AGGREGATE_OPERATORS.has(word)) return `<aggr:${text}>`;
  if (KEYWORDS.has(word)) return `<${text}>`;
  if (QUERY_WORDS.has(word)) return quoteString(text);
  return `${text.includes(":") ? "metric identifier" : "identifier"} ${quoteString(text)}`;
}
