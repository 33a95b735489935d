/**
 * The syntax tree of PromQL. Nodes are plain immutable objects; `position` is their stretch of the query text. Durations are milliseconds,
 * `@` timestamps are Unix milliseconds. Trees come out of the parser type-checked; whoever builds one by hand owns that duty.
 */
import type { Matcher } from "@finch/model";
import type { Position } from "./errors.ts";

export type { Position } from "./errors.ts";

/** What an expression evaluates to: `vector` is an instant vector, `matrix` a range vector. */
export type ValueType = "scalar" | "vector" | "matrix" | "string";

export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%" | "^" | "atan2";
export type ComparisonOperator = "==" | "!=" | ">" | "<" | ">=" | "<=";
export type SetOperator = "and" | "or" | "unless";
/** Cut a native histogram below or above a bound. */
export type TrimOperator = "</" | ">/";
export type BinaryOperator = ArithmeticOperator | ComparisonOperator | SetOperator | TrimOperator;

export type AggregateOperator =
  | "sum"
  | "avg"
  | "min"
  | "max"
  | "count"
  | "group"
  | "stddev"
  | "stdvar"
  | "topk"
  | "bottomk"
  | "limitk"
  | "limit_ratio"
  | "quantile"
  | "count_values";

/** The time of `@`: fixed, or the first or last step of the query. */
export type AtModifier =
  | { readonly kind: "time"; readonly timeMs: number }
  | { readonly kind: "start" }
  | { readonly kind: "end" };

/** `anchored` and `smoothed` select the samples around the edges of a range as well. */
export type ExtendedMode = "anchored" | "smoothed";

export type DurationOperator = "+" | "-" | "*" | "/" | "%" | "^";

/** A duration that depends on the times of the query; gone from trees that are evaluated. */
export type DurationExpression =
  | { readonly kind: "literal"; readonly seconds: number; readonly duration: boolean }
  | { readonly kind: "step" }
  | { readonly kind: "range" }
  | { readonly kind: "paren" | "negative"; readonly operand: DurationExpression }
  | {
      readonly kind: "min_of" | "max_of";
      readonly left: DurationExpression;
      readonly right: DurationExpression;
    }
  | {
      readonly kind: "operation";
      readonly operator: DurationOperator;
      readonly left: DurationExpression;
      readonly right: DurationExpression;
    };

export interface NumberLiteral {
  readonly kind: "number";
  readonly position: Position;
  readonly value: number;
  /** The literal was written as a duration (`5m`), and prints as one. */
  readonly duration: boolean;
}

export interface StringLiteral {
  readonly kind: "string";
  readonly position: Position;
  readonly value: string;
}

export interface VectorSelector {
  readonly kind: "selector";
  readonly position: Position;
  /** Name in front of or bare inside the braces; its matcher is also among `matchers`. */
  readonly name: string | undefined;
  readonly matchers: readonly Matcher[];
  readonly offsetMs: number;
  /** Stands for `offsetMs` until the times of the query are known. */
  readonly offsetExpression?: DurationExpression | undefined;
  readonly at: AtModifier | undefined;
  readonly extended: ExtendedMode | undefined;
}

export interface MatrixSelector {
  readonly kind: "matrix";
  readonly position: Position;
  readonly selector: VectorSelector;
  readonly rangeMs: number;
  /** Stands for `rangeMs` until the times of the query are known. */
  readonly rangeExpression?: DurationExpression | undefined;
}

export interface Subquery {
  readonly kind: "subquery";
  readonly position: Position;
  readonly expr: Expr;
  readonly rangeMs: number;
  /** Stands for `rangeMs` until the times of the query are known. */
  readonly rangeExpression?: DurationExpression | undefined;
  /** Undefined: the evaluation interval. */
  readonly stepMs: number | undefined;
  /** Stands for `stepMs` until the times of the query are known. */
  readonly stepExpression?: DurationExpression | undefined;
  readonly offsetMs: number;
  /** Stands for `offsetMs` until the times of the query are known. */
  readonly offsetExpression?: DurationExpression | undefined;
  readonly at: AtModifier | undefined;
}

export interface Call {
  readonly kind: "call";
  readonly position: Position;
  readonly name: string;
  readonly args: readonly Expr[];
}

export interface Aggregate {
  readonly kind: "aggregate";
  readonly position: Position;
  readonly operator: AggregateOperator;
  readonly expr: Expr;
  readonly param: Expr | undefined;
  readonly grouping: readonly string[];
  readonly without: boolean;
}

/** How two instant vectors are paired. */
export interface VectorMatching {
  readonly cardinality: "one-to-one" | "many-to-one" | "one-to-many";
  /** `on` when true, else `ignoring`. */
  readonly on: boolean;
  readonly labels: readonly string[];
  /** Labels of the one side that `group_left(…)` or `group_right(…)` copies over. */
  readonly include: readonly string[];
  /** Values that stand in for a missing partner: `fill`, `fill_left`, `fill_right`. */
  readonly fillLeft: number | undefined;
  readonly fillRight: number | undefined;
}

export interface Binary {
  readonly kind: "binary";
  readonly position: Position;
  readonly operator: BinaryOperator;
  readonly left: Expr;
  readonly right: Expr;
  /** Says something only when both sides are instant vectors; set operators ignore its cardinality. */
  readonly matching: VectorMatching;
  readonly returnBool: boolean;
}

export interface Unary {
  readonly kind: "unary";
  readonly position: Position;
  readonly operator: "+" | "-";
  readonly expr: Expr;
}

export interface Paren {
  readonly kind: "paren";
  readonly position: Position;
  readonly expr: Expr;
}

export type Expr =
  | NumberLiteral
  | StringLiteral
  | VectorSelector
  | MatrixSelector
  | Subquery
  | Call
  | Aggregate
  | Binary
  | Unary
  | Paren;

/** The expression inside any number of parentheses. */
export function unwrapParens(expr: Expr): Expr {
  let inner = expr;
  while (inner.kind === "paren") inner = inner.expr;
  return inner;
}

export const COMPARISON_OPERATORS: ReadonlySet<string> = new Set([
  "==",
  "!=",
  ">",
  "<",
  ">=",
  "<=",
]);
export const SET_OPERATORS: ReadonlySet<string> = new Set(["and", "or", "unless"]);

export const AGGREGATE_OPERATORS: ReadonlySet<string> = new Set([
  "sum",
  "avg",
  "min",
  "max",
  "count",
  "group",
  "stddev",
  "stdvar",
  "topk",
  "bottomk",
  "limitk",
  "limit_ratio",
  "quantile",
  "count_values",
]);

/** Aggregations that take a parameter before the vector. */
export const PARAMETER_AGGREGATES: ReadonlySet<string> = new Set([
  "topk",
  "bottomk",
  "limitk",
  "limit_ratio",
  "quantile",
  "count_values",
]);
