/** `status/tsdb` of Prometheus' HTTP API: what makes the store large, by the series that have samples of the last two hours. */
import { FinchError } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { LabelScope } from "@finch/store";
import { readLists } from "../label-lists.ts";
import { apiRoute, dataReply, GET } from "./api-route.ts";
import type { ReadContext } from "./api-route.ts";
import { readSignedLimit } from "./parameters.ts";
import { TextCounter, topCounts, visitSeries } from "./series-counts.ts";

/** What Prometheus' head holds, too. */
export const HEAD_WINDOW_MS = 2 * 3_600_000;
const LIMIT_DEFAULT = 10;
const LIMIT_MAX = 10_000;

export function tsdbRoutes(context: ReadContext): readonly HttpRoute[] {
  return [apiRoute(GET, "/api/v1/status/tsdb", (request) => answerStatus(context, request))];
}

async function answerStatus(context: ReadContext, request: HttpRequest): Promise<HttpReply> {
  const limit = readStatusLimit(await request.readParameters());
  const { store, clock, gate, limits } = context;
  const reads = { gate, timeoutMs: limits.queryTimeoutMs, signal: request.signal };
  const nowMs = clock.nowMs();
  const scope: LabelScope = { matchers: [], startMs: nowMs - HEAD_WINDOW_MS, endMs: nowMs };
  const values = new Map<string, number>();
  const bytes = new Map<string, number>();
  const names = await store.labelNames(scope);
  const lists = readLists(reads, names, async (name) => ({
    name,
    list: await store.labelValues(name, scope),
  }));
  for await (const { name, list } of lists) {
    values.set(name, list.length);
    bytes.set(
      name,
      list.reduce((sum, value) => sum + Buffer.byteLength(value), 0),
    );
  }
  const metrics = new Map<string, number>();
  const pairs = new TextCounter();
  await visitSeries(store, scope, reads, (metric, series) => {
    metrics.set(metric, (metrics.get(metric) ?? 0) + series.length);
    for (const labels of series) for (const [name, value] of labels) pairs.add(`${name}=${value}`);
  });
  const sum = (counts: Iterable<number>) => Array.from(counts).reduce((a, b) => a + b, 0);
  const { oldestMs, newestMs } = store.statistics();
  return dataReply({
    headStats: {
      numSeries: sum(metrics.values()),
      numLabelPairs: sum(values.values()),
      // A series of the head has one chunk that is open, and none that is closed: closed ones are in blocks.
      chunkCount: sum(metrics.values()),
      minTime: oldestMs ?? 0,
      maxTime: newestMs ?? 0,
    },
    seriesCountByMetricName: topCounts(metrics, limit),
    labelValueCountByLabelName: topCounts(values, limit),
    memoryInBytesByLabelName: topCounts(bytes, limit),
    seriesCountByLabelValuePair: pairs.top(limit),
  });
}

function readStatusLimit(parameters: URLSearchParams): number {
  const limit = readSignedLimit(parameters, "limit") ?? LIMIT_DEFAULT;
  if (limit < 1) throw bad("limit must be a positive number");
  if (limit > LIMIT_MAX) throw bad(`limit must not exceed ${LIMIT_MAX}`);
  return limit;
}

function bad(message: string): FinchError {
  return new FinchError("invalid", "server/bad-parameter", message);
}
