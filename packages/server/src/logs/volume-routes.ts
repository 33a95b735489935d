/**
 * `index/stats`, `index/volume`, `index/volume_range` and `index/shards` of Loki's HTTP API: exact, counted from what pages of lines know of themselves, and from the
 * lines of those at the ends of a range and of its steps. Bounded by the query gate.
 */
import type { Matcher } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { QueryStatistics } from "@finch/logql";
import type { LogCount, LogStore } from "@finch/store";
import { withTimeout } from "../query-gate.ts";
import { readMatchers } from "./label-routes.ts";
import type { LogsQueryContext } from "./query-routes.ts";
import { badRequest, readCount, readQueryRange, readStepMs } from "./parameters.ts";
import type { TimeRangeNs } from "./parameters.ts";
import { describeStatistics } from "./result-json.ts";
import { textRoute } from "./text-route.ts";
import { Volumes } from "./volumes.ts";
import type { VolumeGrid, VolumeGrouping } from "./volumes.ts";

interface VolumeContext extends LogsQueryContext {
  readonly store: LogStore;
}

const SERIES_DEFAULT = 100;
/** Label sets times steps of one answer: each is a number held until it is sent. */
const CELLS_MAX = 5_000_000;
/** The whole range of stream hashes: an answer in one shard. Written as text, for it is no JavaScript number. */
const ALL_HASHES = '{"min":0,"max":18446744073709551615}';

export function volumeRoutes(context: VolumeContext): readonly HttpRoute[] {
  return [
    textRoute("/loki/api/v1/index/stats", (request) => answerStats(context, request)),
    textRoute("/loki/api/v1/index/shards", (request) => answerShards(context, request)),
    textRoute("/loki/api/v1/index/volume", (request) => answerVolume(context, request)),
    textRoute("/loki/api/v1/index/volume_range", (request) => answerVolumeRange(context, request)),
  ];
}

interface IndexStats {
  readonly streams: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly entries: number;
}

async function answerStats(context: VolumeContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const { stats } = await readStats(context, request, parameters);
  return jsonReply(200, stats);
}

/** Shards are for queriers that divide work among machines; here one process reads all of an index. */
async function answerShards(context: VolumeContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  readCount(parameters, "targetBytesPerShard", 1);
  const { stats, statistics } = await readStats(context, request, parameters);
  const body = `{"shards":[{"bounds":${ALL_HASHES},"stats":${JSON.stringify(stats)}}],"statistics":${JSON.stringify(statistics)}}`;
  return { status: 200, headers: { "content-type": "application/json" }, body };
}

async function readStats(
  context: VolumeContext,
  request: HttpRequest,
  parameters: URLSearchParams,
): Promise<{ readonly stats: IndexStats; readonly statistics: object }> {
  const range = readQueryRange(parameters, context.clock.nowMs(), context.limits);
  const matchers = readMatchers(parameters.get("query") ?? "");
  const streams = new Set<string>();
  const wanted = { range, matchers, isOne: () => true };
  const { statistics, summary } = await scan(context, request, wanted, ({ labels }) => {
    streams.add(labels.key);
  });
  const stats = {
    streams: streams.size,
    chunks: summary.pagesRead + summary.pagesSkipped,
    bytes: summary.bytesProcessed,
    entries: summary.linesProcessed,
  };
  return { stats, statistics };
}

async function answerVolume(context: VolumeContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const range = readQueryRange(parameters, context.clock.nowMs(), context.limits);
  const grid = { startNs: range.startNs, stepNs: range.endNs - range.startNs || 1n, count: 1 };
  const { volumes, statistics } = await readVolumes(context, request, { range, grid });
  const endSeconds = Number(range.endNs / 1_000_000n) / 1000;
  const result = volumes.map(({ labels, total }) => ({
    metric: labels,
    value: [endSeconds, String(total)],
  }));
  return dataReply("vector", result, statistics);
}

