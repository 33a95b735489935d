/** What a scrape asks for and how its answer is read: the `Accept` header, and the format that the answer's content type names. */
import type { Labels, MetricMetadata } from "@finch/model";
import { FinchError } from "@finch/runtime";

/** The samples of one exposition, in columns. */
export interface Exposition {
  /** With `__name__`, as exposed. */
  readonly labels: readonly Labels[];
  readonly values: Float64Array;
  /** Milliseconds; NaN where the sample has no time of its own. */
  readonly timestampsMs: Float64Array;
  readonly metadata: readonly MetricMetadata[];
}

/** Names of formats as configurations write them, with their media types. */
const PROTOCOLS = {
  "OpenMetricsText1.0.0": "application/openmetrics-text;version=1.0.0;escaping=underscores",
  "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
  "PrometheusText1.0.0": "text/plain;version=1.0.0;escaping=underscores",
  "PrometheusText0.0.4": "text/plain;version=0.0.4",
} as const;

export type ScrapeProtocol = keyof typeof PROTOCOLS;

export const DEFAULT_PROTOCOLS: readonly ScrapeProtocol[] = [
  "OpenMetricsText1.0.0",
  "OpenMetricsText0.0.1",
  "PrometheusText1.0.0",
  "PrometheusText0.0.4",
];

/** The first weight Prometheus writes; it has one format more than are read here. */
const FIRST_WEIGHT = 6;

/** Why the list cannot be asked for, or undefined when it can. */
export function protocolsFault(protocols: readonly string[]): string | undefined {
  for (const [index, name] of protocols.entries()) {
    if (name === "PrometheusProto")
      return "not supported yet: PrometheusProto; the text formats are";
    if (!(name in PROTOCOLS))
      return `${JSON.stringify(name)} is none of ${Object.keys(PROTOCOLS).join(", ")}`;
    if (protocols.indexOf(name) !== index) return `${name} is given twice`;
  }
  return protocols.length === 0 ? "at least one protocol is needed" : undefined;
}

/** The `Accept` header; the earlier in the list, the more it is wanted. */
export function acceptHeader(protocols: readonly string[]): string {
  const wanted = protocols.map(
    (name, index) => `${PROTOCOLS[name as ScrapeProtocol]};q=0.${FIRST_WEIGHT - index}`,
  );
  return [...wanted, `*/*;q=0.${FIRST_WEIGHT - protocols.length}`].join(",");
}

export type TextFormat = "openmetrics" | "prometheus";

/** The format of an answer. What does not say, or says something else, is read as `fallback`. */
export function formatOf(contentType: string | undefined, fallback: string): TextFormat {
  const mediaType = contentType?.split(";")[0]!.trim().toLowerCase();
  if (mediaType === "application/openmetrics-text") return "openmetrics";
  if (mediaType === "text/plain") return "prometheus";
  if (mediaType === "application/vnd.google.protobuf") {
    throw new FinchError(
      "unsupported",
      "agent/scrape-protobuf",
      "not supported yet: an answer in the protobuf format",
    );
  }
  return fallback.startsWith("OpenMetrics") ? "openmetrics" : "prometheus";
}
