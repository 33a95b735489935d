/** Reads `ExportMetricsServiceRequest` from JSON. */
import {
  parseOtlpJson,
  readAttributes,
  readBoolean,
  readHexText,
  readJsonTimeMs,
  readList,
  readNode,
  readNumber,
  readNumberList,
  readNumberOr,
  readString,
} from "./otlp-json.ts";
import type { JsonNode, JsonReading } from "./otlp-json.ts";
import type { OtlpLimits } from "./otlp-limits.ts";
import { hasNoRecordedValue, NO_ATTRIBUTES, NO_OTLP_BUCKETS, temporalityOf } from "./otlp-model.ts";
import type {
  OtlpBuckets,
  OtlpData,
  OtlpExemplar,
  OtlpMetric,
  OtlpPoint,
  OtlpResourceMetrics,
  OtlpScopeMetrics,
} from "./otlp-model.ts";

/** Throws a FinchError `invalid` that names the field, or `too-large`. */
export function decodeOtlpMetricsJson(body: Uint8Array, limits: OtlpLimits): OtlpResourceMetrics[] {
  const { root, reading } = parseOtlpJson(body, limits);
  return readList(reading, root, "resourceMetrics").map((node) => {
    const resource = readNode(reading, node, "resource");
    return {
      attributes:
        resource === undefined ? NO_ATTRIBUTES : readAttributes(reading, resource, "attributes"),
      scopes: readList(reading, node, "scopeMetrics").map((scope) => readScope(reading, scope)),
    };
  });
}

function readScope(reading: JsonReading, node: JsonNode): OtlpScopeMetrics {
  const scope = readNode(reading, node, "scope");
  return {
    name: scope === undefined ? "" : readString(scope, "name"),
    version: scope === undefined ? "" : readString(scope, "version"),
    schemaUrl: readString(node, "schemaUrl"),
    attributes: scope === undefined ? NO_ATTRIBUTES : readAttributes(reading, scope, "attributes"),
    metrics: readList(reading, node, "metrics").map((metric) => readMetric(reading, metric)),
  };
}

function readMetric(reading: JsonReading, node: JsonNode): OtlpMetric {
  return {
    name: readString(node, "name"),
    description: readString(node, "description"),
    unit: readString(node, "unit"),
    data: readData(reading, node),
  };
}

function readData(reading: JsonReading, metric: JsonNode): OtlpData | undefined {
  const gauge = readNode(reading, metric, "gauge");
  if (gauge !== undefined) return { kind: "gauge", points: readNumberPoints(reading, gauge) };
  const sum = readNode(reading, metric, "sum");
  if (sum !== undefined) {
    const isMonotonic = readBoolean(sum, "isMonotonic");
    const points = readNumberPoints(reading, sum);
    return { kind: "sum", points, temporality: temporality(sum), isMonotonic };
  }
  const histogram = readNode(reading, metric, "histogram");
  if (histogram !== undefined) {
    const points = readList(reading, histogram, "dataPoints").map((node) => ({
      ...readPoint(reading, node),
      count: readNumber(node, "count"),
      sum: readNumberOr(node, "sum"),
      bucketCounts: readNumberList(node, "bucketCounts"),
      explicitBounds: readNumberList(node, "explicitBounds"),
      exemplars: readExemplars(reading, node),
    }));
    return { kind: "histogram", points, temporality: temporality(histogram) };
  }
  const exponential = readNode(reading, metric, "exponentialHistogram");
  if (exponential !== undefined) {
    const points = readList(reading, exponential, "dataPoints").map((node) => ({
      ...readPoint(reading, node),
      count: readNumber(node, "count"),
      sum: readNumberOr(node, "sum"),
      scale: readNumber(node, "scale"),
      zeroCount: readNumber(node, "zeroCount"),
      zeroThreshold: readNumber(node, "zeroThreshold"),
      positive: readBuckets(reading, node, "positive"),
      negative: readBuckets(reading, node, "negative"),
      exemplars: readExemplars(reading, node),
    }));
    return { kind: "exponential-histogram", points, temporality: temporality(exponential) };
  }
  const summary = readNode(reading, metric, "summary");
  if (summary === undefined) return undefined;
  const points = readList(reading, summary, "dataPoints").map((node) => ({
    ...readPoint(reading, node),
    count: readNumber(node, "count"),
    sum: readNumber(node, "sum"),
    quantiles: readList(reading, node, "quantileValues").map((one) => ({
      quantile: readNumber(one, "quantile"),
      value: readNumber(one, "value"),
    })),
  }));
  return { kind: "summary", points };
}

function temporality(node: JsonNode) {
  return temporalityOf(node.fields["aggregationTemporality"]);
}

function readNumberPoints(reading: JsonReading, node: JsonNode) {
  return readList(reading, node, "dataPoints").map((point) => ({
    ...readPoint(reading, point),
    value: readNumberOr(point, "asDouble") ?? readNumber(point, "asInt"),
    exemplars: readExemplars(reading, point),
  }));
}

function readPoint(reading: JsonReading, node: JsonNode): OtlpPoint {
  return {
    attributes: readAttributes(reading, node, "attributes"),
    startMs: readJsonTimeMs(node, "startTimeUnixNano"),
    timeMs: readJsonTimeMs(node, "timeUnixNano"),
    noRecordedValue: hasNoRecordedValue(readNumber(node, "flags")),
  };
}

function readBuckets(reading: JsonReading, node: JsonNode, name: string): OtlpBuckets {
  const buckets = readNode(reading, node, name);
  if (buckets === undefined) return NO_OTLP_BUCKETS;
  return { offset: readNumber(buckets, "offset"), counts: readNumberList(buckets, "bucketCounts") };
}

function readExemplars(reading: JsonReading, node: JsonNode): OtlpExemplar[] {
  return readList(reading, node, "exemplars").map((one) => ({
    timeMs: readJsonTimeMs(one, "timeUnixNano"),
    value: readNumberOr(one, "asDouble") ?? readNumber(one, "asInt"),
    traceId: readHexText(one, "traceId"),
    spanId: readHexText(one, "spanId"),
    attributes: readAttributes(reading, one, "filteredAttributes"),
  }));
}
