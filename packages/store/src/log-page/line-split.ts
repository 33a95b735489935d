/**
 * Takes the lines of a page apart: the template of each, and for each column where its values stand. Templates of few lines are given up and their lines kept
 * whole: a column of few values takes more room than it saves.
 */
import type { LogColumns } from "@finch/model";
import { growUint32 } from "../number-columns.ts";
import { findSlots, LINE_TEXT, LINE_WHOLE, LineSlots } from "./line-slots.ts";
import { TemplateTable } from "./line-templates.ts";
import type { LineTemplate } from "./line-templates.ts";
import { nameSlots } from "./slot-names.ts";
import { ValueRefs } from "./value-refs.ts";

/** Lines of text that a template has at least. */
const TEXT_ROWS_MIN = 16;
/** The same of JSON and logfmt, whose columns are shared between templates, where a page has more templates than it can do with. */
const FIELD_ROWS_MIN = 4;
const FIELD_TEMPLATES_MAX = 64;
/** A field with a longer path is no column. */
const NAME_LENGTH_MAX = 512;

/** Valid until the next page is split. */
export interface SplitLines {
  readonly templates: readonly LineTemplate[];
  /** Number of the template of each row. */
  readonly templateOf: Uint16Array;
  readonly columnNames: readonly string[];
  /** Values of each column, in the lines. */
  readonly refs: readonly ValueRefs[];
}

/** Of lines without a template. */
const NONE = 0xffff;

export class LineSplitter {
  readonly #slots = new LineSlots();
  readonly #table = new TemplateTable();
  #templateOf = new Uint16Array(1024);
  /** Slots of the lines that have a template, line by line. */
  #starts = new Uint32Array(4096) as Uint32Array;
  #ends = new Uint32Array(4096) as Uint32Array;
  readonly #refs: ValueRefs[] = [];

  split(entries: LogColumns): SplitLines {
    if (this.#templateOf.length < entries.count)
      this.#templateOf = new Uint16Array(2 * entries.count);
    const found = this.#findTemplates(entries);
    return this.#fillColumns(entries, this.#chooseTemplates(entries, found));
  }

  /** Finds a template for each line; answers how many lines each has. */
  #findTemplates({ count, lines, lineBounds }: LogColumns): Uint32Array {
    const slots = this.#slots;
    const table = this.#table;
    table.clear();
    const rows: number[] = [];
    let length = 0;
    for (let row = 0; row < count; row++) {
      const start = lineBounds[row]!;
      const end = lineBounds[row + 1]!;
      const kind = findSlots(lines, start, end, slots);
      const number = kind === LINE_WHOLE ? -1 : table.find(lines, { start, end }, kind, slots);
      if (number < 0) {
        this.#templateOf[row] = NONE;
        continue;
      }
      this.#templateOf[row] = number;
      rows[number] = (rows[number] ?? 0) + 1;
      if (length + slots.count > this.#starts.length) {
        this.#starts = growUint32(this.#starts, length + slots.count);
        this.#ends = growUint32(this.#ends, length + slots.count);
      }
      for (let slot = 0; slot < slots.count; slot++, length++) {
        this.#starts[length] = slots.starts[slot]!;
        this.#ends[length] = slots.ends[slot]!;
      }
    }
    return Uint32Array.from(rows);
  }

  /** Which templates stay, with the names of their slots; undefined for those that are given up. */
  #chooseTemplates(
    { count, lines, lineBounds }: LogColumns,
    rowsOf: Uint32Array,
  ): readonly (readonly string[] | undefined)[] {
    const { templates } = this.#table;
    const fieldRowsMin = templates.length > FIELD_TEMPLATES_MAX ? FIELD_ROWS_MIN : 1;
    const names: (readonly string[] | undefined)[] = [];
    const isSeen = new Uint8Array(templates.length);
    const slots = new LineSlots();
    for (let row = 0, at = 0; row < count; row++) {
      const number = this.#templateOf[row]!;
      if (number === NONE) continue;
      const { kind, textEnds } = templates[number]!;
      const slotCount = textEnds.length - 1;
      if (isSeen[number] === 0) {
        isSeen[number] = 1;
        slots.count = slotCount;
        slots.starts.set(this.#starts.subarray(at, at + slotCount));
        slots.ends.set(this.#ends.subarray(at, at + slotCount));
        const isWorthIt = rowsOf[number]! >= (kind === LINE_TEXT ? TEXT_ROWS_MIN : fieldRowsMin);
        const own = isWorthIt ? nameSlots(lines, lineBounds[row]!, kind, slots) : undefined;
        if (own?.every((name) => name.length <= NAME_LENGTH_MAX) === true)
          // Slots of text stand for nothing beyond their template.
          names[number] =
            kind === LINE_TEXT ? own.map((name) => `t${number}.${name.slice(1)}`) : own;
      }
      at += slotCount;
    }
    return names;
  }

  #fillColumns(
    { count, lineBounds }: LogColumns,
    names: readonly (readonly string[] | undefined)[],
  ): SplitLines {
    const columnNames: string[] = [];
    const columnOf = new Map<string, number>();
    for (const refs of this.#refs) refs.clear();
    const column = (name: string): number => {
      let number = columnOf.get(name);
      if (number === undefined) {
        number = columnNames.length;
        columnNames.push(name);
        columnOf.set(name, number);
        if (this.#refs.length <= number) this.#refs.push(new ValueRefs());
      }
      return number;
    };
    const templates: LineTemplate[] = [];
    const finalOf = new Uint16Array(names.length + 1);
    for (const [number, text] of this.#table.templates.entries()) {
      const own = names[number];
      if (own === undefined) continue;
      finalOf[number] = templates.length;
      templates.push({ ...text, columns: Uint32Array.from(own, column) });
    }
    const whole = templates.length;
    let wholeRefs: ValueRefs | undefined;
    for (let row = 0, at = 0; row < count; row++) {
      const number = this.#templateOf[row]!;
      const slotCount = number === NONE ? 0 : this.#table.templates[number]!.textEnds.length - 1;
      if (number !== NONE && names[number] !== undefined) {
        const { columns } = templates[finalOf[number]!]!;
        for (let slot = 0; slot < columns.length; slot++)
          this.#refs[columns[slot]!]!.add(this.#starts[at + slot]!, this.#ends[at + slot]!);
        this.#templateOf[row] = finalOf[number]!;
      } else {
        wholeRefs ??= this.#refs[column("w0")]!;
        wholeRefs.add(lineBounds[row]!, lineBounds[row + 1]!);
        this.#templateOf[row] = whole;
      }
      at += slotCount;
    }
    if (wholeRefs !== undefined)
      templates.push({
        kind: LINE_WHOLE,
        text: new Uint8Array(0),
        textEnds: new Uint32Array(2),
        columns: Uint32Array.of(columnOf.get("w0")!),
      });
    return { templates, templateOf: this.#templateOf, columnNames, refs: this.#refs };
  }
}
