/** `drilldown-limits` and `config/tenant/v1/limits`: what Grafana's Logs Drilldown asks before it asks anything else, under Loki's names. */
import { formatDuration, formatMatcher } from "@finch/model";
import { jsonReply } from "@finch/runtime/http";
import type { HttpRoute } from "@finch/runtime/http";
import type { Retention } from "@finch/store";
import type { BuildInfo } from "../build-info.ts";
import { LEVEL_NAMES } from "./level.ts";
import type { LogsLimits } from "./limits.ts";
import { textRoute } from "./text-route.ts";

export function limitRoutes(options: {
  readonly limits: LogsLimits;
  readonly retention: Retention;
  readonly build: BuildInfo;
}): readonly HttpRoute[] {
  const limits = describeLimits(options.limits, options.retention);
  const drilldown = {
    limits,
    pattern_ingester_enabled: true,
    version: options.build.version,
  };
  return [
    textRoute("/loki/api/v1/drilldown-limits", async () => jsonReply(200, drilldown), ["GET"]),
    textRoute("/config/tenant/v1/limits", async () => jsonReply(200, limits), ["GET"]),
  ];
}

function describeLimits(
  limits: LogsLimits,
  retention: Retention,
): Readonly<Record<string, unknown>> {
  return {
    discover_log_levels: true,
    discover_service_name: true,
    log_level_fields: LEVEL_NAMES,
    max_entries_limit_per_query: limits.entriesPerQueryMax,
    max_query_length: formatDuration(limits.queryRangeMsMax),
    max_query_series: limits.seriesPerQueryMax,
    query_timeout: formatDuration(limits.queryTimeoutMs),
    max_concurrent_tail_requests: limits.tailsMax,
    max_line_size: limits.lineBytesMax,
    max_label_names_per_series: limits.labelsPerStreamMax,
    max_label_name_length: limits.labelNameBytesMax,
    max_label_value_length: limits.labelValueBytesMax,
    max_structured_metadata_size: limits.metadataBytesMax,
    max_structured_metadata_entries_count: limits.metadataEntriesMax,
    reject_old_samples: true,
    reject_old_samples_max_age: formatDuration(limits.ageMsMax),
    creation_grace_period: formatDuration(limits.futureMsMax),
    allow_structured_metadata: true,
    retention_period: formatDuration(retention.maxAgeMs),
    retention_stream: (retention.rules ?? []).map(({ matchers, maxAgeMs }) => ({
      selector: `{${matchers.map(formatMatcher).join(", ")}}`,
      period: formatDuration(maxAgeMs),
      priority: 0,
    })),
    volume_enabled: true,
    metric_aggregation_enabled: false,
    pattern_persistence_enabled: true,
    deletion_mode: "filter-and-delete",
  };
}
