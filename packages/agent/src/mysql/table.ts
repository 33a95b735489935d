/**
 * Collectors as data: what of a table becomes metrics. `collectTable` asks for the columns that are named and no others; each row becomes a sample of
 * every figure.
 */
import type { Family, FamilyType } from "../unix/family.ts";
import type { FamilySet } from "../unix/family-set.ts";
import type { MysqlResult } from "./connection.ts";

/** Asks the server; rejects with what it says. */
export type Ask = (sql: string) => Promise<MysqlResult>;

export interface MysqlCollector {
  collect(ask: Ask, families: FamilySet): Promise<void>;
}

/** By name of the label: the SQL whose value it is, and what is made of that. NULL becomes an empty text. */
export type TableLabels = Readonly<Record<string, string | LabelSource>>;

export interface LabelSource {
  readonly sql: string;
  readonly edit: (text: string) => string;
}

export interface Figure {
  readonly type: FamilyType;
  readonly name: string;
  readonly help: string;
  /** The SQL whose value it is, or one for each value of a label more. There is no sample where it is NULL. */
  readonly value: string | Split;
  /** What the value is divided by, for figures in base units. */
  readonly divisor?: number;
  /** In place of those of the table. */
  readonly labels?: TableLabels;
  /** Behind the name: `_sum` and `_count` of summaries. */
  readonly suffix?: "_sum" | "_count";
}

export interface Split {
  readonly label: string;
  /** SQL by value of the label. */
  readonly of: Readonly<Record<string, string>>;
}

export interface Table {
  /** What stands behind FROM: a table, and which rows of it. */
  readonly from: string;
  readonly labels: TableLabels;
  readonly figures: readonly Figure[];
}

type FigureOptions = Pick<Figure, "divisor" | "labels">;

/** Of clocks of the performance schema, which count picoseconds. */
export const PICOSECONDS: FigureOptions = { divisor: 1e12 };

export function counter(
  name: string,
  help: string,
  value: Figure["value"],
  options: FigureOptions = {},
): Figure {
  return { type: "counter", name, help, value, ...options };
}

export function gauge(
  name: string,
  help: string,
  value: Figure["value"],
  options: FigureOptions = {},
): Figure {
  return { type: "gauge", name, help, value, ...options };
}

/** A figure with one sample for each value of `label`. */
export function by(label: string, of: Split["of"]): Split {
  return { label, of };
}

export function tableCollector(table: Table): MysqlCollector {
  return { collect: (ask, families) => collectTable(ask, families, table) };
}

export async function collectTable(ask: Ask, families: FamilySet, table: Table): Promise<void> {
  const columns = columnsOf(table);
  const { rows } = await ask(`SELECT ${columns.join(", ")} FROM ${table.from}`);
  addRows(families, table, { columns, rows });
}

/** Each expression once. */
function columnsOf({ labels, figures }: Table): string[] {
  const columns = [labels, ...figures.map((figure) => figure.labels ?? {})].flatMap((some) =>
    Object.values(some).map((source) => sourceOf(source).sql),
  );
  for (const { value } of figures)
    columns.push(...(typeof value === "string" ? [value] : Object.values(value.of)));
  return [...new Set(columns)];
}

/** Adds what an answer holds. A figure without its column stays out: older servers have fewer. */
export function addRows(
  families: FamilySet,
  { labels, figures }: Pick<Table, "labels" | "figures">,
  { columns, rows }: MysqlResult,
): void {
  for (const figure of figures) {
    const family = families.take(figure.type, figure.name, figure.help);
    const { value } = figure;
    const split = typeof value === "string" ? [[undefined, value] as const] : entriesOf(value);
    for (const [fixed, sql] of split) {
      const index = columns.indexOf(sql);
      if (index === -1) continue;
      const labelsOf = labelReader(figure.labels ?? labels, columns, fixed);
      addFigure(family, figure, { sql, index, rows, labelsOf });
    }
  }
}

type Row = MysqlResult["rows"][number];
/** Names and values in turn, in the order of names. */
type LabelsOf = (row: Row) => string[];

function entriesOf({ label, of }: Split): (readonly [readonly [string, string], string])[] {
  return Object.entries(of).map(([value, sql]) => [[label, value], sql]);
}

function labelReader(
  labels: TableLabels,
  columns: readonly string[],
  fixed: readonly [string, string] | undefined,
): LabelsOf {
  const readers = Object.entries(labels).map(([name, source]) => {
    const { sql, edit } = sourceOf(source);
    const index = columns.indexOf(sql);
    return [name, (row: Row) => edit(row[index] ?? "")] as const;
  });
  if (fixed !== undefined) readers.push([fixed[0], () => fixed[1]]);
  readers.sort(([a], [b]) => (a < b ? -1 : 1));
  return (row) => readers.flatMap(([name, read]) => [name, read(row)]);
}

function sourceOf(source: string | LabelSource): LabelSource {
  return typeof source === "string" ? { sql: source, edit: (text) => text } : source;
}

function addFigure(
  family: Family,
  { divisor = 1, suffix }: Figure,
  about: {
    readonly sql: string;
    readonly index: number;
    readonly rows: readonly Row[];
    readonly labelsOf: LabelsOf;
  },
): void {
  const { sql, index, rows, labelsOf } = about;
  for (const row of rows) {
    const text = row[index] ?? null;
    if (text === null) continue;
    const value = numberOf(text, sql) / divisor;
    if (suffix === undefined) family.add(value, ...labelsOf(row));
    else family.addSuffixed(suffix, value, labelsOf(row));
  }
}

/** Throws where the server has something else than a number. */
export function numberOf(text: string, what: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw new Error(`${what} is no number: ${JSON.stringify(text)}`);
  return value;
}

/** Names of the columns that this server's table has, in capitals; none where there is no such table. Both names are written as the server writes them. */
export async function columnNames(ask: Ask, schema: string, table: string): Promise<Set<string>> {
  const { rows } = await ask(
    `SELECT COLUMN_NAME FROM information_schema.columns WHERE TABLE_SCHEMA = '${schema}' AND TABLE_NAME = '${table}'`,
  );
  return new Set(rows.map(([name]) => (name ?? "").toUpperCase()));
}

/** A text of the configuration in SQL; as digits, since what quotes and backslashes mean depends on the server's `sql_mode`. */
export function literal(text: string): string {
  return text === "" ? "''" : `_utf8mb4 X'${Buffer.from(text).toString("hex")}'`;
}

/** Leaves out a text at the beginning, where it stands there. */
export function withoutPrefix(prefix: string): (text: string) => string {
  return (text) => (text.startsWith(prefix) ? text.slice(prefix.length) : text);
}
