/** `status/tsdb` of Prometheus' HTTP API: what makes the store large, by the series of the last hours; and `status/tsdb/blocks`. */
import { FinchError } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { BlockSummary, LabelScope } from "@finch/store";
import { readLists } from "../label-lists.ts";
import { withTimeout } from "../query-gate.ts";
import { apiRoute, dataReply, GET } from "./api-route.ts";
import type { ReadContext } from "./api-route.ts";
import { readSignedLimit } from "./parameters.ts";
import { topCounts } from "./series-counts.ts";
import type { Count } from "./series-counts.ts";

/** What Prometheus' head holds, too. */
export const HEAD_WINDOW_MS = 2 * 3_600_000;
const LIMIT_DEFAULT = 10;
const LIMIT_MAX = 10_000;

export function tsdbRoutes(context: ReadContext): readonly HttpRoute[] {
  return [
    apiRoute(GET, "/api/v1/status/tsdb", (request) => answerStatus(context, request)),
    apiRoute(GET, "/api/v1/status/tsdb/blocks", async () =>
      dataReply({ blocks: context.store.blocks().map(describeBlock) }),
    ),
  ];
}

async function answerStatus(context: ReadContext, request: HttpRequest): Promise<HttpReply> {
  const limit = readStatusLimit(await request.readParameters());
  const { store } = context;
  const values = await countValues(context, request);
  const counted = await countSeries(context, request, limit);
  const { oldestMs, newestMs } = store.statistics();
  return dataReply({
    headStats: {
      numSeries: counted.series,
      numLabelPairs: values.reduce((sum, { count }) => sum + count, 0),
      // A series has one chunk that is open; closed ones are in blocks.
      chunkCount: counted.series,
      minTime: oldestMs ?? 0,
      maxTime: newestMs ?? 0,
    },
    seriesCountByMetricName: counted.metricNames.map(({ name, series }) => ({
      name,
      value: series,
    })),
    labelValueCountByLabelName: top(values, limit, ({ count }) => count),
    memoryInBytesByLabelName: top(values, limit, ({ bytes }) => bytes),
    seriesCountByLabelValuePair: counted.labelPairs.map(({ name, value, series }) => ({
      name: `${name}=${value}`,
      value: series,
    })),
  });
}

interface ValueCount {
  readonly name: string;
  readonly count: number;
  readonly bytes: number;
}

/** The values of each label, how many and how long. */
async function countValues(
  { store, clock, gate, limits }: ReadContext,
  { signal }: HttpRequest,
): Promise<readonly ValueCount[]> {
  const nowMs = clock.nowMs();
  const scope: LabelScope = { matchers: [], startMs: nowMs - HEAD_WINDOW_MS, endMs: nowMs };
  const names = await store.labelNames(scope);
  const reads = { gate, timeoutMs: limits.queryTimeoutMs, signal };
  const lists = readLists(reads, names, async (name): Promise<ValueCount> => {
    const list = await store.labelValues(name, scope);
    const bytes = list.reduce((sum, value) => sum + Buffer.byteLength(value), 0);
    return { name, count: list.length, bytes };
  });
  return await Array.fromAsync(lists);
}

async function countSeries(
  { store, gate, limits }: ReadContext,
  { signal }: HttpRequest,
  limit: number,
): ReturnType<ReadContext["store"]["cardinality"]> {
  using limited = withTimeout(signal, limits.queryTimeoutMs, "query timed out");
  using _place = await gate.enter(limited.signal);
  return await store.cardinality({ matchers: [], limit, signal: limited.signal });
}

function top(
  counts: readonly ValueCount[],
  limit: number,
  of: (count: ValueCount) => number,
): readonly Count[] {
  return topCounts(
    counts.map((count) => [count.name, of(count)] as const),
    limit,
  );
}

/** In Prometheus' words; a block of Finch has pages of its own, so chunks are not counted. */
function describeBlock(block: BlockSummary): object {
  return {
    ulid: ulidOf(block.block),
    minTime: block.minMs,
    maxTime: block.maxMs,
    stats: { numSamples: block.samples, numSeries: block.series },
    compaction: {
      level: block.level + 1,
      sources: (block.sources.length === 0 ? [block.block] : block.sources).map(ulidOf),
    },
    version: 1,
  };
}

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** The number of a block in the alphabet and length of a ULID, which sorts like it. */
function ulidOf(block: number): string {
  let text = "";
  for (let rest = block; rest > 0; rest = Math.floor(rest / 32))
    text = CROCKFORD[rest % 32]! + text;
  return text.padStart(26, "0");
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
