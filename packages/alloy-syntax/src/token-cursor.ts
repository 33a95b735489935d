/** Walks over tokens; what the parsers of statements and of expressions share. */
import type { Span } from "./source.ts";
import { describeToken } from "./tokens.ts";
import type { Token, TokenKind } from "./tokens.ts";

/** Thrown inside the parser, and caught there at the end of the statement. */
export class ParseFault extends Error {
  readonly span: Span;

  constructor(span: Span, message: string) {
    super(message);
    this.span = span;
  }
}

export class TokenCursor {
  readonly #tokens: readonly Token[];
  /** Brackets and operators that are open around the expression being parsed. */
  depth = 0;
  index = 0;

  /** `tokens` must end with an `end` token. */
  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get token(): Token {
    return this.#tokens[this.index]!;
  }

  /** Where the token before this one ends. */
  get previousEnd(): number {
    return this.#tokens[this.index - 1]?.end ?? 0;
  }

  /** The token here; moves on, but never past the end. */
  advance(): Token {
    const { token } = this;
    if (token.kind !== "end") this.index++;
    return token;
  }

  /** Moves on if the token here is of the kind. */
  take(kind: TokenKind): Token | undefined {
    return this.token.kind === kind ? this.advance() : undefined;
  }

  expect(kind: TokenKind, what: string): Token {
    const { token } = this;
    if (token.kind !== kind)
      throw new ParseFault(token, `expected ${what}, got ${describeToken(token)}`);
    return this.advance();
  }

  /** Moves behind the statement that began at token `first`: to its terminator, or to the brace that closes the body around it. */
  skipStatement(first: number, until: "end" | "}"): void {
    const open: TokenKind[] = [];
    for (let i = first; i < this.index; i++) track(open, this.#tokens[i]!.kind);
    for (;;) {
      const { kind } = this.token;
      if (kind === "end" || (kind === "terminator" && open.length === 0)) break;
      if (kind === "}" && !open.includes("{") && until === "}") break;
      track(open, kind);
      this.advance();
    }
    this.depth = 0;
  }
}

function track(open: TokenKind[], kind: TokenKind): void {
  if (kind === "{" || kind === "[" || kind === "(") open.push(kind);
  else if (kind === "}") open.length = Math.max(0, open.lastIndexOf("{"));
  else if (kind === "]" || kind === ")") {
    const opener = kind === "]" ? "[" : "(";
    if (open.at(-1) === opener) open.pop();
  }
}
