/** How OTLP metrics become Prometheus' series. */
import type { OtlpStrategy } from "@finch/wire";

export interface OtlpOptions {
  readonly strategy: OtlpStrategy;
  /** Resource attributes that series get as labels; `*` is all. */
  readonly promoteResourceAttributes: readonly string[];
  readonly promoteScope: boolean;
  readonly keepIdentifyingAttributes: boolean;
  /** Whether explicit bounds become a native histogram with custom buckets instead of classic series. */
  readonly convertHistograms: boolean;
}

/** Prometheus' own. */
export const DEFAULT_OTLP_OPTIONS: OtlpOptions = {
  strategy: "UnderscoreEscapingWithSuffixes",
  promoteResourceAttributes: [],
  promoteScope: false,
  keepIdentifyingAttributes: false,
  convertHistograms: false,
};
