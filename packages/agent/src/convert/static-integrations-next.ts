/**
 * Integrations of the static agent in the form of `-enable-features=integrations-next`: those that may be there several times are lists, and each is
 * sent where an instance of `metrics` sends.
 */
import type { YamlNode } from "../yaml-config.ts";
import { attribute, block, code, literal } from "./alloy-tree.ts";
import { identifierOf } from "./conversion.ts";
import type { Conversion } from "./conversion.ts";
import { readBool, readMap } from "./fields.ts";
import { addScrape, readTimes, scrapeTimes } from "./prometheus-job.ts";
import { convertRules } from "./relabel-rules.ts";
import { exporterBody, exporterKeys, EXPORTERS } from "./static-exporters.ts";
import { withLabels } from "./static-integrations.ts";
import type { IntegrationOptions } from "./static-integrations.ts";

interface NextKind {
  /** Key in {@link EXPORTERS}, and the name without this form. */
  readonly exporter: string;
  /** In the job, `integrations/NAME`. */
  readonly name: string;
}

const SINGLE: Readonly<Record<string, NextKind>> = {
  agent: { exporter: "agent", name: "agent" },
  cadvisor: { exporter: "cadvisor", name: "cadvisor" },
  blackbox: { exporter: "blackbox", name: "blackbox" },
  node_exporter: { exporter: "node_exporter", name: "node_exporter" },
  process: { exporter: "process_exporter", name: "process" },
  windows: { exporter: "windows_exporter", name: "windows" },
};

const LISTS: Readonly<Record<string, NextKind>> = {
  apache_http_configs: { exporter: "apache_http", name: "apache_http" },
  github_configs: { exporter: "github_exporter", name: "github" },
  memcached_configs: { exporter: "memcached_exporter", name: "memcached" },
  mysql_configs: { exporter: "mysqld_exporter", name: "mysql" },
  postgres_configs: { exporter: "postgres_exporter", name: "postgres" },
  redis_configs: { exporter: "redis_exporter", name: "redis" },
  squid_configs: { exporter: "squid", name: "squid" },
};

/** With the component each needs. */
const NOT_BUILT: Readonly<Record<string, string>> = {
  app_agent_receiver_configs: "faro.receiver",
  azure_configs: "prometheus.exporter.azure",
  catchpoint_configs: "prometheus.exporter.catchpoint",
  cloudwatch_configs: "prometheus.exporter.cloudwatch",
  consul_configs: "prometheus.exporter.consul",
  dnsmasq_configs: "prometheus.exporter.dnsmasq",
  elasticsearch_configs: "prometheus.exporter.elasticsearch",
  gcp_configs: "prometheus.exporter.gcp",
  kafka_configs: "prometheus.exporter.kafka",
  mongodb_configs: "prometheus.exporter.mongodb",
  mssql_configs: "prometheus.exporter.mssql",
  oracledb_configs: "prometheus.exporter.oracledb",
  snmp: "prometheus.exporter.snmp",
  snowflake_configs: "prometheus.exporter.snowflake",
  statsd: "prometheus.exporter.statsd",
  vsphere_configs: "otelcol.receiver.vcenter",
};

const AUTOSCRAPE_KEYS = [
  "enable",
  "metrics_instance",
  "scrape_interval",
  "scrape_timeout",
] as const;
type Autoscrape = Partial<Record<(typeof AUTOSCRAPE_KEYS)[number], YamlNode>>;

export function convertNextIntegrations(
  node: YamlNode,
  conversion: Conversion,
  options: IntegrationOptions,
): void {
  const { log } = conversion;
  const fields = node.fields([
    "metrics",
    "eventhandler",
    ...Object.keys(SINGLE),
    ...Object.keys(LISTS),
    ...Object.keys(NOT_BUILT),
  ]);
  const { metrics, eventhandler } = fields;
  const shared = metrics?.fields(["autoscrape"]).autoscrape?.fields(AUTOSCRAPE_KEYS) ?? {};
  for (const [key, component] of Object.entries(NOT_BUILT)) {
    if (fields[key] !== undefined) conversion.leaveOut(component, fields[key]);
  }
  if (eventhandler !== undefined)
    log.add("error", eventhandler, "not converted; write a loki.source.kubernetes_events");
  const convert = (integration: YamlNode, kind: NextKind) =>
    log.guard(() => convertIntegration(integration, kind, conversion, { ...options, shared }));
  for (const [key, kind] of Object.entries(SINGLE)) {
    if (fields[key] !== undefined) convert(fields[key], kind);
  }
  for (const [key, kind] of Object.entries(LISTS)) {
    for (const integration of fields[key]?.list() ?? []) convert(integration, kind);
  }
}

function convertIntegration(
  node: YamlNode,
  kind: NextKind,
  conversion: Conversion,
  options: IntegrationOptions & { readonly shared: Autoscrape },
): void {
  const { log } = conversion;
  const exporter = EXPORTERS[kind.exporter]!;
  if (!conversion.needs(exporter.component, node)) return;
  const found: Partial<Record<string, YamlNode>> &
    Partial<Record<"autoscrape" | "instance" | "extra_labels", YamlNode>> = node.fields([
    "autoscrape",
    "instance",
    "extra_labels",
    ...exporterKeys(exporter),
  ]);
  const own = found.autoscrape?.fields([
    ...AUTOSCRAPE_KEYS,
    "relabel_configs",
    "metric_relabel_configs",
  ]);
  const scrape = { ...options.shared, ...own };
  if (scrape.enable !== undefined && !readBool(scrape.enable)) {
    log.add("error", scrape.enable, "an integration that is not scraped has no use here");
    return;
  }
  const target = scrape.metrics_instance?.text() ?? "default";
  if (!options.instances.includes(target))
    throw (scrape.metrics_instance ?? node).fault(`metrics has no instance called ${target}`);
  const instance = found.instance?.text();
  const id = conversion.add(
    block(exporter.component, exporterBody(exporter, found, log), {
      label: identifierOf(`integrations_${instance ?? kind.exporter}`),
      origin: node,
    }),
  );
  const labels = new Map(found.extra_labels === undefined ? [] : readMap(found.extra_labels));
  if (instance !== undefined) labels.set("instance", instance);
  addScrape(conversion, {
    label: identifierOf(`integrations_${instance ?? kind.name}`),
    origin: node,
    targets: [code(`${id}.targets`)],
    rules: withLabels(convertRules(own?.relabel_configs, log), labels, `integrations/${kind.name}`),
    metricRules: convertRules(own?.metric_relabel_configs, log),
    body: [
      attribute("job_name", literal(`integrations/${instance ?? kind.name}`)),
      ...scrapeTimes(readTimes(scrape, options.defaults.scrape)),
    ],
    receivers: [`prometheus.remote_write.${identifierOf(`metrics_${target}`)}.receiver`],
  });
}
