/**
 * LogQL: parse, print, evaluate over a log source. `parseQuery`, `parseSelector` and `formatQuery` use nothing but the language and run in a
 * browser; evaluation searches bytes with `Buffer` and belongs on the server.
 */
export type {
  Expr,
  LabelFilterExpr,
  LogExpr,
  MetricExpr,
  RangeAggregationExpr,
  StageExpr,
  VectorAggregationExpr,
} from "./ast.ts";
export { createEngine } from "./engine.ts";
export type {
  Engine,
  EngineOptions,
  InstantQueryOptions,
  InstantResult,
  MatrixSeries,
  RangeQueryOptions,
  RangeResult,
  VectorSample,
} from "./engine.ts";
export type { QueryStatistics } from "./evaluation.ts";
export { createFieldDetector } from "./field-detection.ts";
export type { DetectedField, FieldParser, FieldType } from "./field-detection.ts";
export { DEFAULT_QUERY_LIMITS } from "./limits.ts";
export type { QueryLimits } from "./limits.ts";
export { mergeEntryLabels } from "./log-query.ts";
export type { LogEntry, LogStream } from "./log-query.ts";
export { createMemorySource, makeColumns } from "./memory-source.ts";
export type { MemoryEntry, MemoryLogSource } from "./memory-source.ts";
export { parseQuery, parseSelector } from "./parser.ts";
export { formatQuery } from "./print.ts";
export type { LogSelectRequest, LogSelectStatistics, LogSource } from "./source.ts";
export { compileLineSelection } from "./line-selection.ts";
export { createTailFilter } from "./tail.ts";
export type { TailEntry, TailFilter } from "./tail.ts";
