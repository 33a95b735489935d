/** One entry of `scrape_configs`: its targets, their relabelling, `prometheus.scrape`, and `prometheus.relabel` behind it. */
import { formatGoDuration } from "@finch/model";
import type { YamlNode } from "../yaml-config.ts";
import {
  attribute,
  block,
  code,
  joinLists,
  literal,
  mapOf,
  references,
  textList,
} from "./alloy-tree.ts";
import type { Block, Expression, Statement } from "./alloy-tree.ts";
import type { Conversion } from "./conversion.ts";
import { convertDiscoveries, convertStaticTargets, DISCOVERY_KEYS } from "./discovery.ts";
import {
  bool,
  bytes,
  convertFound,
  list,
  number,
  readDurationMs,
  readTexts,
  refused,
  text,
} from "./fields.ts";
import type { Field, Fields } from "./fields.ts";
import { PROMETHEUS_HTTP_CLIENT_FIELDS } from "./http-client-fields.ts";
import { convertRules } from "./relabel-rules.ts";

const params: Field = ({ key, node }) => {
  const entries = [...node.entries()].map(
    ([name, values]) => [name, textList(readTexts(values))] as const,
  );
  return [attribute(key, mapOf(entries), node)];
};

const validationScheme: Field = ({ node, log }) => {
  if (node.oneOf(["legacy", "utf8"]) === "utf8")
    log.add(
      "warning",
      node,
      "other characters than letters, digits, _ and : are asked for and stored as _",
    );
  return [];
};

const escapingScheme: Field = ({ node, log }) => {
  if (node.oneOf(["allow-utf-8", "underscores", "dots", "values"]) !== "underscores")
    log.add("error", node, "not supported yet: other characters are stored as _");
  return [];
};

/** Prometheus wants a unit. */
const bodySize: Field = (context) => {
  if (/^[1-9]\d*$/.test(context.node.text()))
    throw context.node.fault('a size with its unit such as "10MB" is wanted');
  return bytes()(context);
};

const SCRAPE_LIMITS: Fields = {
  body_size_limit: bodySize,
  sample_limit: number(),
  target_limit: number(),
  label_limit: number(),
  label_name_length_limit: number(),
  label_value_length_limit: number(),
};

/** What a job takes from `global` when it does not say it itself. */
const INHERITED_FIELDS: Fields = {
  scrape_protocols: list(),
  ...SCRAPE_LIMITS,
  scrape_native_histograms: bool(),
  always_scrape_classic_histograms: bool("scrape_classic_histograms"),
  convert_classic_histograms_to_nhcb: bool(),
  extra_scrape_metrics: bool("extra_metrics"),
  scrape_failure_log_file: text(),
  metric_name_validation_scheme: validationScheme,
  metric_name_escaping_scheme: escapingScheme,
  keep_dropped_targets: refused("the pages of the agent show targets that are kept", "info"),
};

const INHERITED_KEYS: readonly string[] = Object.keys(INHERITED_FIELDS);

/** What becomes an attribute by itself; name, interval and time-out do not. */
const SCRAPE_FIELDS: Fields = {
  metrics_path: text(),
  scheme: text(),
  params,
  honor_labels: bool(),
  honor_timestamps: bool(),
  track_timestamps_staleness: bool(),
  enable_compression: bool(),
  fallback_scrape_protocol: text("scrape_fallback_protocol"),
  scrape_classic_histograms: bool(),
  native_histogram_bucket_limit: number(),
  native_histogram_min_bucket_factor: number(),
  ...INHERITED_FIELDS,
  ...PROMETHEUS_HTTP_CLIENT_FIELDS,
};

const OTHER_KEYS = ["static_configs", "relabel_configs", "metric_relabel_configs"] as const;
const TIME_KEYS = ["job_name", "scrape_interval", "scrape_timeout"] as const;

type JobFields = Partial<Record<string, YamlNode>> &
  Partial<Record<(typeof OTHER_KEYS)[number] | (typeof TIME_KEYS)[number], YamlNode>>;

type TimeFields = Partial<Record<"scrape_interval" | "scrape_timeout", YamlNode>>;

/** `global`, read once for all jobs. */
export interface ScrapeDefaults {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** What jobs inherit, by key. */
  readonly inherited: Partial<Record<string, YamlNode>>;
}

export const SCRAPE_DEFAULTS: ScrapeDefaults = {
  intervalMs: 60_000,
  timeoutMs: 10_000,
  inherited: {},
};

/** Keys of `global` that matter to jobs. */
export const SCRAPE_DEFAULT_KEYS: readonly string[] = [
  "scrape_interval",
  "scrape_timeout",
  ...INHERITED_KEYS,
];

