/** Answers of the Prometheus and Loki query endpoints, decoded once into typed columns. */
import { ApiError, isRecord, stringMap } from "./http.ts";

/** One series of a matrix (many points) or vector (one point); times in seconds, columns of equal length. */
export interface ResultSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly times: readonly number[];
  readonly values: readonly number[];
}

/** One line as the log endpoints give it. `labels` of the stream and `metadata` are apart only if the server was asked to. */
export interface RawLogEntry {
  readonly timeNs: string;
  readonly line: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
}

export type QueryResult =
  | {
      readonly kind: "series";
      readonly shape: "matrix" | "vector" | "scalar";
      readonly series: readonly ResultSeries[];
      readonly warnings: readonly string[];
      readonly stats: unknown;
    }
  | {
      readonly kind: "logs";
      readonly entries: readonly RawLogEntry[];
      readonly warnings: readonly string[];
      readonly stats: unknown;
    }
  | { readonly kind: "text"; readonly text: string; readonly warnings: readonly string[] };

/** Decodes the envelope `{status, data: {resultType, result}}`; a shape it does not know is an error that says so. */
export function decodeQueryResult(reply: unknown): QueryResult {
  const data = isRecord(reply) ? reply["data"] : undefined;
  if (!isRecord(reply) || !isRecord(data)) throw new ApiError(200, "The answer holds no data.");
  const result = data["result"];
  const warnings = [...texts(reply["warnings"]), ...texts(reply["infos"])];
  const stats = data["stats"];
  switch (data["resultType"]) {
    case "matrix":
      return {
        kind: "series",
        shape: "matrix",
        series: records(result).map(decodeMatrix),
        warnings,
        stats,
      };
    case "vector":
      return {
        kind: "series",
        shape: "vector",
        series: records(result).map(decodeVector),
        warnings,
        stats,
      };
    case "scalar":
      return {
        kind: "series",
        shape: "scalar",
        series: [pointSeries({}, result)],
        warnings,
        stats,
      };
    case "string":
      return { kind: "text", text: Array.isArray(result) ? String(result[1]) : "", warnings };
    case "streams":
      return { kind: "logs", entries: decodeStreams(result), warnings, stats };
    default:
      throw new ApiError(200, `The answer has the unknown type ${String(data["resultType"])}.`);
  }
}

/** Streams as of `/query_range` and of a tail frame; entries keep the order of the reply. */
export function decodeStreams(streams: unknown): RawLogEntry[] {
  const entries: RawLogEntry[] = [];
  for (const stream of records(streams)) {
    const labels = stringMap(stream["stream"]);
    for (const value of Array.isArray(stream["values"]) ? stream["values"] : []) {
      if (!Array.isArray(value)) continue;
      const extra = isRecord(value[2]) ? value[2] : {};
      const metadata = { ...stringMap(extra["structuredMetadata"]), ...stringMap(extra["parsed"]) };
      entries.push({ timeNs: String(value[0]), line: String(value[1]), labels, metadata });
    }
  }
  return entries;
}

/** Prometheus writes values as strings, `+Inf`, `-Inf` and `NaN` among them. */
export function parseSample(text: unknown): number {
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return Number(text);
}

function decodeMatrix(item: Record<string, unknown>): ResultSeries {
  const points = Array.isArray(item["values"]) ? item["values"] : item["histograms"];
  const times: number[] = [];
  const values: number[] = [];
  for (const point of Array.isArray(points) ? points : []) {
    if (!Array.isArray(point)) continue;
    times.push(Number(point[0]));
    values.push(pointValue(point[1]));
  }
  return { labels: stringMap(item["metric"]), times, values };
}

function decodeVector(item: Record<string, unknown>): ResultSeries {
  return pointSeries(stringMap(item["metric"]), item["value"] ?? item["histogram"]);
}

function pointSeries(labels: Record<string, string>, point: unknown): ResultSeries {
  if (!Array.isArray(point)) return { labels, times: [], values: [] };
  return { labels, times: [Number(point[0])], values: [pointValue(point[1])] };
}

/** A native histogram is shown by its count. */
function pointValue(value: unknown): number {
  return isRecord(value) ? parseSample(value["count"]) : parseSample(value);
}

function records(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
