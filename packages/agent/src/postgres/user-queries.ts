/** Queries of users: the `queries.yaml` of postgres_exporter, read strictly. */
import { createHash } from "node:crypto";
import { parseYamlConfig, type YamlNode } from "../yaml-config.ts";
import type { ColumnUse, Namespace } from "./namespace.ts";
import { parseRange, type Version } from "./version.ts";

export interface UserQuery {
  readonly namespace: Namespace;
  readonly sql: string;
  /** Only on databases that the configuration names, not on those that were discovered. */
  readonly master: boolean;
  /** How long an answer is used again; 0: never. */
  readonly cacheMs: number;
  readonly runsOn: (version: Version) => boolean;
}

export interface UserQueries {
  readonly queries: readonly UserQuery[];
  /** SHA-256 of the file, as `pg_exporter_user_queries_load_error` tells it. */
  readonly hash: string;
}

const USAGES = [
  "DISCARD",
  "LABEL",
  "COUNTER",
  "GAUGE",
  "HISTOGRAM",
  "MAPPEDMETRIC",
  "DURATION",
] as const;

/** Throws a FinchError that names the place. */
export function parseUserQueries(text: string, path: string): UserQueries {
  const queries = [...parseYamlConfig(text, path).entries()].map(([prefix, node]) =>
    readQuery(prefix, node),
  );
  return { queries, hash: hashOf(text) };
}

export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function readQuery(prefix: string, node: YamlNode): UserQuery {
  if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(prefix)) throw node.fault("is no name of a metric");
  const fields = node.fields(["query", "metrics", "master", "cache_seconds", "runonserver"]);
  if (fields.query === undefined) throw node.fault("query is missing");
  const columns = new Map<string, ColumnUse>();
  for (const metric of fields.metrics?.list() ?? [])
    for (const [column, declared] of metric.entries()) columns.set(column, readColumn(declared));
  const runsOn = parseRange(fields.runonserver?.text() ?? ">=0.0.0");
  if (runsOn === undefined)
    throw fields.runonserver!.fault('a range of versions such as ">=10.0.0" is wanted');
  return {
    namespace: { prefix, columns, nulls: "nan" },
    sql: fields.query.text(),
    master: fields.master?.boolean() ?? false,
    cacheMs: 1000 * (fields.cache_seconds?.integer({ min: 0, max: 1e9 }) ?? 0),
    runsOn,
  };
}

function readColumn(node: YamlNode): ColumnUse {
  const fields = node.fields(["usage", "description", "metric_mapping"]);
  if (fields.usage === undefined) throw node.fault(`usage is missing: one of ${USAGES.join(", ")}`);
  const help = fields.description?.text() ?? "";
  const usage = fields.usage.oneOf(USAGES);
  switch (usage) {
    case "DISCARD":
      return { kind: "discard" };
    case "LABEL":
      return { kind: "label" };
    case "COUNTER":
      return { kind: "counter", help };
    case "GAUGE":
      return { kind: "gauge", help };
    case "HISTOGRAM":
      return { kind: "histogram", help };
    case "DURATION":
      return { kind: "duration", help };
    case "MAPPEDMETRIC":
      return { kind: "mapped", help, values: readMapping(node, fields.metric_mapping) };
  }
}

function readMapping(node: YamlNode, mapping: YamlNode | undefined): ReadonlyMap<string, number> {
  if (mapping === undefined) throw node.fault("metric_mapping is missing");
  return new Map(
    [...mapping.entries()].map(([text, value]) => {
      const number = Number(value.text());
      if (Number.isNaN(number)) throw value.fault("a number is wanted");
      return [text, number];
    }),
  );
}
