/** The mapping file of statsd_exporter: which names become which metrics and labels. Read strictly, every fault with its place. */
import { compileRegexp, type CompiledRegexp } from "@finch/model";
import { describeError } from "@finch/runtime";
import { parseYamlConfig, type YamlNode } from "../yaml-config.ts";
import type { StatsdType } from "./event.ts";

export interface SummaryOptions {
  readonly quantiles: readonly number[];
  readonly maxAgeMs: number;
  readonly pieces: number;
}

export interface Observer {
  readonly kind: "summary" | "histogram";
  readonly summary: SummaryOptions;
  /** Upper bounds in ascending order, without infinity. */
  readonly buckets: readonly number[];
}

export interface Mapping {
  readonly match:
    | { readonly kind: "glob"; readonly parts: readonly string[] }
    | { readonly kind: "regex"; readonly regexp: CompiledRegexp };
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly honorsLabels: boolean;
  readonly isDropped: boolean;
  /** Undefined: any. */
  readonly type: StatsdType | undefined;
  readonly help: string | undefined;
  readonly scale: number;
  /** 0: for ever. */
  readonly ttlMs: number;
  readonly observer: Observer;
}

export interface MappingConfig {
  readonly mappings: readonly Mapping[];
  /** Whether a more special glob goes before one that stands above it. */
  readonly isUnordered: boolean;
  /** Of what no mapping names. */
  readonly observer: Observer;
  readonly ttlMs: number;
}

export const DEFAULT_OBSERVER: Observer = {
  kind: "summary",
  summary: { quantiles: [0.5, 0.9, 0.99], maxAgeMs: 600_000, pieces: 5 },
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
};
export const NO_MAPPINGS: MappingConfig = {
  mappings: [],
  isUnordered: false,
  observer: DEFAULT_OBSERVER,
  ttlMs: 0,
};

const OBSERVER_TYPES = ["summary", "histogram"] as const;
const MATCH_TYPES = ["glob", "regex"] as const;
const GLOB = /^(?:\*|[a-zA-Z_][a-zA-Z0-9_-]*)(?:\.(?:\*|[a-zA-Z0-9_][a-zA-Z0-9_-]*))*$/;
const NAME = /^(?:[a-zA-Z_]|\$\{?\d+\}?)(?:[a-zA-Z0-9_]|\$\{?\d+\}?)*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const PIECES_MAX = 100;

/** Throws `agent/bad-yaml` with the place of the fault; `name` stands for the file. */
export function parseMappingConfig(text: string, name: string): MappingConfig {
  const { defaults, mappings } = parseYamlConfig(text, name).fields(["defaults", "mappings"]);
  const common = readDefaults(defaults);
  return {
    mappings: (mappings?.list() ?? []).map((node) => readMapping(node, common)),
    isUnordered: common.isUnordered,
    observer: common.observer,
    ttlMs: common.ttlMs,
  };
}

interface Defaults {
  readonly matchType: (typeof MATCH_TYPES)[number];
  readonly isUnordered: boolean;
  readonly observer: Observer;
  readonly ttlMs: number;
}

function readDefaults(node: YamlNode | undefined): Defaults {
  const fields =
    node?.fields([
      "observer_type",
      "match_type",
      "glob_disable_ordering",
      "ttl",
      "summary_options",
      "histogram_options",
    ]) ?? {};
  return {
    matchType: fields.match_type?.oneOf(MATCH_TYPES) ?? "glob",
    isUnordered: fields.glob_disable_ordering?.boolean() ?? false,
    ttlMs: fields.ttl?.durationMs() ?? 0,
    observer: {
      kind: fields.observer_type?.oneOf(OBSERVER_TYPES) ?? "summary",
      summary: readSummary(fields.summary_options, DEFAULT_OBSERVER.summary),
      buckets: readBuckets(fields.histogram_options, DEFAULT_OBSERVER.buckets),
    },
  };
}

