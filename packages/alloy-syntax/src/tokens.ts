/** Tokens of the configuration language. */

export const OPERATORS = [
  "||",
  "&&",
  "==",
  "!=",
  "<=",
  ">=",
  "<",
  ">",
  "+",
  "-",
  "*",
  "/",
  "%",
  "^",
  "!",
] as const;
export type Operator = (typeof OPERATORS)[number];

export const PUNCTUATION = ["=", "(", ")", "[", "]", "{", "}", ",", "."] as const;
export type Punctuation = (typeof PUNCTUATION)[number];

export type TokenKind =
  | "identifier"
  | "number"
  | "float"
  | "string"
  | "raw-string"
  | "keyword"
  | "terminator"
  | "end"
  | "bad"
  | Operator
  | Punctuation;

export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
  /** As in the source; empty for a terminator and at the end. */
  readonly text: string;
}

export interface Comment {
  /** With its `//` or `/* … *\/`, without the line end. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** How a token is called in messages. */
export function describeToken(token: Token): string {
  switch (token.kind) {
    case "terminator":
      return "end of line";
    case "end":
      return "end of file";
    case "identifier":
    case "keyword":
    case "number":
    case "float":
      return token.text;
    case "string":
    case "raw-string":
      return "a string";
    default:
      return token.text;
  }
}
