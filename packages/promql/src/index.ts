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
  DurationExpression,
  DurationOperator,
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
export { createEngine } from "./engine.ts";
export type {
  Engine,
  EngineOptions,
  EvaluateAt,
  EvaluateRange,
  InstantQuery,
  LanguageSwitches,
  RangeQuery,
} from "./engine.ts";
export type { PreparedQuery } from "./prepared-queries.ts";
export type { QueryStatistics } from "./evaluation.ts";
export { DEFAULT_LIMITS, DEFAULT_LOOKBACK_MS } from "./limits.ts";
export type { EngineLimits } from "./limits.ts";
export { combineHistograms, compactHistogram } from "./histogram-arithmetic.ts";
export { detectReset } from "./histogram-resets.ts";
export { formatHistogram, populatedBuckets } from "./histogram-text.ts";
export type { PopulatedBucket } from "./histogram-text.ts";
export type { SharedMemory } from "./query-memory.ts";
export { createMemorySource } from "./memory-source.ts";
export type {
  ElementsResult,
  InstantResult,
  MatrixResult,
  MatrixSeries,
  QueryReport,
  ScalarResult,
  StringResult,
  VectorElement,
  VectorResult,
} from "./results.ts";
export { AGGREGATE_OPERATORS, unwrapParens } from "./ast.ts";
export { ERROR_CODES, formatPosition, PromqlParseError } from "./errors.ts";
export { extractSelectors } from "./extract-selectors.ts";
export { FUNCTIONS } from "./functions.ts";
export type { FunctionSignature } from "./functions.ts";
export { formatQueryLines } from "./line-printer.ts";
export { parseMetricSelector, parseQuery } from "./parser.ts";
export { formatQuery } from "./printer.ts";
export type { SelectRequest, SeriesSource } from "./source.ts";
