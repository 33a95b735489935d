export { describeBuild } from "./build-info.ts";
export type { BuildInfo } from "./build-info.ts";
export { createMetricsApi } from "./metrics/api.ts";
export type { MetricsApi, MetricsApiOptions } from "./metrics/api.ts";
export type {
  InstantSample,
  MetricsAnswer,
  MetricsEngine,
  MetricsValue,
} from "./metrics/engine.ts";
export { DEFAULT_METRICS_LIMITS } from "./metrics/limits.ts";
export type { MetricsLimits } from "./metrics/limits.ts";
export { createLogsApi } from "./logs/api.ts";
export type { LogsApi, LogsApiOptions } from "./logs/api.ts";
export type {
  LogRow,
  LogsAnswer,
  LogsEngine,
  LogsPipeline,
  LogsQuery,
  LogsRange,
  LogsValue,
} from "./logs/engine.ts";
export { columnsOfLines } from "./logs/entry-columns.ts";
export { DEFAULT_LOGS_LIMITS } from "./logs/limits.ts";
export type { LogsLimits } from "./logs/limits.ts";
