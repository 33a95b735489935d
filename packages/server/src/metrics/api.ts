/** The metrics API: everything Prometheus and Mimir clients ask, as routes to be mounted on any listener. */
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import { singleMetric } from "@finch/runtime";
import { textReply, underPrefix } from "@finch/runtime/http";
import type { HttpRoute, Route } from "@finch/runtime/http";
import { createEngine } from "@finch/promql";
import type { MetricStore } from "@finch/store";
import type { BuildInfo } from "../build-info.ts";
import { DEFAULT_QUERY_GATE_LIMITS, QueryGate } from "../query-gate.ts";
import { flushRoutes } from "./flush-routes.ts";
import { labelRoutes } from "./label-routes.ts";
import type { MetricsLimits } from "./limits.ts";
import { queryRoutes } from "./query-routes.ts";
import { createSeriesSource } from "./source.ts";
import { createMetricIngest } from "./write-ingest.ts";
import { createRemoteWriteRoutes } from "./write-routes.ts";

export interface MetricsApiOptions {
  readonly store: MetricStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: MetricsLimits;
  readonly build: BuildInfo;
}

export interface MetricsApi {
  /** Writes and queries, both at the root and (queries) below `/prometheus`, and the health checks. */
  readonly routes: readonly Route[];
  /** Queries below `/prometheus` alone, for the origin of the web application. */
  readonly queryRoutes: readonly Route[];
  families(): readonly MetricFamily[];
}

/** Makes the API. It owns nothing that must be closed; the store is the caller's. */
export function createMetricsApi(options: MetricsApiOptions): MetricsApi {
  const gate = new QueryGate(DEFAULT_QUERY_GATE_LIMITS);
  const { clock, limits, log, store } = options;
  const ingest = createMetricIngest({ store, clock, limits });
  const writes = createRemoteWriteRoutes({ ingest, limits, log });
  const engine = createEngine({
    clock,
    limits: { timeoutMs: limits.queryTimeoutMs },
    lookbackMs: limits.lookbackMs,
  });
  const source = createSeriesSource(store);
  const reads = [
    ...queryRoutes({ engine, source, gate, clock, limits }),
    ...labelRoutes({ store, build: options.build, gate, limits }),
  ];
  const prefixed = underPrefix("/prometheus", reads);
  return {
    routes: [...writes, ...reads, ...prefixed, ...flushRoutes(options), ...healthRoutes()],
    queryRoutes: prefixed,
    families: () => [
      ...ingest.families(),
      singleMetric(
        "finch_metrics_queries_running",
        "gauge",
        "PromQL queries being evaluated.",
        gate.running,
      ),
      singleMetric(
        "finch_metrics_queries_waiting",
        "gauge",
        "PromQL queries waiting for their turn.",
        gate.waiting,
      ),
    ],
  };
}

function healthRoutes(): readonly HttpRoute[] {
  const route = (path: string, text: string): HttpRoute => ({
    kind: "http",
    methods: ["GET"],
    path,
    faults: "text",
    handle: () => Promise.resolve(textReply(200, text)),
  });
  // Listeners open once the stores have: whoever is answered here can write and query.
  return [
    route("/-/healthy", "Finch is Healthy.\n"),
    route("/-/ready", "Finch is Ready.\n"),
    route("/ready", "ready\n"),
  ];
}
