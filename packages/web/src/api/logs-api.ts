/** The Loki API of the server, as far as the pages need it. */
import {
  fetchJson,
  fetchSized,
  isRecord,
  stringList,
  withParams,
  type SizedReply,
} from "./http.ts";
import {
  decodeQueryResult,
  decodeStreams,
  type QueryResult,
  type RawLogEntry,
} from "./query-result.ts";

const BASE = "/loki/api/v1";
/** Keeps labels of the stream, structured metadata and parsed fields apart in the answer. */
const APART = { "X-Loki-Response-Encoding-Flags": "categorize-labels" };

/** A log or metric query over [fromMs, toMs). */
export interface LogQuery {
  readonly query: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly limit?: number;
  readonly direction?: "forward" | "backward";
  readonly stepSeconds?: number;
}

export async function queryLogs(query: LogQuery, signal?: AbortSignal): Promise<QueryResult> {
  return decodeQueryResult((await fetchLogs(query, signal)).value);
}

/** The answer before decoding, for those who show it as it is. */
export async function fetchLogs(query: LogQuery, signal?: AbortSignal): Promise<SizedReply> {
  return fetchSized(
    `${BASE}/query_range`,
    {
      query: query.query,
      start: msToNs(query.fromMs),
      end: msToNs(query.toMs),
      limit: query.limit,
      direction: query.direction,
      step: query.stepSeconds,
    },
    { headers: APART, ...(signal === undefined ? {} : { signal }) },
  );
}

export async function fetchLogsInstant(
  query: string,
  timeMs: number,
  signal?: AbortSignal,
): Promise<SizedReply> {
  return fetchSized(
    `${BASE}/query`,
    { query, time: msToNs(timeMs) },
    { headers: APART, ...(signal === undefined ? {} : { signal }) },
  );
}

export async function listLogLabels(signal?: AbortSignal): Promise<string[]> {
  return dataList(await fetchJson(`${BASE}/labels`, {}, signal === undefined ? {} : { signal }));
}

export async function listLogLabelValues(name: string, signal?: AbortSignal): Promise<string[]> {
  const path = `${BASE}/label/${encodeURIComponent(name)}/values`;
  return dataList(await fetchJson(path, {}, signal === undefined ? {} : { signal }));
}

/** The address of the live tail, on the origin of the page. */
export function tailAddress(origin: string, query: string, startNs: string): string {
  const path = withParams(`${BASE}/tail`, { query, start: startNs, limit: 1000 });
  return `${origin.replace(/^http/, "ws")}${path}`;
}

/** One frame of the tail: lines, and how many the server had to leave out. */
export function decodeTailFrame(text: string): { entries: RawLogEntry[]; dropped: number } {
  const frame = JSON.parse(text) as unknown;
  if (!isRecord(frame)) return { entries: [], dropped: 0 };
  const dropped = frame["dropped_entries"];
  return {
    entries: decodeStreams(frame["streams"]),
    dropped: Array.isArray(dropped) ? dropped.length : 0,
  };
}

/** Milliseconds to the nanosecond text of Loki without passing through a number that cannot hold it. */
export function msToNs(ms: number): string {
  return `${Math.round(ms)}000000`;
}

function dataList(reply: unknown): string[] {
  return isRecord(reply) ? stringList(reply["data"]) : [];
}