function readMapping(node: YamlNode, defaults: Defaults): Mapping {
  const fields = node.fields([
    "match",
    "name",
    "labels",
    "honor_labels",
    "observer_type",
    "match_type",
    "help",
    "action",
    "match_metric_type",
    "ttl",
    "summary_options",
    "histogram_options",
    "scale",
  ]);
  const { match, name } = fields;
  if (match === undefined) throw node.fault("match is missing");
  if (name === undefined) throw node.fault("name is missing");
  if (!NAME.test(name.text()))
    throw name.fault(`${JSON.stringify(name.text())} is no name of a metric`);
  const kind = fields.observer_type?.oneOf(OBSERVER_TYPES) ?? defaults.observer.kind;
  const foreign = kind === "summary" ? fields.histogram_options : fields.summary_options;
  if (foreign !== undefined) throw foreign.fault(`the observer is a ${kind}`);
  return {
    match: readMatch(match, fields.match_type?.oneOf(MATCH_TYPES) ?? defaults.matchType),
    name: name.text(),
    labels: readLabels(fields.labels),
    honorsLabels: fields.honor_labels?.boolean() ?? false,
    isDropped: fields.action?.oneOf(["map", "drop"]) === "drop",
    type: fields.match_metric_type?.oneOf(["counter", "gauge", "observer"]),
    help: fields.help?.text(),
    scale: fields.scale?.number() ?? 1,
    ttlMs: fields.ttl?.durationMs() ?? defaults.ttlMs,
    observer: {
      kind,
      summary: readSummary(fields.summary_options, defaults.observer.summary),
      buckets: readBuckets(fields.histogram_options, defaults.observer.buckets),
    },
  };
}

function readMatch(node: YamlNode, kind: (typeof MATCH_TYPES)[number]): Mapping["match"] {
  const text = node.text();
  if (kind === "glob") {
    if (!GLOB.test(text))
      throw node.fault(`${JSON.stringify(text)} is no glob such as "shop.*.count"`);
    return { kind, parts: text.split(".") };
  }
  try {
    return { kind, regexp: compileRegexp(text, { anchored: false }) };
  } catch (error) {
    throw node.fault(describeError(error));
  }
}

function readLabels(node: YamlNode | undefined): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const [name, value] of node?.entries() ?? []) {
    if (!LABEL.test(name)) throw value.fault("this is no name of a label");
    labels[name] = value.text();
  }
  return labels;
}

function readSummary(node: YamlNode | undefined, fallback: SummaryOptions): SummaryOptions {
  const fields = node?.fields(["quantiles", "max_age", "age_buckets", "buf_cap"]) ?? {};
  // How much is kept before it is worked in does not show in the results.
  fields.buf_cap?.integer({ min: 0, max: 2 ** 32 - 1 });
  const quantiles = fields.quantiles?.list().map(readQuantile);
  const maxAgeMs = fields.max_age?.durationMs() ?? 0;
  const pieces = fields.age_buckets?.integer({ min: 0, max: PIECES_MAX }) ?? 0;
  return {
    quantiles: quantiles === undefined || quantiles.length === 0 ? fallback.quantiles : quantiles,
    maxAgeMs: maxAgeMs > 0 ? maxAgeMs : fallback.maxAgeMs,
    pieces: pieces > 0 ? pieces : fallback.pieces,
  };
}

/** The error that is allowed is checked and no more: quantiles here are off by half a percent of the value at most. */
function readQuantile(node: YamlNode): number {
  const { quantile, error } = node.fields(["quantile", "error"]);
  error?.number();
  const value = quantile?.number() ?? 0;
  if (value < 0 || value > 1) throw node.fault("a quantile lies between 0 and 1");
  return value;
}

function readBuckets(node: YamlNode | undefined, fallback: readonly number[]): readonly number[] {
  const fields =
    node?.fields(["buckets", "native_histogram_bucket_factor", "native_histogram_max_buckets"]) ??
    {};
  const native = fields.native_histogram_bucket_factor ?? fields.native_histogram_max_buckets;
  if (native !== undefined) throw native.fault("not supported yet: native histograms");
  const buckets = fields.buckets?.list().map((bound) => bound.number()) ?? [];
  if (buckets.some((bound, index) => index > 0 && bound <= buckets[index - 1]!))
    throw fields.buckets!.fault("the bounds must ascend");
  return buckets.length === 0 ? fallback : buckets;
}
