/** The metrics API: everything Prometheus and Mimir clients ask, as routes to be mounted on any listener. */
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import { textReply, underPrefix } from "@finch/runtime/http";
import type { HttpRoute, Route } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";
import type { BuildInfo } from "../build-info.ts";
import { DEFAULT_QUERY_GATE_LIMITS, QueryGate } from "../query-gate.ts";
import type { ReadContext } from "./api-route.ts";
import { federateRoute } from "./federate-route.ts";
import { flushRoutes } from "./flush-routes.ts";
import { labelRoutes } from "./label-routes.ts";
import type { MetricsLimits } from "./limits.ts";
import { notificationRoutes } from "./notification-routes.ts";
import type { Notifications } from "./notifications.ts";
import { QueryPool } from "./query-pool.ts";
import { queryRoutes } from "./query-routes.ts";
import { remoteReadRoute } from "./remote-read-route.ts";
import { ruleRoutes } from "./rule-routes.ts";
import { searchRoutes } from "./search-routes.ts";
import { createSeriesSource } from "./source.ts";
import { createMetricIngest } from "./write-ingest.ts";
import { createOtlpMetrics, DEFAULT_OTLP_OPTIONS } from "./write-otlp.ts";
import type { OtlpMetrics, OtlpOptions } from "./write-otlp.ts";
import { createRemoteWriteRoutes } from "./write-routes.ts";
import { statusRoutes } from "./status-routes.ts";
import type { ServerStatus } from "./status-routes.ts";
import { syntaxRoutes } from "./syntax-routes.ts";
import { targetRoutes } from "./target-routes.ts";
import type { ScrapePool } from "./target-routes.ts";

export interface MetricsApiOptions {
  readonly store: MetricStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: MetricsLimits;
  readonly build: BuildInfo;
  readonly status: ServerStatus;
  readonly notifications: Notifications;
  /** What the agent in this process scrapes; nothing when there is none. */
  readonly scrapePools: () => readonly ScrapePool[];
  /** How OTLP metrics are named; Prometheus' defaults when missing. */
  readonly otlp?: OtlpOptions;
}

export interface MetricsApi extends AsyncDisposable {
  /** Writes, queries and health checks as Prometheus has them, queries below `/prometheus`, too. */
  readonly routes: readonly Route[];
  /** The same as Mimir has them. */
  readonly mimirRoutes: readonly Route[];
  /** Queries below `/prometheus` alone, for the origin of the web application. */
  readonly queryRoutes: readonly Route[];
  /** For the listeners that take nothing but OTLP. */
  readonly otlp: OtlpMetrics;
  families(): readonly MetricFamily[];
}

/** Makes the API. Dispose it to end its query workers; the store is the caller's and must outlive it. */
export function createMetricsApi(options: MetricsApiOptions): MetricsApi {
  const gate = new QueryGate(DEFAULT_QUERY_GATE_LIMITS);
  const { clock, limits, log, store } = options;
  const ingest = createMetricIngest({ store, clock, limits });
  const otlp = createOtlpMetrics({
    ingest,
    clock,
    limits,
    options: options.otlp ?? DEFAULT_OTLP_OPTIONS,
  });
  const writes = [...createRemoteWriteRoutes({ ingest, limits, log }), ...otlp.routes];
  const pool = new QueryPool({
    source: createSeriesSource(store),
    limits,
    log: log.child("server:queries"),
  });
  const context: ReadContext = { store, gate, limits, clock };
  const shared = [
    ...queryRoutes({ pool, clock, limits }),
    ...labelRoutes(context),
    ...syntaxRoutes(),
    ...ruleRoutes(),
    ...searchRoutes(context),
    ...notificationRoutes(options.notifications),
    ...targetRoutes(options),
    remoteReadRoute(context),
  ];
  const status = { ...options, adminEnabled: false };
  const mimir = [...shared, ...statusRoutes(status, "mimir")];
  const prometheus = [...shared, ...statusRoutes(status, "prometheus"), federateRoute(context)];
  const prefixed = underPrefix("/prometheus", mimir);
  const common = [...writes, ...prefixed, ...flushRoutes(options), ...healthRoutes()];
  return {
    routes: [...common, ...prometheus],
    mimirRoutes: [...common, ...mimir],
    queryRoutes: prefixed,
    otlp,
    families: () => [...ingest.families(), ...otlp.families(), ...pool.families()],
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
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
