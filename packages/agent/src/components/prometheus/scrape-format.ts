/** What a scrape asks for and how its answer is read: the `Accept` header, and the format that the answer's content type names. */
/** Names of formats as configurations write them, with their media types. */
const PROTOCOLS = {
  PrometheusProto:
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
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

/** The order that is asked for when native histograms are wanted: only protobuf has them. */
export const PROTOCOLS_WITH_PROTOBUF: readonly ScrapeProtocol[] = [
  "PrometheusProto",
  ...DEFAULT_PROTOCOLS,
];

/** The first weight Prometheus writes: one more than there are formats. */
const FIRST_WEIGHT = 6;

/** Why the list cannot be asked for, or undefined when it can. */
export function protocolsFault(protocols: readonly string[]): string | undefined {
  for (const [index, name] of protocols.entries()) {
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

/** The media type to read an answer by: its own, or that of `fallback` when it names none that is known. */
export function mediaTypeOf(contentType: string | undefined, fallback: string): string {
  const own = contentType?.split(";")[0]!.trim().toLowerCase() ?? "";
  const isKnown =
    own === "application/openmetrics-text" ||
    own === "text/plain" ||
    own === "application/vnd.google.protobuf";
  return isKnown ? own : PROTOCOLS[fallback as ScrapeProtocol].split(";")[0]!;
}
