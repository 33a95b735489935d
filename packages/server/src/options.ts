/**
 * The options of the APIs with their defaults, as `@finch/server/options`: a subpath of its own, because a command line names them in its help
 * without needing the APIs themselves.
 */
export { DEFAULT_WRITE_LIMITS } from "./metrics/write-limits.ts";
export type { WriteLimits } from "./metrics/write-limits.ts";
export type { LanguageSwitches } from "@finch/promql";
export { DEFAULT_OTLP_OPTIONS } from "./metrics/otlp-options.ts";
export type { OtlpOptions } from "./metrics/otlp-options.ts";
