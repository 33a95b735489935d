/** Fields of JSON and logfmt lines out of the columns of a page, without the lines. */
import type { LogFieldColumn, LogFieldRequest, LogFields } from "@finch/model";
import { LINE_JSON, LINE_LOGFMT } from "./line-slots.ts";
import type { LineTemplate } from "./line-templates.ts";
import type { OpenPage } from "./open-page.ts";
import type { PageLayout } from "./page-layout.ts";
import { fieldPath } from "./slot-names.ts";
import type { ValueColumn } from "./value-column.ts";

const QUOTE = 34;

/** Columns of a page that hold fields which are asked for, and the labels of these. */
export type WantedFields = ReadonlyMap<number, string>;

/** The fields of one selection; remembers which columns have them. */
export class FieldChoice {
  readonly request: LogFieldRequest;
  readonly #labels = new Map<string, string | undefined>();

  constructor(request: LogFieldRequest) {
    this.request = request;
  }

  wanted({ columns }: PageLayout): WantedFields {
    const wanted = new Map<number, string>();
    for (let number = 0; number < columns.length; number++) {
      const { name } = columns[number]!.body;
      let label = this.#labels.get(name);
      if (label === undefined && !this.#labels.has(name)) {
        label = this.#labelOf(name);
        if (this.#labels.size < LABELS_REMEMBERED_MAX) this.#labels.set(name, label);
      }
      if (label !== undefined) wanted.set(number, label);
    }
    return wanted;
  }

  #labelOf(name: string): string | undefined {
    const path = fieldPath(name, this.request.parser);
    return path === undefined ? undefined : this.request.labelOf(path);
  }
}

/** Names of columns that a selection remembers; keys that are ids would else fill its memory. */
const LABELS_REMEMBERED_MAX = 10_000;

/** The columns must be at hand, and the templates of the rows. */
export function readFields(
  page: OpenPage,
  { parser }: LogFieldRequest,
  wanted: WantedFields,
): LogFields {
  const { layout, rows } = page;
  const kind = parser === "json" ? LINE_JSON : LINE_LOGFMT;
  const isKnownTemplate = layout.templates.map((template) =>
    template.kind === kind && hasEachOnce(template, wanted) ? 1 : 0,
  );
  const isKnown = new Uint8Array(layout.rows);
  for (let row = 0; row < layout.rows; row++) isKnown[row] = isKnownTemplate[rows.templateOf(row)]!;
  const columns = new Map<string, FieldBuilder>();
  for (const [number, label] of wanted) {
    let builder = columns.get(label);
    if (builder === undefined)
      columns.set(label, (builder = new FieldBuilder(label, layout.rows, parser)));
    builder.add(page, number, isKnown);
  }
  return { isKnown, columns: [...columns.values()] };
}

/** Whether no two slots of the template make the same label: which of them counts depends on their order. */
function hasEachOnce({ columns }: LineTemplate, wanted: WantedFields): boolean {
  const seen = new Set<string>();
  for (const column of columns) {
    const label = wanted.get(column);
    if (label === undefined) continue;
    if (seen.has(label)) return false;
    seen.add(label);
  }
  return true;
}

class FieldBuilder implements LogFieldColumn {
  readonly label: string;
  readonly values: string[] = [];
  readonly of: Uint32Array;
  readonly #numbers = new Map<string, number>();
  readonly #parser: LogFieldRequest["parser"];

  constructor(label: string, rows: number, parser: LogFieldRequest["parser"]) {
    this.label = label;
    this.of = new Uint32Array(rows);
    this.#parser = parser;
  }

  /** Adds the values that known rows have in a column. */
  add(page: OpenPage, number: number, isKnown: Uint8Array): void {
    const { rows, layout } = page;
    const column = page.column(number);
    const text = new ColumnText(column);
    const ranks = rows.ranks(number);
    /** 0: the template lacks the field; 1: it stands there as it is; 2: between quotes. */
    const how = layout.templates.map((template) => howItStands(template, number));
    const { dictionary } = column;
    const distinct = dictionary === undefined ? 0 : dictionary.bounds.length - 1;
    /** Numbers of the values of the dictionary, by how they stand; -1 when not known yet. */
    const numbers = [1, 2].map(() => new Int32Array(distinct).fill(-1));
    for (let row = 0; row < layout.rows; row++) {
      const standing = how[rows.templateOf(row)]!;
      if (standing === 0 || isKnown[row] === 0) continue;
      const rank = ranks[row]!;
      if (dictionary === undefined) {
        this.of[row] = this.#numberOf(text.at(rank), standing);
        continue;
      }
      const id = dictionary.ids === undefined ? 0 : dictionary.ids[rank]!;
      const known = numbers[standing - 1]!;
      if (known[id]! < 0) known[id] = this.#numberOf(text.at(rank), standing);
      this.of[row] = known[id]!;
    }
  }

  /** The number of a value + 1; 0 for one that the parser leaves out. */
  #numberOf(raw: string, standing: number): number {
    const value = standing === 2 && raw.includes("\\") ? this.#unescape(raw) : raw;
    if (value === "" && this.#parser === "logfmt") return 0;
    let number = this.#numbers.get(value);
    if (number === undefined) {
      number = this.values.push(value);
      this.#numbers.set(value, number);
    }
    return number;
  }

  #unescape(raw: string): string {
    if (this.#parser === "logfmt") return raw.replaceAll('\\"', '"');
    return raw.replaceAll(/\\(?:u([0-9a-fA-F]{4})|([^]))/g, (_, hex?: string, simple?: string) =>
      hex === undefined
        ? (ESCAPES[simple!] ?? simple!)
        : String.fromCharCode(Number.parseInt(hex, 16)),
    );
  }
}

/** Those that stand for something else than themselves. */
const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

function howItStands({ columns, text, textEnds }: LineTemplate, number: number): number {
  const slot = columns.indexOf(number);
  if (slot < 0) return 0;
  const end = textEnds[slot]!;
  return end > 0 && text[end - 1] === QUOTE ? 2 : 1;
}

/** Values of a column as text. */
class ColumnText {
  readonly #column: ValueColumn;
  readonly #scratch: Buffer;

  constructor(column: ValueColumn) {
    this.#column = column;
    this.#scratch = Buffer.alloc(column.head.lengthMax);
  }

  at(rank: number): string {
    return this.#scratch.toString("utf8", 0, this.#column.copy(rank, this.#scratch, 0));
  }
}
