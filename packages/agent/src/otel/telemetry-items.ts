/** Spans, data points and log records of a tree, one by one: counted, and shown to those who watch. */
import { formatFloat, formatRfc3339 } from "@finch/model";
import type {
  Attributes,
  Metric,
  NumberDataPoint,
  OtlpSignal,
  OtlpTrees,
  Resource,
} from "@finch/wire";
import { formatOtlpValue } from "@finch/wire/otlp-model";
import type { PassedItem } from "../live/live-debug.ts";

/** How many spans, data points or log records there are. */
export function countItems<Signal extends OtlpSignal>(
  signal: Signal,
  tree: OtlpTrees[Signal],
): number {
  const trees = { [signal]: tree } as Partial<OtlpTrees>;
  let count = 0;
  for (const { scopeSpans } of trees.traces?.resourceSpans ?? [])
    for (const { spans } of scopeSpans) count += spans.length;
  for (const { scopeLogs } of trees.logs?.resourceLogs ?? [])
    for (const { logRecords } of scopeLogs) count += logRecords.length;
  for (const { scopeMetrics } of trees.metrics?.resourceMetrics ?? [])
    for (const { metrics } of scopeMetrics)
      for (const metric of metrics) count += dataPointsOf(metric).length;
  return count;
}

/** The points of a metric, whatever its kind; none when it is of no kind that is known. */
export function dataPointsOf(metric: Metric): readonly {
  readonly attributes: Attributes;
  readonly timeUnixNano: bigint;
}[] {
  const data =
    metric.gauge ?? metric.sum ?? metric.histogram ?? metric.exponentialHistogram ?? metric.summary;
  return data?.dataPoints ?? [];
}

/** What is shown of one span, data point or log record. */
export type ShownItem = Omit<PassedItem, "from" | "to">;

/** Functions that make what is shown of each item, in order: making one costs nothing until it is called. */
export function shownItems<Signal extends OtlpSignal>(
  signal: Signal,
  tree: OtlpTrees[Signal],
): readonly (() => ShownItem)[] {
  const trees = { [signal]: tree } as Partial<OtlpTrees>;
  if (trees.traces !== undefined) return shownSpans(trees.traces);
  if (trees.logs !== undefined) return shownRecords(trees.logs);
  return trees.metrics === undefined ? [] : shownPoints(trees.metrics);
}

function shownSpans({ resourceSpans }: OtlpTrees["traces"]): (() => ShownItem)[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => () => ({
        kind: "span" as const,
        labels: shownAttributes(resource.attributes),
        text: `${span.name} ${String(span.endTimeUnixNano - span.startTimeUnixNano)} ns, trace ${Buffer.from(span.traceId).toString("hex")}`,
        time: formatRfc3339(span.startTimeUnixNano),
        metadata: shownAttributes(span.attributes),
      })),
    ),
  );
}

function shownRecords({ resourceLogs }: OtlpTrees["logs"]): (() => ShownItem)[] {
  return resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) =>
      logRecords.map((record) => () => ({
        kind: "entry" as const,
        labels: shownAttributes(resource.attributes),
        text: formatOtlpValue(record.body),
        time: formatRfc3339(record.timeUnixNano || record.observedTimeUnixNano),
        metadata: shownAttributes(record.attributes),
      })),
    ),
  );
}

function shownPoints({ resourceMetrics }: OtlpTrees["metrics"]): (() => ShownItem)[] {
  return resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap((metric) =>
        dataPointsOf(metric).map((point) => () => shownPoint(metric, point, resource)),
      ),
    ),
  );
}

function shownPoint(
  metric: Metric,
  point: ReturnType<typeof dataPointsOf>[number],
  resource: Resource,
): ShownItem {
  return {
    kind: "sample",
    labels: `${metric.name}${shownAttributes(point.attributes)}`,
    text: shownValue(point as Partial<NumberDataPoint> & { readonly sum?: number }),
    time: formatRfc3339(point.timeUnixNano),
    metadata: shownAttributes(resource.attributes),
  };
}

/** A number's value; of a distribution, its sum. */
function shownValue({
  asInt,
  asDouble,
  sum,
}: Partial<NumberDataPoint> & { readonly sum?: number }): string {
  if (asInt !== undefined) return String(asInt);
  const value = asDouble ?? sum;
  return value === undefined ? "" : formatFloat(value);
}

function shownAttributes(attributes: Attributes): string {
  const pairs = Array.from(
    attributes,
    ([key, value]) => `${key}=${JSON.stringify(formatOtlpValue(value))}`,
  );
  return `{${pairs.join(", ")}}`;
}
