/** What Mimir answers beyond Prometheus' API: limits and figures of a tenant, the configuration and the services as plain text. */
import { jsonReply, textReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { withTimeout } from "../query-gate.ts";
import { apiRoute, GET } from "./api-route.ts";
import type { ReadContext } from "./api-route.ts";
import type { MetricsLimits } from "./limits.ts";
import type { ServerStatus } from "./status-routes.ts";
import type { WriteMeter } from "./write-meter.ts";

export interface TenantContext extends ReadContext {
  readonly status: ServerStatus;
  readonly meter: WriteMeter;
}

/** Of the tenant that asks. */
export function tenantFigureRoutes(context: TenantContext): readonly HttpRoute[] {
  return [
    apiRoute(GET, "/api/v1/user_limits", async () =>
      jsonReply(200, describeLimits(context.limits, context.status)),
    ),
    apiRoute(GET, "/api/v1/user_stats", (request) => answerStats(context, request)),
  ];
}

/** Of the server. */
export function mimirPageRoutes(status: ServerStatus): readonly HttpRoute[] {
  const page = (path: string, text: () => string): HttpRoute => ({
    kind: "http",
    methods: GET,
    path,
    faults: "text",
    handle: async () => textReply(200, text()),
  });
  return [
    page("/config", () => status.configYaml),
    page("/services", () =>
      status
        .services()
        .map(({ name, state }) => `${name} => ${state}\n`)
        .join(""),
    ),
  ];
}

/** Under the names of Mimir's limits; what Finch does not limit is 0, which means the same there. */
function describeLimits(limits: MetricsLimits, status: ServerStatus): object {
  return {
    ingestion_rate: limits.ingestionRate.perSecond,
    ingestion_burst_size: limits.ingestionRate.burst,
    max_global_series_per_user: status.seriesMax,
    max_global_series_per_metric: 0,
    max_label_names_per_series: limits.labels.labelsPerSeriesMax,
    max_label_name_length: limits.labels.labelNameBytesMax,
    max_label_value_length: limits.labels.labelValueBytesMax,
    compactor_blocks_retention_period: status.retentionMs / 1000,
    ruler_max_rules_per_rule_group: 0,
    ruler_max_rule_groups_per_tenant: 0,
  };
}

async function answerStats(context: TenantContext, request: HttpRequest): Promise<HttpReply> {
  const { store, gate, limits, meter } = context;
  using limited = withTimeout(request.signal, limits.queryTimeoutMs, "query timed out");
  const { signal } = limited;
  using _place = await gate.enter(signal);
  const { series: numSeries } = await store.cardinality({ matchers: [], limit: 0, signal });
  const rate = meter.perSecond();
  return jsonReply(200, {
    ingestionRate: rate,
    numSeries,
    APIIngestionRate: rate,
    RuleIngestionRate: 0,
  });
}
