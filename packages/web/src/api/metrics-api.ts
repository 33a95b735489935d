/** The Prometheus API of the server, as far as the pages need it. */
import { fetchJson, fetchSized, isRecord, stringList, type SizedReply } from "./http.ts";
import { decodeQueryResult, type QueryResult, type ResultSeries } from "./query-result.ts";

const BASE = "/prometheus/api/v1";

/** Seconds since the epoch throughout. */
export interface RangeQuery {
  readonly query: string;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** What the exposition of a metric said about it. */
export interface MetricInfo {
  readonly name: string;
  readonly type: string;
  readonly help: string;
}

export async function queryMetricsRange(
  query: RangeQuery,
  signal?: AbortSignal,
): Promise<QueryResult> {
  return decodeQueryResult((await fetchMetrics("query_range", { ...query }, signal)).value);
}

export async function queryMetricsInstant(
  query: string,
  timeSeconds: number,
  signal?: AbortSignal,
): Promise<QueryResult> {
  return decodeQueryResult(
    (await fetchMetrics("query", { query, time: timeSeconds }, signal)).value,
  );
}

/** The answer before decoding, for those who show it as it is. */
export async function fetchMetrics(
  path: "query" | "query_range",
  params: Readonly<Record<string, string | number>>,
  signal?: AbortSignal,
): Promise<SizedReply> {
  return fetchSized(`${BASE}/${path}`, params, signal === undefined ? {} : { signal });
}

/** The series of a result that holds series; an empty list for any other. */
export function seriesOf(result: QueryResult): readonly ResultSeries[] {
  return result.kind === "series" ? result.series : [];
}

/** Every metric name with its type and help, sorted by name; those without metadata have empty type and help. */
export async function listMetrics(signal?: AbortSignal): Promise<MetricInfo[]> {
  const options = signal === undefined ? {} : { signal };
  const [names, metadata] = await Promise.all([
    fetchJson(`${BASE}/label/__name__/values`, {}, options),
    fetchJson(`${BASE}/metadata`, {}, options).catch(() => ({})),
  ]);
  return decodeMetricList(names, metadata);
}

export function decodeMetricList(names: unknown, metadata: unknown): MetricInfo[] {
  const about = isRecord(metadata) && isRecord(metadata["data"]) ? metadata["data"] : {};
  return stringList(isRecord(names) ? names["data"] : []).map((name) => {
    const entries = about[name] ?? about[name.replace(/_(bucket|count|sum|total)$/, "")];
    const first: unknown = Array.isArray(entries) ? entries[0] : undefined;
    const info = isRecord(first) ? first : {};
    return { name, type: textOf(info["type"]), help: textOf(info["help"]) };
  });
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
