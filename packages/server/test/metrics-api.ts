/** The metrics API over a store in a temporary directory, on a free loopback port, for tests. */
import { join } from "node:path";
import { nodeFileSystem, silentLogger } from "@finch/runtime";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openMetricStore } from "@finch/store";
import type { MetricStore, StoreLimits } from "@finch/store";
import { createMetricsApi, DEFAULT_METRICS_LIMITS } from "../src/index.ts";
import type { MetricsApi, MetricsApiOptions, MetricsLimits } from "../src/index.ts";
import { fixedClock, NOW_MS, serve, surroundings, temporaryDirectory } from "./serve.ts";
import type { Answer, Served } from "./serve.ts";

export interface ServedMetrics extends Served {
  readonly api: MetricsApi;
  readonly store: MetricStore;
  /** Of the data. */
  readonly directory: string;
  /** The samples of an instant query at {@link NOW_MS}: `{labels}` to the value as text. */
  query(query: string): Promise<Record<string, string>>;
}

export interface ServedMetricsOptions {
  readonly limits?: Partial<MetricsLimits>;
  readonly storeLimits?: Partial<StoreLimits>;
  /** Stands in for the store's own. */
  readonly append?: MetricStore["append"];
  /** Stand in for the store's own, too. */
  readonly replace?: Partial<MetricStore>;
  /** Replaces what the API gets besides a store, a clock and limits. */
  readonly about?: Partial<MetricsApiOptions>;
  readonly nowMs?: () => number;
}

export async function serveMetrics(options: ServedMetricsOptions = {}): Promise<ServedMetrics> {
  await using opening = new AsyncDisposableStack();
  const { path } = opening.use(await temporaryDirectory());
  const clock = { ...fixedClock, nowMs: options.nowMs ?? (() => NOW_MS) };
  const store = opening.use(
    await openMetricStore({
      directory: join(path, "metrics"),
      fileSystem: nodeFileSystem,
      clock,
      log: silentLogger,
      limits: { ...DEFAULT_LIMITS, freeBytesMin: 0, ...options.storeLimits },
      retention: DEFAULT_RETENTION,
    }),
  );
  const { append } = options;
  const api = createMetricsApi({
    store: withReplaced(store, { ...options.replace, ...(append === undefined ? {} : { append }) }),
    clock,
    log: silentLogger,
    limits: { ...DEFAULT_METRICS_LIMITS, ...options.limits },
    ...surroundings(),
    ...options.about,
  });
  opening.use(api);
  const served = opening.use(await serve(api.routes));
  const parts = opening.move();
  return {
    ...served,
    api,
    store,
    directory: path,
    query: async (query) => valuesIn(await served.get("/api/v1/query", at(query))),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function at(query: string): Readonly<Record<string, string>> {
  return { query, time: String(NOW_MS / 1000) };
}

function valuesIn(answer: Answer): Record<string, string> {
  const { data } = JSON.parse(answer.text) as {
    data: {
      result: readonly {
        metric: Readonly<Record<string, string>>;
        value?: readonly [number, string];
        histogram?: readonly [number, object];
      }[];
    };
  };
  const values: Record<string, string> = {};
  for (const { metric, value, histogram } of data.result) {
    const names = Object.entries(metric).map(([name, text]) => `${name}=${JSON.stringify(text)}`);
    values[`{${names.join(", ")}}`] = value?.[1] ?? JSON.stringify(histogram?.[1]);
  }
  return values;
}

/** The store with some functions replaced; the others run on the store itself, whose private fields they need. */
function withReplaced(store: MetricStore, replace: Partial<MetricStore>): MetricStore {
  return new Proxy(store, {
    get(target, name) {
      const own = Reflect.get(replace, name) as unknown;
      if (own !== undefined) return own;
      const member = Reflect.get(target, name, target) as unknown;
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}
