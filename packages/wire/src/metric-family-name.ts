/** The family that a series belongs to, for protocols that send metadata with each series. */
import type { MetricMetadata, MetricType } from "@finch/model";

const SUFFIXES: Readonly<Partial<Record<MetricType, readonly string[]>>> = {
  histogram: ["_bucket", "_count", "_sum"],
  gaugehistogram: ["_bucket", "_gcount", "_gsum"],
  summary: ["_count", "_sum"],
};

/** The metric's name without the suffix that its type gives to single series. */
export function familyOfSeries(metricName: string, type: MetricType): string {
  const suffix = SUFFIXES[type]?.find((one) => metricName.endsWith(one));
  if (suffix === undefined || suffix.length === metricName.length) return metricName;
  return metricName.slice(0, -suffix.length);
}

/** The metadata of a series' family: that of its whole name, or of the name without what the family's type adds to single series. */
export function metadataOfSeries(
  metricName: string,
  metadataOf: (family: string) => MetricMetadata | undefined,
): MetricMetadata | undefined {
  const own = metadataOf(metricName);
  if (own !== undefined) return own;
  const metadata = metadataOf(
    metricName.replace(/_(?:bucket|sum|count|gsum|gcount|total|info)$/, ""),
  );
  if (metadata === undefined) return undefined;
  const isPart = familyOfSeries(metricName, metadata.type) === metadata.family;
  const suffix = metricName.slice(metadata.family.length);
  const isOpenMetrics =
    (suffix === "_total" && metadata.type === "counter") ||
    (suffix === "_info" && metadata.type === "info");
  return isPart || isOpenMetrics ? metadata : undefined;
}
