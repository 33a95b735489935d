/** The parser's view of the tokens: look ahead, take, or fail with Loki's wording (`syntax error: unexpected A, expecting B or C`). */
import { RANGE_OPERATORS, VECTOR_OPERATORS } from "./ast.ts";
import { parseFault } from "./errors.ts";
import type { FinchError } from "@finch/runtime";
import { NESTING_MAX, OPERATORS_MAX, QUERY_LENGTH_MAX } from "./limits.ts";
import { scanTokens } from "./lexer.ts";
import type { Token, TokenKind } from "./lexer.ts";

const NAMES: Readonly<Partial<Record<TokenKind, string>>> = {
  identifier: "IDENTIFIER",
  string: "STRING",
  number: "NUMBER",
  duration: "DURATION",
  bytes: "BYTES",
  range: "RANGE",
  flag: "PARSER_FLAG",
};

/** What follows a name that Loki's scanner takes for a function; messages call it by its name in capitals. */
const FUNCTION_FOLLOWS = new Set(["(", "by", "without"]);
const FUNCTIONS: ReadonlySet<string> = new Set([...RANGE_OPERATORS, ...VECTOR_OPERATORS, "vector"]);
/** More alternatives than that are not listed, as in Loki's generated parser. */
const EXPECTED_MAX = 4;

export class TokenStream {
  readonly #tokens: readonly Token[];
  #index = 0;
  #depth = 0;
  #operators = 0;

  constructor(text: string) {
    if (text.length > QUERY_LENGTH_MAX) {
      throw parseFault(`input size too long (${text.length} > ${QUERY_LENGTH_MAX})`);
    }
    this.#tokens = scanTokens(text);
  }

  get current(): Token {
    return this.#tokens[this.#index]!;
  }

  peek(distance = 1): Token {
    return this.#tokens[Math.min(this.#index + distance, this.#tokens.length - 1)]!;
  }

  next(): Token {
    const token = this.current;
    if (token.kind !== "end") this.#index++;
    return token;
  }

  is(symbol: string): boolean {
    return this.current.kind === "symbol" && this.current.text === symbol;
  }

  isWord(word: string): boolean {
    return this.current.kind === "identifier" && this.current.word === word;
  }

  /** Takes the symbol when it is there. */
  accept(symbol: string): boolean {
    if (!this.is(symbol)) return false;
    this.#index++;
    return true;
  }

  acceptWord(word: string): boolean {
    if (!this.isWord(word)) return false;
    this.#index++;
    return true;
  }

  expect(symbol: string, ...others: readonly string[]): Token {
    if (!this.is(symbol)) throw this.unexpected(symbol, ...others);
    return this.next();
  }

  expectKind(kind: TokenKind, ...others: readonly string[]): Token {
    if (this.current.kind !== kind) throw this.unexpected(NAMES[kind] ?? kind, ...others);
    return this.next();
  }

  /** The fault that the current token stands where something else should. */
  unexpected(...expected: readonly string[]): FinchError {
    const { kind, text, word, at } = this.current;
    let name = NAMES[kind] ?? text;
    if (FUNCTIONS.has(word) && FUNCTION_FOLLOWS.has(this.peek().word)) name = word.toUpperCase();
    if (KEYWORDS.has(word) || (word === "ip" && this.peek().word === "(")) name = word;
    const wanted =
      expected.length === 0 || expected.length > EXPECTED_MAX
        ? ""
        : `, expecting ${expected.join(" or ")}`;
    return parseFault(`syntax error: unexpected ${name}${wanted}`, at);
  }

  /** Counts a binary operator: a chain of them is a tree as deep as the chain is long. */
  countOperator(): void {
    if (++this.#operators > OPERATORS_MAX) {
      throw parseFault(`more than ${OPERATORS_MAX} binary operators`, this.current.at);
    }
  }

  /** Runs `parse` one level deeper; a query nested deeper than the stack bears is refused. */
  nested<T>(parse: () => T): T {
    if (++this.#depth > NESTING_MAX) {
      throw parseFault(`nesting deeper than ${NESTING_MAX} levels`, this.current.at);
    }
    const result = parse();
    this.#depth--;
    return result;
  }
}

const KEYWORDS = new Set(
  (
    "by without bool on ignoring group_left group_right offset unwrap or and unless json regexp logfmt unpack pattern " +
    "line_format label_format label_replace decolorize drop keep"
  ).split(" "),
);
