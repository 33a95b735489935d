/** Statements and conditions of OTTL as trees. `at` is where a part begins, in UTF-16 units. */

export type MathOperator = "+" | "-" | "*" | "/";
export type CompareOperator = "==" | "!=" | "<" | "<=" | ">" | ">=";

export interface Literal {
  readonly kind: "literal";
  /** Null is `nil`. */
  readonly value: string | boolean | bigint | number | Uint8Array | null;
  readonly at: number;
}

/** `SPAN_KIND_SERVER`. */
export interface EnumSymbol {
  readonly kind: "enum";
  readonly name: string;
  readonly at: number;
}

/** `span.attributes["key"][0]`. Whether the first field names a context is decided with the contexts at hand. */
export interface Path {
  readonly kind: "path";
  readonly fields: readonly PathField[];
  readonly at: number;
}

export interface PathField {
  readonly name: string;
  readonly keys: readonly Expression[];
  readonly at: number;
}

/** A converter, or an editor at the start of a statement. */
export interface Call {
  readonly kind: "call";
  readonly name: string;
  readonly args: readonly Argument[];
  readonly keys: readonly Expression[];
  readonly at: number;
}

export interface Argument {
  readonly name: string | undefined;
  readonly value: Expression;
  readonly at: number;
}

/** A converter that is handed over by its name: `replace_pattern(name, "a", "b", SHA256)`. Looks like an enum where all is in capitals. */
export interface FunctionName {
  readonly kind: "function";
  readonly name: string;
  readonly at: number;
}

export interface ListExpression {
  readonly kind: "list";
  readonly items: readonly Expression[];
  readonly at: number;
}

export interface MapExpression {
  readonly kind: "map";
  readonly entries: readonly { readonly key: string; readonly value: Expression }[];
  readonly at: number;
}

export interface MathExpression {
  readonly kind: "math";
  readonly operator: MathOperator;
  readonly left: Expression;
  readonly right: Expression;
  readonly at: number;
}

export interface Negation {
  readonly kind: "negation";
  readonly operand: Expression;
  readonly at: number;
}

export type Expression =
  | Literal
  | EnumSymbol
  | Path
  | Call
  | FunctionName
  | ListExpression
  | MapExpression
  | MathExpression
  | Negation;

export type Condition =
  | { readonly kind: "and" | "or"; readonly items: readonly Condition[] }
  | { readonly kind: "not"; readonly operand: Condition }
  | { readonly kind: "constant"; readonly value: boolean }
  | { readonly kind: "test"; readonly call: Call }
  | {
      readonly kind: "comparison";
      readonly operator: CompareOperator;
      readonly left: Expression;
      readonly right: Expression;
    };

export interface Statement {
  readonly editor: Call;
  readonly where: Condition | undefined;
}
