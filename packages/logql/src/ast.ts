/** LogQL as a tree. Plain immutable data without positions of tokens that no later step needs; `at` is where a node starts. */
import type { Matcher } from "@finch/model";
import type { Position } from "./errors.ts";

export type LineFilterOperator = "|=" | "!=" | "|~" | "!~" | "|>" | "!>";

/** One operand of a line filter; `ip` when it was written `ip("…")`. */
export interface LineFilterOperand {
  readonly text: string;
  readonly ip: boolean;
}

export interface LineFilterExpr {
  readonly kind: "line-filter";
  readonly operator: LineFilterOperator;
  /** Joined by `or`. */
  readonly operands: readonly LineFilterOperand[];
}

/** `name="expression"` of the json and logfmt stages. */
export interface LabelExtraction {
  readonly label: string;
  readonly expression: string;
}

export type ComparisonOperator = "=" | "==" | "!=" | ">" | ">=" | "<" | "<=";

export type LabelFilterExpr =
  | { readonly kind: "string"; readonly matcher: Matcher }
  | {
      readonly kind: "number" | "duration" | "bytes";
      readonly name: string;
      readonly operator: ComparisonOperator;
      /** Durations in nanoseconds. */
      readonly value: number;
      /** The literal as it was written. */
      readonly literal: string;
    }
  | {
      readonly kind: "ip";
      readonly name: string;
      readonly negated: boolean;
      readonly pattern: string;
    }
  | {
      readonly kind: "and" | "or";
      readonly left: LabelFilterExpr;
      readonly right: LabelFilterExpr;
    };

/** `dst=src` (`rename`) or `dst="template"`. */
export interface LabelFormat {
  readonly label: string;
  readonly rename: boolean;
  readonly value: string;
}

/** A label of `drop` or `keep`: by name, or only where the value matches. */
export interface LabelSelection {
  readonly name: string;
  readonly matcher: Matcher | undefined;
}

export type UnwrapConversion = "none" | "bytes" | "duration" | "duration_seconds";

export type StageExpr =
  | LineFilterExpr
  | { readonly kind: "json"; readonly extractions: readonly LabelExtraction[] }
  | {
      readonly kind: "logfmt";
      readonly strict: boolean;
      readonly keepEmpty: boolean;
      readonly extractions: readonly LabelExtraction[];
    }
  | { readonly kind: "regexp" | "pattern"; readonly expression: string }
  | { readonly kind: "unpack" | "decolorize" }
  | { readonly kind: "label-filter"; readonly filter: LabelFilterExpr }
  | { readonly kind: "line-format"; readonly template: string }
  | { readonly kind: "label-format"; readonly formats: readonly LabelFormat[] }
  | { readonly kind: "drop" | "keep"; readonly labels: readonly LabelSelection[] };

export interface LogExpr {
  readonly kind: "log";
  readonly at: Position;
  readonly matchers: readonly Matcher[];
  readonly stages: readonly StageExpr[];
}

export interface UnwrapExpr {
  readonly label: string;
  readonly conversion: UnwrapConversion;
  /** Label filters that stand after the unwrap. */
  readonly filters: readonly LabelFilterExpr[];
}

export interface Grouping {
  readonly without: boolean;
  readonly labels: readonly string[];
}

export interface RangeAggregationExpr {
  readonly kind: "range-aggregation";
  readonly at: Position;
  readonly operator: RangeOperator;
  /** The quantile of `quantile_over_time`. */
  readonly parameter: number | undefined;
  readonly log: LogExpr;
  readonly unwrap: UnwrapExpr | undefined;
  readonly rangeNs: bigint;
  readonly offsetNs: bigint;
  readonly grouping: Grouping | undefined;
}

export interface VectorAggregationExpr {
  readonly kind: "vector-aggregation";
  readonly at: Position;
  readonly operator: VectorOperator;
  /** k of `topk`, `bottomk`, `approx_topk`. */
  readonly parameter: number | undefined;
  readonly grouping: Grouping | undefined;
  readonly operand: MetricExpr;
}

export interface VectorMatching {
  readonly on: boolean;
  readonly labels: readonly string[];
  readonly group: "none" | "left" | "right";
  readonly include: readonly string[];
}

export interface BinaryExpr {
  readonly kind: "binary";
  readonly at: Position;
  readonly operator: BinaryOperator;
  readonly left: MetricExpr;
  readonly right: MetricExpr;
  readonly returnBool: boolean;
  readonly matching: VectorMatching | undefined;
}

export interface LabelReplaceExpr {
  readonly kind: "label-replace";
  readonly at: Position;
  readonly operand: MetricExpr;
  readonly target: string;
  readonly replacement: string;
  readonly source: string;
  readonly pattern: string;
}

export type MetricExpr =
  | RangeAggregationExpr
  | VectorAggregationExpr
  | BinaryExpr
  | LabelReplaceExpr
  | { readonly kind: "literal"; readonly at: Position; readonly value: number }
  | { readonly kind: "vector"; readonly at: Position; readonly value: number };

export type Expr = LogExpr | MetricExpr;

export const RANGE_OPERATORS = [
  "count_over_time",
  "rate",
  "rate_counter",
  "bytes_over_time",
  "bytes_rate",
  "absent_over_time",
  "sum_over_time",
  "avg_over_time",
  "min_over_time",
  "max_over_time",
  "stddev_over_time",
  "stdvar_over_time",
  "quantile_over_time",
  "first_over_time",
  "last_over_time",
] as const;
export type RangeOperator = (typeof RANGE_OPERATORS)[number];

export const VECTOR_OPERATORS = [
  "sum",
  "avg",
  "min",
  "max",
  "count",
  "stddev",
  "stdvar",
  "topk",
  "bottomk",
  "approx_topk",
  "sort",
  "sort_desc",
] as const;
export type VectorOperator = (typeof VECTOR_OPERATORS)[number];

export type SetOperator = "and" | "or" | "unless";
export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%" | "^";
export type CompareOperator = "==" | "!=" | ">" | ">=" | "<" | "<=";
export type BinaryOperator = SetOperator | ArithmeticOperator | CompareOperator;

/** How tightly a binary operator binds; the higher, the tighter. Only `^` groups to the right. */
export const PRECEDENCE: Readonly<Record<BinaryOperator, number>> = {
  or: 1,
  and: 2,
  unless: 2,
  "==": 3,
  "!=": 3,
  "<=": 3,
  "<": 3,
  ">=": 3,
  ">": 3,
  "+": 4,
  "-": 4,
  "*": 5,
  "/": 5,
  "%": 5,
  "^": 6,
};
