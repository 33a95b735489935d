/** The syntax tree. Every node knows its place; nothing in it is changed after parsing. */
import type { Source, Span } from "./source.ts";
import type { Comment, Operator } from "./tokens.ts";

export interface File {
  readonly source: Source;
  readonly body: readonly Statement[];
  /** In the order of the source. */
  readonly comments: readonly Comment[];
}

export type Statement = Attribute | Block;

export interface Attribute extends Span {
  readonly kind: "attribute";
  readonly name: string;
  readonly equals: number;
  readonly value: Expression;
}

export interface Block extends Span {
  readonly kind: "block";
  /** With its dots: `stage.json`. */
  readonly name: string;
  readonly nameEnd: number;
  /** Empty when there is none. */
  readonly label: string;
  readonly labelSpan: Span | undefined;
  readonly openBrace: number;
  readonly closeBrace: number;
  readonly body: readonly Statement[];
}

export type Expression =
  | Literal
  | Identifier
  | Access
  | Index
  | Call
  | Unary
  | Binary
  | Paren
  | ArrayLiteral
  | ObjectLiteral;

export interface Literal extends Span {
  readonly kind: "literal";
  readonly value: string | number | bigint | boolean | null;
  /** As in the source. */
  readonly text: string;
}

export interface Identifier extends Span {
  readonly kind: "identifier";
  readonly name: string;
}

/** `value.name`. */
export interface Access extends Span {
  readonly kind: "access";
  readonly value: Expression;
  readonly name: string;
  readonly nameStart: number;
}

/** `value[index]`. */
export interface Index extends Span {
  readonly kind: "index";
  readonly value: Expression;
  readonly openBracket: number;
  readonly index: Expression;
}

export interface Call extends Span {
  readonly kind: "call";
  readonly callee: Expression;
  readonly openParen: number;
  readonly args: readonly Expression[];
}

export interface Unary extends Span {
  readonly kind: "unary";
  readonly operator: "!" | "-";
  readonly operand: Expression;
}

export interface Binary extends Span {
  readonly kind: "binary";
  readonly operator: Exclude<Operator, "!">;
  readonly operatorStart: number;
  readonly left: Expression;
  readonly right: Expression;
}

export interface Paren extends Span {
  readonly kind: "paren";
  readonly inner: Expression;
}

export interface ArrayLiteral extends Span {
  readonly kind: "array";
  readonly elements: readonly Expression[];
}

export interface ObjectLiteral extends Span {
  readonly kind: "object";
  readonly fields: readonly ObjectField[];
}

export interface ObjectField {
  /** Quoted keys are taken as they stand between the quotes. */
  readonly name: string;
  readonly isQuoted: boolean;
  readonly nameSpan: Span;
  readonly equals: number;
  readonly value: Expression;
}
