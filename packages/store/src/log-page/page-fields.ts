/** Fields of JSON and logfmt lines out of the columns of a page, without the lines. */
import type { LogFieldColumn, LogFieldRequest, LogFields } from "@finch/model";
import { CONSTANT, DICTIONARY } from "./column-format.ts";
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
  readonly #wanted = new WeakMap<PageLayout, WantedFields>();

  constructor(request: LogFieldRequest) {
    this.request = request;
  }

  wanted(layout: PageLayout): WantedFields {
    const known = this.#wanted.get(layout);
    if (known !== undefined) return known;
    const { columns } = layout;
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
    this.#wanted.set(layout, wanted);
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
  const { templates } = page.layout;
  const kind = parser === "json" ? LINE_JSON : LINE_LOGFMT;
  const isKnownTemplate = templates.map(
    (template) => template.kind === kind && hasEachOnce(template, wanted),
  );
  const areAllKnown = isKnownTemplate.every(Boolean);
  const isKnown = areAllKnown ? onesOf(page.layout.rows) : knownRows(page, isKnownTemplate);
  const columns: LogFieldColumn[] = [];
  for (const [label, numbers] of numbersByLabel(wanted)) {
    const [only, ...others] = numbers;
    const isAlone = areAllKnown && others.length === 0;
    const whole = isAlone ? wholeField(page, only!, parser) : undefined;
    if (whole !== undefined) columns.push(readWholeField(label, whole));
    else {
      const builder = new FieldBuilder(label, page.layout.rows, parser);
      for (const number of numbers) builder.add(page, number, isKnown);
      columns.push(builder);
    }
  }
  return { isKnown, areAllKnown, columns };
}

function numbersByLabel(wanted: WantedFields): ReadonlyMap<string, readonly number[]> {
  const byLabel = new Map<string, number[]>();
  for (const [number, label] of wanted) {
    const numbers = byLabel.get(label);
    if (numbers === undefined) byLabel.set(label, [number]);
    else numbers.push(number);
  }
  return byLabel;
}

function knownRows({ layout, rows }: OpenPage, isKnownTemplate: readonly boolean[]): Uint8Array {
  const isKnown = new Uint8Array(layout.rows);
  for (let row = 0; row < layout.rows; row++)
    if (isKnownTemplate[rows.templateOf(row)]!) isKnown[row] = 1;
  return isKnown;
}

let ones = new Uint8Array(0);

/** Ones that nobody writes. */
function onesOf(count: number): Uint8Array {
  if (count > ones.length) ones = new Uint8Array(Math.max(65_536, count)).fill(1);
  return ones.subarray(0, count);
}

/** A field of few values that all lines have, and in the same way: row and place in its column are the same. */
interface WholeField {
  readonly page: OpenPage;
  readonly column: number;
  readonly standing: number;
  readonly parser: LogFieldRequest["parser"];
}

function wholeField(
  page: OpenPage,
  column: number,
  parser: LogFieldRequest["parser"],
): WholeField | undefined {
  const { layout } = page;
  const { encoding, rows } = layout.columns[column]!.head;
  if ((encoding !== DICTIONARY && encoding !== CONSTANT) || rows !== layout.rows) return undefined;
  const [first, ...others] = layout.templates;
  const standing = howItStands(first!, column);
  if (others.some((template) => howItStands(template, column) !== standing)) return undefined;
  return { page, column, standing, parser };
}

/** Its values are told at once, those of rows at the first need. */
function readWholeField(label: string, field: WholeField): LogFieldColumn {
  const { page, column, standing, parser } = field;
  const names = new FieldValues(parser);
  const { bytes, bounds, ids } = page.column(column).dictionary!;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const numbers = new Uint32Array(bounds.length - 1);
  for (let id = 0; id < numbers.length; id++)
    numbers[id] = names.numberOf(text.toString("utf8", bounds[id], bounds[id + 1]), standing);
  let of: Uint32Array | undefined;
  return {
    label,
    values: names.values,
    get of() {
      return (of ??= numberRows(page.layout.rows, ids, numbers));
    },
  };
}

function numberRows(rows: number, ids: Uint8Array | undefined, numbers: Uint32Array): Uint32Array {
  const of = new Uint32Array(rows);
  if (ids === undefined) of.fill(numbers[0]!);
  else for (let row = 0; row < rows; row++) of[row] = numbers[ids[row]!]!;
  return of;
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
  readonly of: Uint32Array;
  readonly #names: FieldValues;

  constructor(label: string, rows: number, parser: LogFieldRequest["parser"]) {
    this.label = label;
    this.of = new Uint32Array(rows);
    this.#names = new FieldValues(parser);
  }

  get values(): readonly string[] {
    return this.#names.values;
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
        this.of[row] = this.#names.numberOf(text.at(rank), standing);
        continue;
      }
      const id = dictionary.ids === undefined ? 0 : dictionary.ids[rank]!;
      const known = numbers[standing - 1]!;
      if (known[id]! < 0) known[id] = this.#names.numberOf(text.at(rank), standing);
      this.of[row] = known[id]!;
    }
  }
}

/** The distinct values of a field, as the parser would find them, and their numbers. */
class FieldValues {
  readonly values: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #parser: LogFieldRequest["parser"];

  constructor(parser: LogFieldRequest["parser"]) {
    this.#parser = parser;
  }

  /** The number of a value + 1; 0 for one that the parser leaves out. */
  numberOf(raw: string, standing: number): number {
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
