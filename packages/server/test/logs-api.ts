/** The logs API over real HTTP and WebSockets, for tests: on a store in memory or on disk, with what they all send and read. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { compileLineSelection } from "@finch/logql";
import { nodeFileSystem, silentLogger } from "@finch/runtime";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openLogStore } from "@finch/store";
import type { LogStore } from "@finch/store";
import { createLogsApi, DEFAULT_LOGS_LIMITS } from "../src/index.ts";
import type { LogsApi, LogsApiOptions, LogsLimits } from "../src/index.ts";
import { openMemoryLogStore } from "./memory-log-store.ts";
import { BUILD, fixedClock, NOW_MS, serve, temporaryDirectory } from "./serve.ts";
import type { Served } from "./serve.ts";

export const NOW_NS = BigInt(NOW_MS) * 1_000_000n;
export const JSON_TYPE = { "content-type": "application/json" } as const;
/** The time so many seconds before now, as nanoseconds in text. */
export const ns = (secondsAgo: number) => String(NOW_NS - BigInt(Math.round(secondsAgo * 1e9)));

/** Suites run against the store in memory and the real one: whatever holds the lines, the API is the same. */
export type Kind = "memory" | "disk";

async function openStore(kind: Kind, opening: AsyncDisposableStack): Promise<LogStore> {
  if (kind === "memory") return openMemoryLogStore();
  const { path } = opening.use(await temporaryDirectory());
  return opening.use(
    await openLogStore({
      directory: join(path, "logs"),
      fileSystem: nodeFileSystem,
      clock: fixedClock,
      log: silentLogger,
      // A window that takes what the tests send; the API's own window is narrower.
      limits: { ...DEFAULT_LIMITS, outOfOrderWindowMs: 30 * 86_400_000 },
      retention: DEFAULT_RETENTION,
      compileSelection: compileLineSelection,
    }),
  );
}

export interface LogsApiUnderTest extends Served {
  readonly api: LogsApi;
  readonly store: LogStore;
  /** Set `fault` and every push fails with it, `readFault` and every read of lines does. */
  readonly failing: { fault: Error | undefined; readFault: Error | undefined };
}

export async function openApi(
  kind: Kind,
  limits: Partial<LogsLimits> = {},
  about: Partial<LogsApiOptions> = {},
): Promise<LogsApiUnderTest> {
  await using opening = new AsyncDisposableStack();
  const store = await openStore(kind, opening);
  const failing: LogsApiUnderTest["failing"] = { fault: undefined, readFault: undefined };
  const watched: LogStore = {
    append: (batch) =>
      failing.fault === undefined ? store.append(batch) : Promise.reject(failing.fault),
    select: (request, statistics) => {
      if (failing.readFault !== undefined) throw failing.readFault;
      return store.select(request, statistics);
    },
    count: (request, statistics) => {
      if (failing.readFault !== undefined) throw failing.readFault;
      return store.count(request, statistics);
    },
    patterns: (request) => store.patterns(request),
    deleteLines: (request) => store.deleteLines(request),
    lineDeletes: () => store.lineDeletes(),
    carryOutDeletes: () => store.carryOutDeletes(),
    compact: () => store.compact(),
    cancelDelete: (id, options) => store.cancelDelete(id, options),
    tail: (listener) => store.tail(listener),
    labelNames: (scope) => store.labelNames(scope),
    labelValues: (name, scope) => store.labelValues(name, scope),
    series: (scope) => store.series(scope),
    statistics: () => store.statistics(),
    flush: () => store.flush(),
    expire: () => store.expire(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const api = createLogsApi({
    store: watched,
    clock: fixedClock,
    limits: { ...DEFAULT_LOGS_LIMITS, ...limits },
    build: BUILD,
    retention: DEFAULT_RETENTION,
    ...about,
  });
  const served = opening.use(await serve(api.routes));
  const parts = opening.move();
  return { ...served, api, store, failing, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

export type Values = readonly (
  | readonly [string, string]
  | readonly [string, string, Record<string, string>]
)[];

export type Stream = readonly [labels: Record<string, string>, values: Values];

export const pushBody = (...streams: Stream[]) =>
  JSON.stringify({ streams: streams.map(([stream, values]) => ({ stream, values })) });

export const push = (api: Served, ...streams: Stream[]) =>
  api.post("/loki/api/v1/push", pushBody(...streams), JSON_TYPE);

/** The `data` of `query_range`. */
export async function rangeData(api: Served, parameters: Record<string, string>, headers = {}) {
  const query = new URLSearchParams({ end: String(NOW_NS + 1n), ...parameters });
  const reply = await fetch(
    `http://127.0.0.1:${api.port}/loki/api/v1/query_range?${query.toString()}`,
    { headers },
  );
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  const { data } = JSON.parse(text) as {
    data: { resultType: string; result: unknown; encodingFlags?: string[]; stats: object };
  };
  return data;
}

export interface Frame {
  readonly streams: readonly {
    readonly stream: object;
    readonly values: readonly (readonly string[])[];
  }[];
  readonly dropped_entries?: readonly { readonly labels: object; readonly timestamp: string }[];
}

/** A tail, with the lines and frames it has brought. */
export function openTail(port: number, parameters: Record<string, string>) {
  const socket = new WebSocket(
    `ws://127.0.0.1:${port}/loki/api/v1/tail?${new URLSearchParams(parameters).toString()}`,
  );
  const lines: string[] = [];
  const frames: Frame[] = [];
  const waiting: (() => void)[] = [];
  socket.addEventListener("message", (message) => {
    const frame = JSON.parse(String(message.data)) as Frame;
    frames.push(frame);
    for (const { values } of frame.streams) for (const [, line] of values) lines.push(line!);
    for (const wake of waiting.splice(0)) wake();
  });
  return {
    socket,
    lines,
    frames,
    until: async (ready: () => boolean) => {
      while (!ready()) await new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
}
