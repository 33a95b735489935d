/** The family that a series belongs to, for protocols that send metadata with each series. */
import type { MetricType } from "@finch/model";

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
