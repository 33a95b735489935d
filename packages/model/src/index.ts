export { formatBinaryBytes, formatBytes, parseBytes, tryParseBytes } from "./bytes.ts";
export {
  formatDuration,
  formatGoDuration,
  parseDuration,
  parseGoDuration,
  tryParseGoDuration,
} from "./durations.ts";
export {
  formatFloat,
  formatGoFloat,
  formatScientificFloat,
  parseFloatText,
} from "./float-format.ts";
export {
  CUSTOM_BOUNDS_SCHEMA,
  EXPONENTIAL_SCHEMA_MAX,
  EXPONENTIAL_SCHEMA_MIN,
} from "./histogram.ts";
export type { CounterResetHint, Histogram, HistogramBuckets } from "./histogram.ts";
export { compareLabels, Labels } from "./labels.ts";
export type {
  LogBatch,
  LogBatchStream,
  LogColumns,
  LogEdges,
  LogFieldColumn,
  LogFieldRequest,
  LogFields,
  LogPage,
  LogTally,
} from "./log-entry.ts";
export { createMatcher, formatMatcher } from "./matcher.ts";
export type { Matcher, MatchOperator } from "./matcher.ts";
export { compileRegexp } from "./regexp.ts";
export type { CompiledRegexp } from "./regexp.ts";
export { isStaleAt, setStaleAt, STALE_NAN_HIGH, STALE_NAN_LOW, wordsOf } from "./sample.ts";
export type { Exemplar, MetricMetadata, MetricType, SampleBatch, Series } from "./sample.ts";
export {
  formatRfc3339,
  parseDurationParameter,
  parseLokiTime,
  parsePrometheusTime,
  parseRfc3339,
} from "./time-range.ts";
