/**
 * The Grafana Agent's static mode as components: each instance of `metrics` as a Prometheus of its own under `metrics_NAME`, each of `logs` as a
 * Promtail under `logs_NAME`, integrations as exporters.
 */
import type { YamlNode } from "../yaml-config.ts";
import { block } from "./alloy-tree.ts";
import { identifierOf } from "./conversion.ts";
import type { Conversion } from "./conversion.ts";
import {
  convertFields,
  convertFound,
  ignored,
  list,
  refused,
  refusedWhenTrue,
  text,
} from "./fields.ts";
import type { Fields } from "./fields.ts";
import { convertPrometheusSections, readPrometheusDefaults } from "./prometheus.ts";
import { convertPromtailSections } from "./promtail.ts";
import type { StaticFlags } from "./program-flags.ts";
import { convertIntegrations } from "./static-integrations.ts";
import type { IntegrationOptions } from "./static-integrations.ts";
import { convertNextIntegrations } from "./static-integrations-next.ts";

const SECTIONS = [
  "server",
  "metrics",
  "prometheus",
  "logs",
  "loki",
  "traces",
  "tempo",
  "integrations",
  "agent_management",
] as const;

export function convertStatic(root: YamlNode, conversion: Conversion, flags: StaticFlags): void {
  const { log } = conversion;
  const found = root.fields(SECTIONS);
  const metrics = onlyOne(found.metrics, found.prometheus, "metrics");
  const logs = onlyOne(found.logs, found.loki, "logs");
  const traces = onlyOne(found.traces, found.tempo, "traces");
  log.guard(() => convertServer(found.server, conversion));
  const shared = log.guard(() => convertMetrics(metrics, conversion));
  log.guard(() => convertLogs(logs, conversion));
  const { integrations } = found;
  if (integrations !== undefined && shared !== undefined) {
    const convert = flags.hasNextIntegrations ? convertNextIntegrations : convertIntegrations;
    log.guard(() => convert(integrations, conversion, shared));
  }
  if (traces !== undefined)
    log.add("error", traces, "not supported yet: traces need otelcol components");
  if (found.agent_management !== undefined)
    log.add("error", found.agent_management, "configurations are not fetched by this section here");
}

/** A section has an older name too. */
function onlyOne(
  section: YamlNode | undefined,
  old: YamlNode | undefined,
  name: string,
): YamlNode | undefined {
  if (section !== undefined && old !== undefined)
    throw old.fault(`the older name of ${name}, which is there too; write one of them`);
  return section ?? old;
}

const SERVER_TLS_FIELDS: Fields = {
  cert_file: text(),
  key_file: text(),
  client_ca_file: text(),
  client_auth_type: text(),
  cipher_suites: list(),
  curve_preferences: list(),
  min_version: text(),
  max_version: text(),
  prefer_server_cipher_suites: refusedWhenTrue("the order of cipher suites cannot be set"),
  windows_certificate_filter: refused("certificates of the store of Windows cannot be used"),
};

function convertServer(server: YamlNode | undefined, conversion: Conversion): void {
  if (server === undefined) return;
  const { log } = conversion;
  const { log_level, log_format, http_tls_config, grpc_tls_config } = server.fields([
    "log_level",
    "log_format",
    "http_tls_config",
    "grpc_tls_config",
  ]);
  const logging = convertFound({ log_level, log_format }, LOGGING_FIELDS, log);
  if (logging.length > 0) conversion.add(block("logging", logging, { origin: server }));
  if (http_tls_config !== undefined) {
    const tls = convertFields(http_tls_config, SERVER_TLS_FIELDS, log);
    const origin = http_tls_config;
    // Without a certificate it is no TLS that is set up.
    if (tls.some(({ name }) => name === "cert_file"))
      conversion.add(block("http", [block("tls", tls, { origin })], { origin }));
  }
  if (grpc_tls_config !== undefined)
    log.add("error", grpc_tls_config, "the agent has no gRPC server; leave it out");
}

const LOGGING_FIELDS: Fields = { log_level: text("level"), log_format: text("format") };

const NO_EFFECT = "it has no effect here";

