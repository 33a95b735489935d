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
