/**
 * Prometheus' configuration as components: what is scraped, under the name of the job, and `prometheus.remote_write.default`. What Prometheus
 * does besides collecting (rules, alerts, storage) is reported.
 */
import type { YamlNode } from "../yaml-config.ts";
import type { Statement } from "./alloy-tree.ts";
import { identifierOf, labelOf } from "./conversion.ts";
import type { Conversion } from "./conversion.ts";
import { convertFound, ignored, map, refused } from "./fields.ts";
import type { Fields } from "./fields.ts";
import {
  convertPrometheusJob,
  readScrapeDefaults,
  SCRAPE_DEFAULT_KEYS,
  SCRAPE_DEFAULTS,
} from "./prometheus-job.ts";
import type { ScrapeDefaults } from "./prometheus-job.ts";
import { convertRemoteWrite } from "./prometheus-remote-write.ts";

const NO_RULES = "rules are not evaluated here; give them to what the samples are sent to";

/** Sections that are not about collecting. */
const OTHER_SECTIONS: Fields = {
  rule_files: refused(NO_RULES),
  alerting: refused("alerts are not sent from here; give them to what the samples are sent to"),
  storage: refused("samples are only queued here; storage is that of what they are sent to"),
  remote_read: refused("nothing is queried here; leave it out"),
  tracing: refused("traces of the agent itself cannot be sent yet"),
  otlp: refused("OTLP is not received by a Prometheus of this kind; leave it out"),
  scrape_config_files: refused("other files are not read; copy their scrape_configs into this one"),
  runtime: ignored,
};

const SECTIONS = ["global", "scrape_configs", "remote_write"] as const;

export function convertPrometheus(root: YamlNode, conversion: Conversion): void {
  const sections = root.fields([...SECTIONS, ...Object.keys(OTHER_SECTIONS)]);
  const { global, scrape_configs: jobs, remote_write: writes } = sections;
  convertPrometheusSections(
    { jobs: jobs?.list() ?? [], writes: writes?.list() ?? [] },
    conversion,
    { label: "", defaults: readPrometheusDefaults(global, conversion) },
  );
  convertFound(sections, OTHER_SECTIONS, conversion.log);
}

/** Keys of `global` that are not about scraping. */
const GLOBAL_FIELDS: Fields = {
  external_labels: map(),
  evaluation_interval: refused(NO_RULES, "info"),
  rule_query_offset: refused(NO_RULES, "info"),
  query_log_file: refused("nothing is queried here; leave it out"),
};

/** What `global` says, for jobs and for what they write to. */
export interface PrometheusDefaults {
  readonly scrape: ScrapeDefaults;
  /** `external_labels` of `prometheus.remote_write`. */
  readonly externalLabels: readonly Statement[];
}

/** `otherKeys` are keys of the section that are read elsewhere. */
export function readPrometheusDefaults(
  global: YamlNode | undefined,
  conversion: Conversion,
  otherKeys: readonly string[] = [],
): PrometheusDefaults {
  const { log } = conversion;
  const keys = [...SCRAPE_DEFAULT_KEYS, ...Object.keys(GLOBAL_FIELDS), ...otherKeys];
  const fields = log.guard(() => global?.fields(keys)) ?? {};
  return {
    scrape: log.guard(() => readScrapeDefaults(fields)) ?? SCRAPE_DEFAULTS,
    externalLabels: log.guard(() => convertFound(fields, GLOBAL_FIELDS, log)) ?? [],
  };
}

export interface PrometheusSections {
  readonly jobs: readonly YamlNode[];
  readonly writes: readonly YamlNode[];
}

/** Jobs and where their samples go; `label` stands in front of the label of each component, empty for Prometheus itself. */
export function convertPrometheusSections(
  { jobs, writes }: PrometheusSections,
  conversion: Conversion,
  options: { readonly label: string; readonly defaults: PrometheusDefaults },
): void {
  const { log } = conversion;
  const { label, defaults } = options;
  const write = convertRemoteWrite(writes, {
    label: label === "" ? "default" : label,
    externalLabels: defaults.externalLabels,
    log,
  });
  if (write === undefined && jobs.length > 0)
    log.add("warning", jobs[0], "there is no remote_write: what is scraped goes nowhere");
  const receivers = write === undefined ? [] : [`prometheus.remote_write.${write.label}.receiver`];
  for (const job of jobs) {
    log.guard(() =>
      convertPrometheusJob(job, {
        conversion,
        defaults: defaults.scrape,
        receivers,
        label: (name) => identifierOf(labelOf(label, name)),
      }),
    );
  }
  if (write !== undefined) conversion.add(write);
}
