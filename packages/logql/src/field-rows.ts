/**
 * Rows whose fields a page brings in columns: the parser has nothing to do, and what the stages behind it make of a row depends on few numbers, so that it is
 * found out once for all rows that have the same.
 */
import type { LogFieldRequest, LogFields, LogPage } from "@finch/model";
import type { LogExpr, StageExpr } from "./ast.ts";
import { joinName } from "./row-labels.ts";
import type { RowLabels } from "./row-labels.ts";
import type { Row, Stage } from "./row.ts";

/** A parser that stands before all stages but line filters and whose fields are asked of the source, and what follows it. */
export interface FieldStages {
  readonly parser: LogFieldRequest["parser"];
  readonly wanted: ReadonlySet<string>;
  /** None of them looks at the line. */
  readonly stages: readonly Stage[];
}

/** The parser of a stage when it is one whose fields pages may have. */
export function fieldParser(stage: StageExpr): LogFieldRequest["parser"] | undefined {
  if (stage.kind === "json" && stage.extractions.length === 0) return "json";
  if (stage.kind !== "logfmt" || stage.extractions.length > 0) return undefined;
  return stage.strict || stage.keepEmpty ? undefined : "logfmt";
}

/** What to ask of the source. */
export function askForFields(
  { parser, wanted }: FieldStages,
  keep?: LogFieldRequest["keep"],
): LogFieldRequest {
  const labelOf = (path: readonly string[]): string | undefined => {
    let name = "";
    for (const key of path) name = joinName(name, key);
    if (name === "") return undefined;
    return wanted.has(name) || wanted.has(`${name}_extracted`) ? name : undefined;
  };
  const request = { parser, key: [parser, ...[...wanted].sort()].join(" "), labelOf };
  return keep === undefined ? request : { ...request, keep };
}

/** Outcomes of all rows with the same fields and metadata, for as many kinds of rows. */
const TABLE_MAX = 65_536;
const UNKNOWN = -2;

/** The rows of one page after the other; of a page only those whose fields are known. */
export class FieldRows<Outcome> {
  readonly #wanted: ReadonlySet<string>;
  readonly #evaluate: (row: Row) => Outcome | undefined;
  #page: LogPage | undefined;
  #fields: LogFields | undefined;
  #outcomes: (Outcome | undefined)[] = [];
  /** Number of the outcome for each kind of row, when there are few kinds. */
  #table: Int32Array | undefined;
  #map = new Map<number, Outcome | undefined>();
  #kinds = 0;
  #isTabled = false;

  /** `evaluate` is told a row whose labels have its fields, and says what becomes of it. */
  constructor({ wanted }: FieldStages, evaluate: (row: Row) => Outcome | undefined) {
    this.#wanted = wanted;
    this.#evaluate = evaluate;
  }

  begin(page: LogPage): void {
    this.#page = page;
    this.#fields = page.fields!;
    this.#isTabled = false;
  }

  /** Makes room for the outcomes of rows that are looked at one by one. */
  #beginRows(): void {
    this.#isTabled = true;
    this.#outcomes = [];
    this.#map = new Map();
    this.#kinds = this.#fields!.columns.reduce(
      (product, { values }) => product * (values.length + 1),
      this.#page!.entries.metadataSets.length,
    );
    this.#table = this.#kinds <= TABLE_MAX ? new Int32Array(this.#kinds).fill(UNKNOWN) : undefined;
  }

  isKnown(at: number): boolean {
    return this.#fields!.isKnown[at] === 1;
  }

  /** What becomes of a known row; undefined when a stage drops it. */
  outcome(row: Row, at: number): Outcome | undefined {
    if (!this.#isTabled) this.#beginRows();
    const { columns } = this.#fields!;
    const { metadataOf } = this.#page!.entries;
    let kind = metadataOf[at]!;
    let base = this.#page!.entries.metadataSets.length;
    for (let i = 0; i < columns.length; i++) {
      const { of, values } = columns[i]!;
      kind += base * of[at]!;
      base *= values.length + 1;
    }
    const table = this.#table;
    if (table !== undefined) {
      let number = table[kind]!;
      if (number === UNKNOWN) {
        number = this.#outcomes.push(this.#make(row, at)) - 1;
        table[kind] = number;
      }
      return this.#outcomes[number];
    }
    if (!(this.#kinds <= Number.MAX_SAFE_INTEGER)) return this.#make(row, at);
    if (!this.#map.has(kind)) this.#map.set(kind, this.#make(row, at));
    return this.#map.get(kind);
  }

  #make(row: Row, at: number): Outcome | undefined {
    const { labels, entries } = this.#page!;
    row.begin(labels, entries, at);
    for (const { label, values, of } of this.#fields!.columns) {
      const number = of[at]!;
      if (number > 0) extract(row.labels, this.#wanted, label, values[number - 1]!);
    }
    return this.#evaluate(row);
  }
}

/** As the parsers do. */
function extract(
  labels: RowLabels,
  wanted: ReadonlySet<string>,
  plain: string,
  value: string,
): void {
  const name = labels.nameOf(plain);
  if (wanted.has(name) && !labels.isExtracted(name)) labels.set(name, value);
}

/**
 * The filters right behind the parser of a log query, asked of the columns before any line is made; undefined when there are none. `read` names the labels a
 * filter looks at.
 */
export function leadingFieldFilters(log: LogExpr):
  | {
      readonly parser: LogFieldRequest["parser"];
      readonly filters: readonly (StageExpr & { readonly kind: "label-filter" })[];
    }
  | undefined {
  const at = log.stages.findIndex(({ kind }) => kind !== "line-filter");
  const first = log.stages[at];
  const parser = first === undefined ? undefined : fieldParser(first);
  if (parser === undefined) return undefined;
  const filters: (StageExpr & { readonly kind: "label-filter" })[] = [];
  for (const stage of log.stages.slice(at + 1)) {
    if (stage.kind !== "label-filter") break;
    filters.push(stage);
  }
  return filters.length === 0 ? undefined : { parser, filters };
}
