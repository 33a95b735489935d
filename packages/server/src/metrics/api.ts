/** The metrics API: everything Prometheus and Mimir clients ask, as routes to be mounted on any listener. */
import type { MetricMetadata } from "@finch/model";
import type { LanguageSwitches } from "@finch/promql";
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import { textReply, underPrefix, withAccess } from "@finch/runtime/http";
import type { HttpRoute, Route } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";
import type { BuildInfo } from "../build-info.ts";
import { DEFAULT_QUERY_GATE_LIMITS, QueryGate } from "../query-gate.ts";
import { mountScopedRoutes } from "../read-scope.ts";
import type { ReadScope, ReadScopeOf } from "../read-scope.ts";
import { adminRoutes, deleteRoutes } from "./admin-routes.ts";
import type { AdminActions } from "./admin-routes.ts";
import type { ReadContext } from "./api-route.ts";
import { cardinalityRoutes } from "./cardinality-routes.ts";
import { exemplarRoutes } from "./exemplar-routes.ts";
import { federateRoute } from "./federate-route.ts";
import { flushRoutes } from "./flush-routes.ts";
import { labelRoutes } from "./label-routes.ts";
import type { MetricsLimits } from "./limits.ts";
import { mimirPageRoutes, tenantFigureRoutes } from "./mimir-routes.ts";
import { notificationRoutes } from "./notification-routes.ts";
import type { Notifications } from "./notifications.ts";
import { QueryPool } from "./query-pool.ts";
import { queryRoutes } from "./query-routes.ts";
import { REMOTE_READ_GATE_LIMITS, remoteReadRoute } from "./remote-read-route.ts";
import { ruleRoutes } from "./rule-routes.ts";
import { readScopedMetadata, scopeReads } from "./scoped-store.ts";
import { searchRoutes } from "./search-routes.ts";
import { createSeriesSource } from "./source.ts";
import { ANONYMOUS } from "./tenant-id.ts";
import { mountTenantRoutes } from "./tenant-routes.ts";
import { scopeStore } from "./tenant-store.ts";
import { TenantWrites } from "./tenant-writes.ts";
import type { SeriesSpace } from "./tenant-writes.ts";
import { tsdbRoutes } from "./tsdb-routes.ts";
import type { OtlpOptions } from "./otlp-options.ts";
import type { OtlpMetrics } from "./write-otlp.ts";
import { statusRoutes } from "./status-routes.ts";
import type { Dialect, ServerStatus } from "./status-routes.ts";
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
  /** Whether each request is one of the tenants that its `X-Scope-OrgID` names, and is refused without. */
  readonly multitenancy: boolean;
  /** What a request may read; everything when missing. */
  readonly scopeOf?: ReadScopeOf;
  /** What the agent in this process scrapes; nothing when there is none. */
  readonly scrapePools: () => readonly ScrapePool[];
  /** What of PromQL is on besides what always is; nothing when missing. */
  readonly language?: LanguageSwitches;
  /** How OTLP metrics are named; Prometheus' defaults when missing. */
  readonly otlp?: OtlpOptions;
  /** What the admin API does; undefined turns it off. */
  readonly admin: AdminActions | undefined;
}

export interface MetricsApi extends AsyncDisposable {
  /** Writes, queries and health checks as Prometheus has them, queries below `/prometheus`, too. */
  readonly routes: readonly Route[];
  /** The same as Mimir has them. */
  readonly mimirRoutes: readonly Route[];
  /** Queries below `/prometheus` alone, for the origin of the web application. */
  readonly queryRoutes: readonly Route[];
  /** For the listeners that take nothing but OTLP. */
  readonly otlp: Pick<OtlpMetrics, "receiverRoutes" | "grpcMethods">;
  families(): readonly MetricFamily[];
}

