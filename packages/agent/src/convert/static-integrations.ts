/**
 * Integrations of the static agent as exporters: `prometheus.exporter.KIND.integrations_NAME`, scraped under the job `integrations/NAME` and sent
 * to `prometheus.remote_write.integrations`.
 */
import type { YamlNode } from "../yaml-config.ts";
import { attribute, block, code, literal } from "./alloy-tree.ts";
import type { Block, Statement } from "./alloy-tree.ts";
import { identifierOf } from "./conversion.ts";
import type { Conversion } from "./conversion.ts";
import { ignored, readBool, readMap } from "./fields.ts";
import type { Fields } from "./fields.ts";
import { addScrape, readTimes, scrapeTimes } from "./prometheus-job.ts";
import type { PrometheusDefaults } from "./prometheus.ts";
import { convertRemoteWrite } from "./prometheus-remote-write.ts";
import { convertRules } from "./relabel-rules.ts";
import { exporterBody, exporterKeys, EXPORTERS, EXPORTERS_NOT_BUILT } from "./static-exporters.ts";

const COMMON_KEYS = [
  "enabled",
  "instance",
  "scrape_integration",
  "scrape_interval",
  "scrape_timeout",
  "relabel_configs",
  "metric_relabel_configs",
  "wal_truncate_frequency",
] as const;

/** Settings of all integrations. */
const SHARED_FIELDS: Fields = {
  integration_restart_backoff: ignored,
  // Exporters are asked within the process.
  http_tls_config: ignored,
  replace_instance_label: ignored,
  use_hostname_label: ignored,
  wal_truncate_frequency: ignored,
};

const SHARED_KEYS = ["scrape_integrations", "prometheus_remote_write", "labels"] as const;

export interface IntegrationOptions {
  readonly defaults: PrometheusDefaults;
  /** `remote_write` of `metrics.global`, where integrations send to unless they say otherwise. */
  readonly writes: readonly YamlNode[];
  /** Names of the instances of `metrics`. */
  readonly instances: readonly string[];
}

interface Shared {
  readonly scrapes: boolean;
  readonly labels: ReadonlyMap<string, string>;
  readonly receivers: readonly string[];
  readonly defaults: PrometheusDefaults;
}

export function convertIntegrations(
  node: YamlNode,
  conversion: Conversion,
  options: IntegrationOptions,
): void {
  const { log } = conversion;
  const fields = node.fields([
    ...SHARED_KEYS,
    ...Object.keys(SHARED_FIELDS),
    ...Object.keys(EXPORTERS),
    ...Object.keys(EXPORTERS_NOT_BUILT),
  ]);
  const { scrape_integrations: scrapes, prometheus_remote_write: own, labels } = fields;
  const write = convertRemoteWrite(own?.list() ?? options.writes, {
    label: "integrations",
    externalLabels: options.defaults.externalLabels,
    log,
  });
  const shared: Shared = {
    scrapes: scrapes === undefined || readBool(scrapes),
    labels: labels === undefined ? new Map() : readMap(labels),
    receivers: write === undefined ? [] : ["prometheus.remote_write.integrations.receiver"],
    defaults: options.defaults,
  };
  const before = conversion.blocks.length;
  for (const [name, component] of Object.entries(EXPORTERS_NOT_BUILT)) {
    const integration = fields[name];
    if (integration !== undefined && isEnabled(name, integration, conversion))
      conversion.leaveOut(component, integration);
  }
  for (const name of Object.keys(EXPORTERS)) {
    const integration = fields[name];
    if (integration !== undefined && isEnabled(name, integration, conversion))
      log.guard(() => convertIntegration(name, integration, conversion, shared));
  }
  if (conversion.blocks.length === before) return;
  if (write === undefined)
    log.add("error", node, "no remote_write is given: what the integrations show goes nowhere");
  else conversion.add(write);
}

function isEnabled(name: string, node: YamlNode, conversion: Conversion): boolean {
  const enabled = node.entries().get("enabled");
  if (enabled !== undefined && readBool(enabled)) return true;
  conversion.log.add("warning", node, `${name} is not enabled; it is left out`);
  return false;
}

type CommonFields = Partial<Record<string, YamlNode>> &
  Partial<Record<(typeof COMMON_KEYS)[number], YamlNode>>;

function convertIntegration(
  name: string,
  node: YamlNode,
  conversion: Conversion,
  shared: Shared,
): void {
  const exporter = EXPORTERS[name]!;
  if (!conversion.needs(exporter.component, node)) return;
  const found: CommonFields = node.fields([...COMMON_KEYS, ...exporterKeys(exporter)]);
  const { scrape_integration: own } = found;
  if (!(own === undefined ? shared.scrapes : readBool(own))) {
    conversion.log.add("error", own ?? node, "an integration that is not scraped has no use here");
    return;
  }
  const label = identifierOf(`integrations_${name}`);
  const body = exporterBody(exporter, found, conversion.log);
  const id = conversion.add(block(exporter.component, body, { label, origin: node }));
  const { relabel_configs: rules, metric_relabel_configs: metricRules, instance } = found;
  const set = new Map(instance === undefined ? [] : [["instance", instance.text()]]);
  for (const [key, value] of shared.labels) set.set(key, value);
  addScrape(conversion, {
    label,
    origin: node,
    targets: [code(`${id}.targets`)],
    rules: withLabels(convertRules(rules, conversion.log), set, `integrations/${name}`),
    metricRules: convertRules(metricRules, conversion.log),
    body: [
      attribute("job_name", literal(`integrations/${name}`)),
      ...scrapeTimes(readTimes(found, shared.defaults.scrape)),
    ],
    receivers: shared.receivers,
  });
}

/** Rules as they are written, then one for each label that is set, and one for the job unless a rule sets that. */
export function withLabels(
  written: readonly Block[],
  labels: ReadonlyMap<string, string>,
  job: string,
): readonly Block[] {
  const set = [...labels].map(([name, value]) => setLabel(name, value));
  const setsJob = written.some(({ body }) => body.some(isTargetJob));
  return [...written, ...set, ...(setsJob ? [] : [setLabel("job", job)])];
}

function isTargetJob(statement: Statement): boolean {
  return (
    statement.kind === "attribute" &&
    statement.name === "target_label" &&
    statement.value.kind === "literal" &&
    statement.value.value === "job"
  );
}

/** `$` in a value stands for itself. */
function setLabel(name: string, value: string): Block {
  return block("rule", [
    attribute("target_label", literal(name)),
    attribute("replacement", literal(value.replaceAll("$", "$$$$"))),
  ]);
}
