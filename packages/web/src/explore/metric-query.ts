/** The query that shows a metric rightly at once, by its type. Pure. */
import type { MetricInfo } from "../api/metrics-api.ts";

/** rate() for counters, the 95th percentile for histograms, the value itself for everything else. */
export function queryForMetric({ name, type }: MetricInfo): string {
  if (name.endsWith("_bucket")) return `histogram_quantile(0.95, sum by (le) (rate(${name}[1m])))`;
  if (type === "histogram" && !/_(count|sum)$/.test(name)) {
    return `histogram_quantile(0.95, sum(rate(${name}[1m])))`;
  }
  const counts = type === "counter" || (type === "" && name.endsWith("_total"));
  const ofDistribution = (type === "histogram" || type === "summary") && /_(count|sum)$/.test(name);
  return counts || ofDistribution ? `rate(${name}[1m])` : name;
}
