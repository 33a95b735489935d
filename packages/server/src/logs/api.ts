/** The logs API: everything Loki's clients ask, as routes to be mounted on any listener. */
import { createEngine } from "@finch/logql";
import type { LogBatch } from "@finch/model";
import { silentLogger, singleMetric } from "@finch/runtime";
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import { textReply, withAccess } from "@finch/runtime/http";
import type { HttpRoute, Route } from "@finch/runtime/http";
import type { LogStore, Retention } from "@finch/store";
import type { BuildInfo } from "../build-info.ts";
import { DEFAULT_QUERY_GATE_LIMITS, QueryGate } from "../query-gate.ts";
import { mountScopedRoutes } from "../read-scope.ts";
import type { ReadScope, ReadScopeOf } from "../read-scope.ts";
import { deleteRoutes } from "./delete-routes.ts";
import { detectedRoutes } from "./detected-routes.ts";
import { withDemotedLabels } from "./demoted-reads.ts";
import { demotionRoutes } from "./demotion-routes.ts";
import type { LabelDemotion } from "./label-demotion.ts";
import { labelRoutes } from "./label-routes.ts";
import { limitRoutes } from "./limit-routes.ts";
import { legacyRoutes } from "./legacy-routes.ts";
import type { LogsLimits } from "./limits.ts";
import { createLogIngest } from "./ingest.ts";
import { pushRoutes } from "./push-routes.ts";
import { patternRoutes } from "./pattern-routes.ts";
import { createReceivers } from "./receivers.ts";
import type { LogReceivers } from "./receivers.ts";
import { queryRoutes } from "./query-routes.ts";
import { ruleRoutes } from "./rule-routes.ts";
import { scopeReads } from "./scoped-store.ts";
import { createLogSource } from "./source.ts";
import { createTailRoutes } from "./tail-route.ts";
import type { OpenTails } from "./tail-route.ts";
import { volumeRoutes } from "./volume-routes.ts";

export interface LogsApiOptions {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly limits: LogsLimits;
  readonly build: BuildInfo;
  /** Told to whoever asks for limits; the store itself keeps to it. */
  readonly retention: Retention;
  /** Without it every label stays one of streams. */
  readonly demotion?: LabelDemotion;
  /** What a request may read; everything when missing. */
  readonly scopeOf?: ReadScopeOf;
  readonly log?: Logger;
}

export interface LogsApi extends LogReceivers {
  /** Push, queries, tail, and the readiness check. */
  readonly routes: readonly Route[];
  /** Queries and tail alone, for the origin of the web application. */
  readonly queryRoutes: readonly Route[];
  /** The path every pushed batch takes; for lines made in this process. Resolves with refusals in words. */
  ingest(batch: LogBatch): Promise<readonly string[]>;
  families(): readonly MetricFamily[];
}

/** Makes the API. It owns nothing that must be closed; the store is the caller's. */
export function createLogsApi(options: LogsApiOptions): LogsApi {
  const gate = new QueryGate(DEFAULT_QUERY_GATE_LIMITS);
  const { clock, demotion, limits, log = silentLogger } = options;
  const storeFor = (scope: ReadScope | undefined): LogStore => {
    const { store } = options;
    const seen = scope === undefined ? store : scopeReads(store, scope);
    return demotion === undefined ? seen : withDemotedLabels(seen, () => demotion.names);
  };
  const store = storeFor(undefined);
  const engine = createEngine({
    clock,
    limits: {
      entriesMax: limits.entriesPerQueryMax,
      seriesMax: limits.seriesPerQueryMax,
      pointsMax: limits.pointsPerSeriesMax,
    },
  });
  const tails: OpenTails = { count: 0 };
  const contextFor = (scope: ReadScope | undefined) => {
    const seen = storeFor(scope);
    const source = createLogSource(seen);
    return { engine, source, gate, clock, limits, store: seen, tails, build: options.build };
  };
  const ingest = createLogIngest(options);
  const receivers = createReceivers({ ingest, clock, limits, log });
  const scoped = (make: (context: ReturnType<typeof contextFor>) => readonly Route[]) =>
    withAccess(
      "read",
      mountScopedRoutes((scope) => make(contextFor(scope)), options.scopeOf),
    );
  const reads: readonly Route[] = [
    ...scoped((context) => [
      ...queryRoutes(context),
      ...labelRoutes(context),
      ...volumeRoutes(context),
      ...detectedRoutes(context),
      ...patternRoutes(context),
      ...createTailRoutes(context),
    ]),
    ...withAccess("signed-in", limitRoutes(options)),
    ...(demotion === undefined ? [] : withAccess("edit", demotionRoutes(demotion))),
  ];
  const ready: HttpRoute = {
    access: "open",
    kind: "http",
    methods: ["GET"],
    path: "/ready",
    faults: "text",
    // Listeners open once the stores have: whoever is answered here can push and query.
    handle: () => Promise.resolve(textReply(200, "ready\n")),
  };
  return {
    routes: [
      ...withAccess("write", [...pushRoutes(ingest, limits), ...receivers.otlp.routes]),
      ...reads,
      ...scoped(legacyRoutes),
      ...withAccess("admin", deleteRoutes({ store, clock })),
      ...withAccess("read-all", ruleRoutes()),
      ready,
    ],
    queryRoutes: reads,
    ...receivers,
    ingest: async (batch) => (await ingest.take(batch)).told(),
    families: () => [
      ...ingest.families(),
      ...receivers.syslog.families(),
      ...readFamilies(gate, tails),
      ...(demotion === undefined ? [] : demotionFamilies(demotion)),
    ],
  };
}

function readFamilies(gate: QueryGate, tails: OpenTails): readonly MetricFamily[] {
  return [
    singleMetric(
      "finch_logs_queries_running",
      "gauge",
      "LogQL queries being evaluated.",
      gate.running,
    ),
    singleMetric(
      "finch_logs_queries_waiting",
      "gauge",
      "LogQL queries waiting for their turn.",
      gate.waiting,
    ),
    singleMetric("finch_logs_tails_open", "gauge", "Open live tails.", tails.count),
  ];
}

function demotionFamilies(demotion: LabelDemotion): readonly MetricFamily[] {
  return [
    singleMetric(
      "finch_logs_demoted_labels",
      "gauge",
      "Labels with too many values, which are structured metadata in place of stream labels.",
      demotion.list().filter(({ untilMs }) => untilMs === undefined).length,
    ),
    singleMetric(
      "finch_logs_label_values_counted",
      "gauge",
      "Values of stream labels seen in the current window.",
      demotion.valuesCounted,
    ),
  ];
}
