/** How a collector is said: queries, the labels of their rows and the metrics among their columns. */
import type { ColumnUse, Namespace } from "./namespace.ts";
import type { Version } from "./version.ts";

export type MetricRow = readonly [column: string, kind: "counter" | "gauge", help: string];

export interface CollectorTable {
  readonly prefix: string;
  readonly labels: readonly string[];
  /** Undefined where a version has nothing to ask. */
  readonly sql: (version: Version) => string | undefined;
  readonly metrics: readonly MetricRow[];
  /** Columns that stand for metrics whose own names are taken by a label. */
  readonly renamed?: Readonly<Record<string, string>>;
}

export interface CollectorSpec extends CollectorTable {
  /** Whether it runs unless told otherwise. */
  readonly isDefault: boolean;
  readonly further?: readonly CollectorTable[];
}

export interface CollectorQuery {
  readonly namespace: Namespace;
  readonly sql: (version: Version) => string | undefined;
}

export interface Collector {
  readonly name: string;
  readonly isDefault: boolean;
  readonly queries: readonly CollectorQuery[];
}

export function buildCollectors(
  specs: Readonly<Record<string, CollectorSpec>>,
): ReadonlyMap<string, Collector> {
  return new Map(
    Object.entries(specs).map(([name, spec]) => [
      name,
      { name, isDefault: spec.isDefault, queries: [spec, ...(spec.further ?? [])].map(queryOf) },
    ]),
  );
}

export function queryOf(table: CollectorTable): CollectorQuery {
  const columns = new Map<string, ColumnUse>();
  for (const label of table.labels) columns.set(label, { kind: "label" });
  for (const [column, kind, help] of table.metrics) columns.set(column, { kind, help });
  return {
    namespace: {
      prefix: table.prefix,
      columns,
      nulls: "skip",
      ...(table.renamed === undefined ? {} : { renamed: table.renamed }),
    },
    sql: table.sql,
  };
}
