/** A query whose columns are metrics and labels: how the exporter's own tables, its collectors and the queries of users are all said. */
import type { Family } from "../unix/family.ts";
import type { QueryResult } from "./connection.ts";
import type { FamilySet } from "../unix/family-set.ts";
import { labelOf, millisecondsOf, numberOf, numbersOf } from "./values.ts";

export type ColumnUse =
  | { readonly kind: "discard" }
  | { readonly kind: "label" }
  | { readonly kind: "counter" | "gauge"; readonly help: string }
  /** A text of Go's durations, in milliseconds. */
  | { readonly kind: "duration"; readonly help: string }
  /** A text that stands for a number. */
  | { readonly kind: "mapped"; readonly help: string; readonly values: ReadonlyMap<string, number> }
  /** Upper bounds, with `NAME_bucket` (cumulative counts), `NAME_sum` and `NAME_count` beside. */
  | { readonly kind: "histogram"; readonly help: string };

export interface Namespace {
  /** Begins the names of its metrics: `PREFIX_COLUMN`. */
  readonly prefix: string;
  readonly columns: ReadonlyMap<string, ColumnUse>;
  /** What becomes of a metric that is NULL: NaN, or nothing. */
  readonly nulls: "nan" | "skip";
  /** Metrics by column, where a label has taken the column's own name. */
  readonly renamed?: Readonly<Record<string, string>>;
}

/** Adds the rows to `families`; answers what could not be turned into metrics. Columns nobody declared are untyped when they are numbers. */
export function addRows(
  families: FamilySet,
  namespace: Namespace,
  about: {
    readonly result: QueryResult;
    readonly extraLabels: Readonly<Record<string, string>>;
  },
): readonly string[] {
  const { result, extraLabels } = about;
  const faults = new Set<string>();
  const uses = result.columns.map(({ name }) => namespace.columns.get(name));
  for (const row of result.rows) {
    const labels = labelsOf(result, { uses, row, extraLabels });
    for (const [index, { name, type }] of result.columns.entries()) {
      const use = uses[index];
      const text = row[index]!;
      if (use?.kind === "discard" || use?.kind === "label") continue;
      if (use === undefined && isPartOfHistogram(name, namespace)) continue;
      if (text === null && namespace.nulls === "skip") continue;
      if (use?.kind === "histogram") {
        const fault = addHistogram(
          families.take("histogram", `${namespace.prefix}_${name}`, use.help),
          {
            result,
            row,
            index,
            labels,
          },
        );
        if (fault !== undefined) faults.add(fault);
        continue;
      }
      const value = valueOf(text, type, use);
      if (value === undefined) faults.add(`column ${name} is no number`);
      else familyOf(families, namespace, name, use).add(value, ...labels);
    }
  }
  return [...faults];
}

function familyOf(
  families: FamilySet,
  namespace: Namespace,
  column: string,
  use: ColumnUse | undefined,
): Family {
  const name = `${namespace.prefix}_${namespace.renamed?.[column] ?? column}`;
  switch (use?.kind) {
    case "counter":
      return families.take("counter", name, use.help);
    case "gauge":
    case "mapped":
      return families.take("gauge", name, use.help);
    case "duration":
      return families.take("gauge", `${name}_milliseconds`, use.help);
    default:
      return families.take("untyped", name, `Unknown metric from ${namespace.prefix}`);
  }
}

function valueOf(
  text: string | null,
  type: number,
  use: ColumnUse | undefined,
): number | undefined {
  if (use?.kind === "duration") return millisecondsOf(text);
  if (use?.kind === "mapped") return text === null ? undefined : use.values.get(text);
  return numberOf(text, type);
}

function labelsOf(
  result: QueryResult,
  about: {
    readonly uses: readonly (ColumnUse | undefined)[];
    readonly row: readonly (string | null)[];
    readonly extraLabels: Readonly<Record<string, string>>;
  },
): readonly string[] {
  const pairs = Object.entries(about.extraLabels);
  for (const [index, { name, type }] of result.columns.entries())
    if (about.uses[index]?.kind === "label") pairs.push([name, labelOf(about.row[index]!, type)]);
  return pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)).flat();
}

function isPartOfHistogram(column: string, namespace: Namespace): boolean {
  const owner = /^(.*)_(?:bucket|sum|count)$/.exec(column)?.[1];
  return owner !== undefined && namespace.columns.get(owner)?.kind === "histogram";
}

function addHistogram(
  family: Family,
  about: {
    readonly result: QueryResult;
    readonly row: readonly (string | null)[];
    readonly index: number;
    readonly labels: readonly string[];
  },
): string | undefined {
  const { result, row, index, labels } = about;
  const { name } = result.columns[index]!;
  const find = (suffix: string) => {
    const at = result.columns.findIndex((column) => column.name === `${name}_${suffix}`);
    return at < 0 ? undefined : row[at]!;
  };
  const bounds = numbersOf(row[index]!);
  const counts = numbersOf(find("bucket") ?? null);
  const sum = numberOf(find("sum") ?? null, 0);
  const count = numberOf(find("count") ?? null, 0);
  if (bounds === undefined || counts === undefined || sum === undefined || count === undefined)
    return `histogram ${name} needs arrays ${name}, ${name}_bucket and numbers ${name}_sum, ${name}_count`;
  for (const [i, bound] of bounds.entries()) {
    if (i < counts.length)
      family.addSuffixed("_bucket", counts[i]!, withBound(labels, String(bound)));
  }
  family.addSuffixed("_bucket", count, withBound(labels, "+Inf"));
  family.addSuffixed("_sum", sum, labels);
  family.addSuffixed("_count", count, labels);
  return undefined;
}

function withBound(labels: readonly string[], le: string): readonly string[] {
  return [...labels, "le", le];
}
