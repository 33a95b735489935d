/** Runs a query of either language and measures what came back. */
import { fetchLogs, fetchLogsInstant } from "../api/logs-api.ts";
import { fetchMetrics } from "../api/metrics-api.ts";
import type { SizedReply } from "../api/http.ts";
import { isRecord } from "../api/http.ts";
import { decodeQueryResult, type QueryResult } from "../api/query-result.ts";
import { alignSpan } from "../series/frame.ts";
import type { TimeSpan } from "../time/time-range.ts";
import type { QueryState } from "./query-state.ts";

/** As many lines as one run shows. */
export const LOG_LIMIT = 1000;

export interface QueryRun {
  readonly result: QueryResult;
  readonly raw: unknown;
  readonly span: TimeSpan;
  readonly stepSeconds: number;
  readonly facts: RunFacts;
}

export interface RunFacts {
  readonly series: number;
  readonly samples: number;
  readonly lines: number;
  /** Of the answer. */
  readonly bytes: number;
  /** That the server says it read; undefined if it says nothing. */
  readonly bytesRead: number | undefined;
  readonly milliseconds: number;
}

export async function runQuery(
  state: QueryState,
  span: TimeSpan,
  { stepSeconds, signal }: { readonly stepSeconds: number; readonly signal: AbortSignal },
): Promise<QueryRun> {
  const started = performance.now();
  const reply = await send(state, span, stepSeconds, signal);
  const result = decodeQueryResult(reply.value);
  const facts = countResult(result, reply.size, performance.now() - started);
  return { result, raw: reply.value, span, stepSeconds, facts };
}

function send(
  state: QueryState,
  span: TimeSpan,
  step: number,
  signal: AbortSignal,
): Promise<SizedReply> {
  const { query } = state;
  if (state.language === "logql") {
    if (state.mode === "instant") return fetchLogsInstant(query, span.toMs, signal);
    return fetchLogs(
      { query, ...span, limit: LOG_LIMIT, direction: "backward", stepSeconds: step },
      signal,
    );
  }
  if (state.mode === "instant")
    return fetchMetrics("query", { query, time: span.toMs / 1000 }, signal);
  const { start, end } = alignSpan(span.fromMs, span.toMs, step);
  return fetchMetrics("query_range", { query, start, end, step }, signal);
}

export function countResult(result: QueryResult, bytes: number, milliseconds: number): RunFacts {
  const series = result.kind === "series" ? result.series : [];
  return {
    series: series.length,
    samples: series.reduce((sum, item) => sum + item.values.length, 0),
    lines: result.kind === "logs" ? result.entries.length : 0,
    bytes,
    bytesRead: result.kind === "text" ? undefined : bytesReadOf(result.stats),
    milliseconds,
  };
}

function bytesReadOf(stats: unknown): number | undefined {
  const summary = isRecord(stats) && isRecord(stats["summary"]) ? stats["summary"] : undefined;
  const bytes = summary?.["totalBytesProcessed"];
  return typeof bytes === "number" ? bytes : undefined;
}