/** Settings of `metrics` besides its instances. */
const METRICS_FIELDS: Fields = {
  wal_directory: refused("queues are kept below --storage.path", "warning"),
  wal_cleanup_age: refused(NO_EFFECT, "info"),
  wal_cleanup_period: refused(NO_EFFECT, "info"),
  scraping_service: refused("scraping cannot be shared by way of a key-value store here"),
  scraping_service_client: refused("scraping cannot be shared by way of a key-value store here"),
  instance_restart_backoff: ignored,
  instance_mode: ignored,
  http_disable_keepalives: refusedWhenTrue(NO_EFFECT, "warning"),
  http_idle_conn_timeout: refused(NO_EFFECT, "warning"),
};

/** Settings of an instance besides jobs and remote_write. */
const INSTANCE_FIELDS: Fields = {
  host_filter: refusedWhenTrue(
    "targets of other machines are not filtered out; write a rule that drops them",
  ),
  host_filter_relabel_configs: refused("there is no host_filter here"),
  wal_truncate_frequency: ignored,
  min_wal_time: ignored,
  max_wal_time: ignored,
  remote_flush_deadline: ignored,
  write_stale_on_shutdown: ignored,
};

function convertMetrics(metrics: YamlNode | undefined, conversion: Conversion): IntegrationOptions {
  const { log } = conversion;
  const found = metrics?.fields(["global", "configs", ...Object.keys(METRICS_FIELDS)]) ?? {};
  const { global, configs } = found;
  convertFound(found, METRICS_FIELDS, log);
  const defaults = readPrometheusDefaults(global, conversion, ["remote_write"]);
  const writes = global?.entries().get("remote_write")?.list() ?? [];
  const instances = (configs?.list() ?? []).flatMap((instance) => {
    const convert = () => convertMetricsInstance(instance, conversion, { defaults, writes });
    return log.guard(convert) ?? [];
  });
  return { defaults, writes, instances };
}

/** Gives the name of the instance. */
function convertMetricsInstance(
  instance: YamlNode,
  conversion: Conversion,
  { defaults, writes }: Pick<IntegrationOptions, "defaults" | "writes">,
): string {
  const found = instance.fields([
    "name",
    "scrape_configs",
    "remote_write",
    ...Object.keys(INSTANCE_FIELDS),
  ]);
  const { name, scrape_configs: jobs, remote_write: own } = found;
  if (name === undefined) throw instance.fault("the instance needs a name");
  convertFound(found, INSTANCE_FIELDS, conversion.log);
  const ownWrites = own?.list() ?? [];
  convertPrometheusSections(
    { jobs: jobs?.list() ?? [], writes: ownWrites.length > 0 ? ownWrites : writes },
    conversion,
    { label: identifierOf(`metrics_${name.text()}`), defaults },
  );
  return name.text();
}

function convertLogs(logs: YamlNode | undefined, conversion: Conversion): void {
  if (logs === undefined) return;
  const {
    positions_directory: directory,
    global,
    configs,
  } = logs.fields(["positions_directory", "global", "configs"]);
  const shared = global?.fields(["file_watch_config", "clients"]);
  for (const instance of configs?.list() ?? [])
    conversion.log.guard(() =>
      convertLogsInstance(instance, conversion, {
        directory: directory?.text(),
        clients: shared?.clients?.list() ?? [],
        watch: shared?.file_watch_config,
      }),
    );
}

function convertLogsInstance(
  instance: YamlNode,
  conversion: Conversion,
  shared: {
    readonly directory: string | undefined;
    readonly clients: readonly YamlNode[];
    readonly watch: YamlNode | undefined;
  },
): void {
  const found = instance.fields([
    "name",
    "clients",
    "positions",
    "scrape_configs",
    "target_config",
    "limits_config",
  ]);
  const name = found.name?.text();
  if (name === undefined) throw instance.fault("the instance needs a name");
  const own = found.clients?.list() ?? [];
  const { directory } = shared;
  convertPromtailSections(
    {
      clients: own.length > 0 ? own : shared.clients,
      positions: found.positions,
      jobs: found.scrape_configs?.list() ?? [],
      targetConfig: found.target_config,
      limits: found.limits_config,
      watch: shared.watch,
    },
    conversion,
    {
      label: identifierOf(`logs_${name}`),
      positionsFile: directory === undefined ? undefined : `${directory}/${name}.yml`,
    },
  );
}