async function answerVolumeRange(context: VolumeContext, request: HttpRequest): Promise<HttpReply> {
  const { clock, limits } = context;
  const parameters = await request.readParameters();
  const range = readQueryRange(parameters, clock.nowMs(), limits);
  const stepNs = BigInt(Math.max(1, Math.round(readStepMs(parameters, range, limits) * 1e6)));
  const count = Number((range.endNs - range.startNs + stepNs - 1n) / stepNs);
  const grid: VolumeGrid = { startNs: range.startNs, stepNs, count };
  const { volumes, statistics } = await readVolumes(context, request, { range, grid });
  const series = volumes.map(({ labels, bytes }) => {
    const values: (readonly [seconds: number, bytes: string])[] = [];
    for (let step = 0; step < count; step++) {
      if (bytes[step] === 0) continue;
      const startNs = range.startNs + BigInt(step) * stepNs;
      values.push([Number(startNs / 1_000_000n) / 1000, String(bytes[step])]);
    }
    return { metric: labels, values };
  });
  if (series.length > 0 && series.every(({ values }) => values.length === 1)) {
    const result = series.map(({ metric, values }) => ({ metric, value: values[0] }));
    return dataReply("vector", result, statistics);
  }
  return dataReply("matrix", series, statistics);
}

function dataReply(resultType: "vector" | "matrix", result: unknown, stats: object): HttpReply {
  return jsonReply(200, { status: "success", data: { resultType, result, stats } });
}

async function readVolumes(
  context: VolumeContext,
  request: HttpRequest,
  wanted: { readonly range: TimeRangeNs; readonly grid: VolumeGrid },
) {
  const parameters = await request.readParameters();
  const limit = readCount(parameters, "limit", SERIES_DEFAULT);
  const matchers = readMatchers(parameters.get("query") ?? "");
  const volumes = new Volumes(readGrouping(parameters, matchers), wanted.grid);
  const { range } = wanted;
  const isOne = (minNs: bigint, maxNs: bigint) => volumes.stepOf(minNs) === volumes.stepOf(maxNs);
  const { statistics } = await scan(context, request, { range, matchers, isOne }, (count) => {
    if (count.kind === "lines") volumes.add(count.labels, count.entries);
    else volumes.addCounted(count.labels, count);
    if (volumes.size * wanted.grid.count <= CELLS_MAX) return;
    throw new FinchError(
      "invalid",
      "server/too-many-volumes",
      `the volumes have more than ${CELLS_MAX} values; name fewer targetLabels, a longer step or a shorter range`,
    );
  });
  return { volumes: volumes.largest(limit), statistics };
}

function readGrouping(parameters: URLSearchParams, matchers: readonly Matcher[]): VolumeGrouping {
  const by = parameters.get("aggregateBy") || "series";
  if (by !== "series" && by !== "labels") {
    throw badRequest(
      `invalid aggregation option ${JSON.stringify(by)}: aggregateBy is series or labels`,
    );
  }
  const targets = (parameters.get("targetLabels") ?? "").split(",").filter((name) => name !== "");
  return { by, targets, matchers };
}

async function scan(
  context: VolumeContext,
  request: HttpRequest,
  wanted: {
    readonly range: TimeRangeNs;
    readonly matchers: readonly Matcher[];
    readonly isOne: (minNs: bigint, maxNs: bigint) => boolean;
  },
  visit: (count: LogCount) => void,
): Promise<{ readonly statistics: object; readonly summary: QueryStatistics }> {
  const { clock, gate, limits, store } = context;
  using limited = withTimeout(request.signal, limits.queryTimeoutMs, "query timed out");
  const askedMs = clock.monotonicMs();
  using _place = await gate.enter(limited.signal);
  const { signal } = limited;
  const startedMs = clock.monotonicMs();
  const reads = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
  let bytesProcessed = 0;
  let linesProcessed = 0;
  const { matchers, range, isOne } = wanted;
  for await (const counted of store.count({ ...range, matchers, isOne, signal }, reads)) {
    const { lines, bytes } = sizeOf(counted);
    bytesProcessed += bytes;
    linesProcessed += lines;
    visit(counted);
  }
  const execTimeSeconds = (clock.monotonicMs() - startedMs) / 1000;
  const summary = { ...reads, bytesProcessed, linesProcessed, execTimeSeconds, entriesReturned: 0 };
  return { statistics: describeStatistics(summary, (startedMs - askedMs) / 1000), summary };
}

function sizeOf(count: LogCount): { readonly lines: number; readonly bytes: number } {
  if (count.kind === "counted") return count;
  const { count: lines, lineBounds } = count.entries;
  return { lines, bytes: lineBounds[lines]! - lineBounds[0]! };
}
