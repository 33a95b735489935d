export { typeOf } from "./check-types.ts";
export type {
  Aggregate,
  AggregateOperator,
  ArithmeticOperator,
  AtModifier,
  Binary,
  BinaryOperator,
  Call,
  ComparisonOperator,
  Expr,
  ExtendedMode,
  MatrixSelector,
  NumberLiteral,
  Paren,
  Position,
  SetOperator,
  StringLiteral,
  Subquery,
  TrimOperator,
  Unary,
  ValueType,
  VectorMatching,
  VectorSelector,
} from "./ast.ts";
export { AGGREGATE_OPERATORS, unwrapParens } from "./ast.ts";
export { ERROR_CODES, formatPosition, PromqlParseError } from "./errors.ts";
export { FUNCTIONS } from "./functions.ts";
export type { FunctionSignature } from "./functions.ts";
export { parseMetricSelector, parseQuery } from "./parser.ts";
export { formatQuery } from "./printer.ts";
export type { SelectRequest, SeriesSource } from "./source.ts";