export function readScrapeDefaults(
  fields: Partial<Record<string, YamlNode>> & TimeFields,
): ScrapeDefaults {
  const inherited = INHERITED_KEYS.flatMap((key) => {
    const value = fields[key];
    return value === undefined ? [] : [[key, value] as const];
  });
  return { ...readTimes(fields, SCRAPE_DEFAULTS), inherited: Object.fromEntries(inherited) };
}

/** As Prometheus has it: a time-out that is not written is the inherited one, and never longer than the interval. */
export function readTimes(
  fields: TimeFields,
  defaults: Pick<ScrapeDefaults, "intervalMs" | "timeoutMs">,
): Pick<ScrapeDefaults, "intervalMs" | "timeoutMs"> {
  const { scrape_interval: interval, scrape_timeout: timeout } = fields;
  const intervalMs = interval === undefined ? defaults.intervalMs : readDurationMs(interval);
  if (timeout === undefined)
    return { intervalMs, timeoutMs: Math.min(defaults.timeoutMs, intervalMs) };
  const timeoutMs = readDurationMs(timeout);
  if (timeoutMs > intervalMs) throw timeout.fault("the time-out is longer than scrape_interval");
  return { intervalMs, timeoutMs };
}

/** A scrape, wherever its targets come from. */
export interface Scrape {
  readonly label: string;
  readonly origin: YamlNode | undefined;
  readonly targets: readonly Expression[];
  readonly rules: readonly Block[];
  readonly metricRules: readonly Block[];
  /** Arguments of `prometheus.scrape` besides targets and receivers. */
  readonly body: readonly Statement[];
  readonly receivers: readonly string[];
}

/** Adds `discovery.relabel`, `prometheus.scrape` and `prometheus.relabel`, the first and the last only when there are rules for them. */
export function addScrape(conversion: Conversion, scrape: Scrape): void {
  const { label, origin, rules, metricRules } = scrape;
  let targets = joinLists(scrape.targets);
  if (rules.length > 0) {
    const body = [attribute("targets", targets), ...rules];
    targets = code(`${conversion.add(block("discovery.relabel", body, { label, origin }))}.output`);
  }
  const receivers =
    metricRules.length === 0 ? scrape.receivers : [`prometheus.relabel.${label}.receiver`];
  const body = [
    attribute("targets", targets),
    attribute("forward_to", references(receivers)),
    ...scrape.body,
  ];
  conversion.add(block("prometheus.scrape", body, { label, origin }));
  if (metricRules.length === 0) return;
  const relabel = [attribute("forward_to", references(scrape.receivers)), ...metricRules];
  conversion.add(block("prometheus.relabel", relabel, { label, origin }));
}

/** What `prometheus.scrape` takes by itself, where the interval is no shorter; and a timeout is never longer than the interval. */
const TIMEOUT_MS = 10_000;

/** Interval and timeout as attributes; an interval that is the component's default is left out later. */
export function scrapeTimes({
  intervalMs,
  timeoutMs,
}: Pick<ScrapeDefaults, "intervalMs" | "timeoutMs">): readonly Statement[] {
  return [
    attribute("scrape_interval", literal(formatGoDuration(intervalMs * 1e6))),
    ...(timeoutMs === TIMEOUT_MS
      ? []
      : [attribute("scrape_timeout", literal(formatGoDuration(timeoutMs * 1e6)))]),
  ];
}

export interface JobOptions {
  readonly conversion: Conversion;
  readonly defaults: ScrapeDefaults;
  /** The label of the job's components, by its name. */
  readonly label: (jobName: string) => string;
  readonly receivers: readonly string[];
}

export function convertPrometheusJob(node: YamlNode, options: JobOptions): void {
  const { conversion, defaults, receivers } = options;
  const { log } = conversion;
  const fields: JobFields = node.fields([
    ...Object.keys(SCRAPE_FIELDS),
    ...TIME_KEYS,
    ...OTHER_KEYS,
    ...DISCOVERY_KEYS,
  ]);
  const name = fields.job_name?.text() ?? "";
  if (name === "") throw node.fault("the job needs a job_name");
  const label = options.label(name);
  const found = convertDiscoveries(fields, conversion, { label });
  const written = convertStaticTargets(fields.static_configs, {
    // Rules may make an address of a URL.
    refusesUrls: fields.relabel_configs === undefined,
  });
  const targets: readonly Expression[] =
    written.length === 0 ? found : [...found, { kind: "list", items: written }];
  if (targets.length === 0) log.add("warning", node, "the job has no targets");
  addScrape(conversion, {
    label,
    origin: node,
    targets,
    rules: convertRules(fields.relabel_configs, log),
    metricRules: convertRules(fields.metric_relabel_configs, log),
    body: [
      attribute("job_name", literal(name), fields.job_name),
      ...scrapeTimes(readTimes(fields, defaults)),
      ...convertFound({ ...defaults.inherited, ...fields }, SCRAPE_FIELDS, log),
    ],
    receivers,
  });
}