/** Makes the API. Dispose it to end its query workers; the store is the caller's and must outlive it. */
export function createMetricsApi(options: MetricsApiOptions): MetricsApi {
  const { log, limits } = options;
  const writes = new TenantWrites(options);
  const pool = new QueryPool({
    limits,
    language: options.language ?? {},
    log: log.child("server:queries"),
  });
  const shared: Shared = {
    ...options,
    pool,
    gate: new QueryGate(DEFAULT_QUERY_GATE_LIMITS),
    readGate: new QueryGate(REMOTE_READ_GATE_LIMITS),
  };
  const reads = mountReads(options, (space) => readRoutes(shared, space));
  const federation = mountReads(options, (space) =>
    withAccess("read", [federateRoute({ ...shared, ...space })]),
  );
  const figures = mountReads(options, (space) => {
    const { meter } = writes.of(space);
    return [
      ...withAccess("read", cardinalityRoutes({ ...shared, ...space })),
      ...withAccess("read-all", tenantFigureRoutes({ ...shared, ...space, meter })),
    ];
  });
  const mimir = [...reads, ...figures, ...serverRoutes(options, "mimir")];
  const prometheus = [
    ...reads,
    ...federation,
    ...mount(options, (space) => withAccess("admin", deleteRoutes({ ...shared, ...space }))),
    ...withAccess("admin", adminRoutes(options)),
    ...serverRoutes(options, "prometheus"),
  ];
  const common = [
    ...mount(options, (space) => withAccess("write", writes.of(space).routes)),
    ...underPrefix("/prometheus", mimir),
    ...withAccess("admin", flushRoutes(options)),
    ...withAccess("open", healthRoutes()),
  ];
  const own = mountReads(options, (space) => readRoutes(shared, space), ANONYMOUS);
  return {
    routes: [...common, ...prometheus],
    mimirRoutes: [...common, ...mimir, ...withAccess("read-all", mimirPageRoutes(options.status))],
    queryRoutes: underPrefix("/prometheus", [...own, ...serverRoutes(options, "mimir")]),
    otlp: {
      receiverRoutes: mount(options, (space) =>
        withAccess("write", writes.of(space).otlp.receiverRoutes),
      ),
      grpcMethods: writes.grpcMethods(),
    },
    families: () => [...writes.families(), ...pool.families()],
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}

/** What the routes of all tenants have in common. */
interface Shared extends Omit<MetricsApiOptions, "store"> {
  readonly pool: QueryPool;
  readonly gate: QueryGate;
  readonly readGate: QueryGate;
}

/** Routes for the tenants of each request, or for one space of series when tenants are off. */
function mount(
  { multitenancy, store }: MetricsApiOptions,
  make: (space: SeriesSpace) => readonly HttpRoute[],
  otherwise?: string,
): readonly HttpRoute[] {
  if (!multitenancy) return make({ store, tenants: [ANONYMOUS] });
  return mountTenantRoutes((tenants) => make({ store: scopeStore(store, tenants), tenants }), {
    otherwise,
  });
}

/** A space of series as somebody sees it. */
interface ReadSpace extends SeriesSpace {
  readonly metadata: ReadContext["metadata"];
}

/** Routes for the tenants of each request and for what whoever asks may read of theirs. */
function mountReads(
  options: MetricsApiOptions,
  make: (space: ReadSpace) => readonly HttpRoute[],
  otherwise?: string,
): readonly HttpRoute[] {
  const makeScoped = (space: SeriesSpace) =>
    mountScopedRoutes((scope) => make(narrowSpace(space, scope)), options.scopeOf);
  return mount(options, makeScoped, otherwise);
}

function narrowSpace(space: SeriesSpace, scope: ReadScope | undefined): ReadSpace {
  const { store: whole } = space;
  if (scope === undefined) {
    const metadata = (): Promise<ReadonlyMap<string, MetricMetadata>> =>
      Promise.resolve(whole.metadata());
    return { ...space, metadata };
  }
  const store = scopeReads(whole, scope);
  return { ...space, store, metadata: () => readScopedMetadata(whole, store) };
}

function readRoutes(shared: Shared, { store, tenants, metadata }: ReadSpace): readonly HttpRoute[] {
  const { pool, clock, limits, status, readGate } = shared;
  const context: ReadContext = { ...shared, store, metadata };
  // The agent in this process is nobody's tenant: what it scrapes is told to those who read what it wrote.
  const scrapePools = tenants.includes(ANONYMOUS) ? shared.scrapePools : () => [];
  return [
    ...withAccess("read", [
      ...queryRoutes({ pool, source: createSeriesSource(store), clock, limits }),
      ...labelRoutes(context),
      ...syntaxRoutes(),
      ...exemplarRoutes(context),
      ...searchRoutes(context),
      ...tsdbRoutes(context),
      remoteReadRoute({ store, limits, gate: readGate }),
    ]),
    // What is scraped and what rules say is told of the server as a whole.
    ...withAccess("read-all", [...ruleRoutes(), ...targetRoutes({ scrapePools, status })]),
  ];
}

/** What is told of the server itself, whoever asks. */
function serverRoutes(options: MetricsApiOptions, dialect: Dialect): readonly HttpRoute[] {
  return [
    ...statusRoutes({ ...options, adminEnabled: options.admin !== undefined }, dialect),
    ...withAccess("read-all", notificationRoutes(options.notifications)),
  ];
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
