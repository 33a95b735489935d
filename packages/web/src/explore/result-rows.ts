/** The table of a result: one row a series, sorted by any column. Pure. */
import type { ResultSeries } from "../api/query-result.ts";

export interface TableSort {
  /** A label's name, or `value`. */
  readonly column: string;
  readonly descending: boolean;
}

export interface TableRow {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | undefined;
}

export const VALUE_COLUMN = "value";

/** All label names of the series, the metric's name first. */
export function tableColumns(series: readonly ResultSeries[]): readonly string[] {
  const names = new Set(series.flatMap((item) => Object.keys(item.labels)));
  const rest = [...names].filter((name) => name !== "__name__").toSorted();
  return names.has("__name__") ? ["__name__", ...rest] : rest;
}

/** Rows with the last value of each series. */
export function tableRows(
  series: readonly ResultSeries[],
  sort: TableSort | undefined,
): readonly TableRow[] {
  const rows = series.map((item) => ({ labels: item.labels, value: item.values.at(-1) }));
  if (sort === undefined) return rows;
  const sign = sort.descending ? -1 : 1;
  return rows.toSorted((a, b) => sign * compareRows(a, b, sort.column));
}

/** First click on a column sorts up, the second down, the third not at all; values begin with the highest. */
export function nextSort(sort: TableSort | undefined, column: string): TableSort | undefined {
  const first = column === VALUE_COLUMN;
  if (sort?.column !== column) return { column, descending: first };
  return sort.descending === first ? { column, descending: !first } : undefined;
}

function compareRows(a: TableRow, b: TableRow, column: string): number {
  if (column === VALUE_COLUMN) return (a.value ?? -Infinity) - (b.value ?? -Infinity) || 0;
  return (a.labels[column] ?? "").localeCompare(b.labels[column] ?? "", "en", { numeric: true });
}
