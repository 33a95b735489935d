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

const KIND_NAMES: Partial<Readonly<Record<TokenKind, string>>> = {
  identifier: "IDENT",
  number: "NUMBER",
  float: "FLOAT",
  string: "STRING",
  "raw-string": "STRING",
};

/** How a token is called in messages: its kind in the words of the language, and what it says. */
export function describeToken(token: Token): string {
  if (token.kind === "terminator") return "end of line";
  if (token.kind === "end") return "end of file";
  if (token.kind === "keyword") return token.text === "null" ? "NULL" : `BOOL ${token.text}`;
  const name = KIND_NAMES[token.kind];
  if (name === undefined) return token.text;
  return token.text.length > 40 || token.text.includes("\n") ? name : `${name} ${token.text}`;
}
