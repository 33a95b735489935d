export { compareLabels, Labels } from "./labels.ts";
export { createMatcher, formatMatcher } from "./matcher.ts";
export type { Matcher, MatchOperator } from "./matcher.ts";
export { compileRegexp } from "./regexp.ts";
export type { CompiledRegexp } from "./regexp.ts";
export type { LogBatch, LogBatchStream, LogColumns, LogPage } from "./log-entry.ts";
export { isStaleAt, setStaleAt, STALE_NAN_HIGH, STALE_NAN_LOW, wordsOf } from "./sample.ts";
export type { MetricMetadata, MetricType, SampleBatch, Series } from "./sample.ts";
