/** Promtail's `pipeline_stages` as the stages of `loki.process`. */
import type { YamlNode } from "../yaml-config.ts";
import { attribute, block, literal, textMap } from "./alloy-tree.ts";
import type { Block, Statement } from "./alloy-tree.ts";
import type { ConversionLog } from "./conversion-log.ts";
import {
  bool,
  bytes,
  convertFields,
  duration,
  list,
  map,
  number,
  readBytes,
  readMap,
  readTexts,
  text,
} from "./fields.ts";
import type { Field, Fields } from "./fields.ts";

/** A stage whose body is the whole value: `labels: { level: }`. */
type WholeStage = (node: YamlNode) => readonly Statement[];

interface StageKind {
  /** Without `stage.`. */
  readonly name: string;
  readonly fields?: Fields;
  readonly whole?: WholeStage;
}

const wholeMap: WholeStage = (node) => [attribute("values", textMap(readMap(node)), node)];
/** `labeldrop` and `labelallow`: a list of names. */
const wholeList: WholeStage = (node) => [
  attribute("values", { kind: "list", items: readTexts(node).map(literal) }, node),
];

/** Promtail joins several sources; `stage.drop` takes them separated by commas. */
const dropSource: Field = ({ node }) => [
  attribute("source", literal(node.isList ? readTexts(node).join(",") : node.text()), node),
];

const STAGES: Readonly<Record<string, StageKind>> = {
  cri: {
    name: "cri",
    fields: {
      max_partial_lines: number(),
      max_partial_line_size: ({ key, node }) => [attribute(key, literal(readBytes(node)), node)],
      max_partial_line_size_truncate: bool(),
    },
  },
  decolorize: { name: "decolorize", fields: {} },
  docker: { name: "docker", fields: {} },
  drop: {
    name: "drop",
    fields: {
      source: dropSource,
      separator: text(),
      value: text(),
      expression: text(),
      older_than: duration(),
      longer_than: bytes(),
      drop_counter_reason: text(),
    },
  },
  eventlogmessage: {
    name: "eventlogmessage",
    fields: { source: text(), drop_invalid_labels: bool(), overwrite_existing: bool() },
  },
  geoip: { name: "geoip", fields: { db: text(), source: text(), db_type: text() } },
  json: { name: "json", fields: { expressions: map(), source: text(), drop_malformed: bool() } },
  labelallow: { name: "label_keep", whole: wholeList },
  labeldrop: { name: "label_drop", whole: wholeList },
  labels: { name: "labels", whole: wholeMap },
  limit: {
    name: "limit",
    fields: {
      rate: number(),
      burst: number(),
      drop: bool(),
      by_label_name: text(),
      max_distinct_labels: number(),
    },
  },
  logfmt: { name: "logfmt", fields: { mapping: map(), source: text() } },
  multiline: {
    name: "multiline",
    fields: { firstline: text(), max_lines: number(), max_wait_time: duration() },
  },
  output: { name: "output", fields: { source: text() } },
  pack: { name: "pack", fields: { labels: list(), ingest_timestamp: bool() } },
  regex: { name: "regex", fields: { expression: text(), source: text() } },
  replace: { name: "replace", fields: { expression: text(), source: text(), replace: text() } },
  sampling: { name: "sampling", fields: { rate: number(), drop_counter_reason: text() } },
  static_labels: { name: "static_labels", whole: wholeMap },
  structured_metadata: { name: "structured_metadata", whole: wholeMap },
  template: { name: "template", fields: { source: text(), template: text() } },
  tenant: { name: "tenant", fields: { label: text(), source: text(), value: text() } },
  timestamp: {
    name: "timestamp",
    fields: {
      source: text(),
      format: text(),
      fallback_formats: list(),
      location: text(),
      action_on_failure: text(),
    },
  },
};

/** Names of all stages, for the message about one that does not exist. */
const STAGE_NAMES: readonly string[] = [...Object.keys(STAGES), "match", "metrics"].toSorted();

/** Stages in order; one that cannot be converted is reported and left out. */
export function convertStages(stages: YamlNode | undefined, log: ConversionLog): readonly Block[] {
  return (stages?.list() ?? []).flatMap((stage) => convertStage(stage, log));
}

function convertStage(stage: YamlNode, log: ConversionLog): readonly Block[] {
  if (!stage.isMap)
    throw stage.fault('a stage is a map with one key, such as "- docker: {}"; is a colon missing?');
  const entries = [...stage.entries()];
  if (entries.length !== 1)
    throw stage.fault(
      `a stage has one key, this one has ${entries.length}; write a list entry each`,
    );
  const [name, node] = entries[0]!;
  if (name === "match") return [convertMatch(node, log)];
  if (name === "metrics") return [convertMetrics(node, log)];
  const kind = Object.hasOwn(STAGES, name) ? STAGES[name] : undefined;
  if (kind === undefined) throw node.unknownKey(name, STAGE_NAMES);
  const body = kind.whole?.(node) ?? convertFields(node, kind.fields ?? {}, log);
  return [block(`stage.${kind.name}`, body, { origin: node })];
}

const MATCH_FIELDS: Fields = {
  selector: text(),
  action: text(),
  pipeline_name: text(),
  drop_counter_reason: text(),
  stages: ({ node, log }) => convertStages(node, log),
};

function convertMatch(node: YamlNode, log: ConversionLog): Block {
  return block("stage.match", convertFields(node, MATCH_FIELDS, log), { origin: node });
}

const METRIC_KINDS = ["counter", "gauge", "histogram"] as const;

/** `config` of a metric, by its kind. */
const METRIC_CONFIG: Readonly<Record<(typeof METRIC_KINDS)[number], Fields>> = {
  counter: { match_all: bool(), count_entry_bytes: bool(), value: text(), action: lowerText() },
  gauge: { value: text(), action: lowerText() },
  histogram: {
    value: text(),
    buckets: ({ node }) => [
      attribute(
        "buckets",
        { kind: "list", items: node.list().map((item) => literal(item.number())) },
        node,
      ),
    ],
  },
};

function lowerText(): Field {
  return ({ key, node }) => [attribute(key, literal(node.text().toLowerCase()), node)];
}

function convertMetrics(node: YamlNode, log: ConversionLog): Block {
  const metrics = [...node.entries()].toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)));
  return block(
    "stage.metrics",
    metrics.map(([name, metric]) => convertMetric(name, metric, log)),
    { origin: node },
  );
}

function convertMetric(name: string, node: YamlNode, log: ConversionLog): Block {
  const { type } = node.fields(METRIC_KEYS);
  if (type === undefined) throw node.fault(`type must be one of ${METRIC_KINDS.join(", ")}`);
  const kind = METRIC_KINDS.find((known) => known === type.text().toLowerCase());
  if (kind === undefined) throw type.fault(`type must be one of ${METRIC_KINDS.join(", ")}`);
  const fields: Fields = {
    type: () => [],
    description: text(),
    source: text(),
    prefix: text(),
    max_idle_duration: duration(),
    config: ({ node: config }) => convertFields(config, METRIC_CONFIG[kind], log),
  };
  const body = [attribute("name", literal(name), node), ...convertFields(node, fields, log)];
  return block(`metric.${kind}`, body, { origin: node });
}

const METRIC_KEYS = ["type", "description", "source", "prefix", "max_idle_duration", "config"];
