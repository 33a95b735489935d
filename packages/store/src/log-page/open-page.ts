/**
 * A page whose columns are at hand as they are stored: each is decompressed and opened at the first need. Finds lines by what they contain, makes lines, and
 * hands out the values of fields, all without reading a column that has nothing to say.
 */
import { matchValues } from "./column-search.ts";
import type { ValueMatch } from "./column-search.ts";
import { makeLines } from "./line-maker.ts";
import type { PageLines } from "./line-maker.ts";
import { makeLinesPlainly } from "./line-maker-twin.ts";
import type { Placement } from "./line-search.ts";
import type { SearchPlan } from "./search-plan.ts";
import { decodeBins } from "./time-bins.ts";
import type { BinGrid, TimeBins } from "./time-bins.ts";
import { decodeTimes } from "./times.ts";
import { decodeMetadata, findInMetadata } from "./page-metadata.ts";
import type { PageMetadata } from "./page-metadata.ts";
import type { PageLayout, StoredBody } from "./page-layout.ts";
import { PageRows } from "./page-rows.ts";
import { readNumbers, unpackBody, unpackBriefly, unpackInto } from "./stored-body.ts";
import { openColumn } from "./value-column.ts";
import type { ValueColumn } from "./value-column.ts";

/** Where less than this share of the rows of a page is wanted, their metadata is made by itself. */
const METADATA_SHARE = 4;

/** Of the rows of a template, those match that are marked; all; those whose lines, when made, contain the text. */
const SOME = "some";
const ALL = "all";
const MADE = "made";

/** One hit among so many rows is looked up, more are met while going through all. */
const SPARSE = 32;

/** Values of a column that match, and where the value of each row stands among them. */
interface Condition {
  readonly ranks: Uint32Array;
  readonly hits: Buffer;
}

export class OpenPage {
  readonly layout: PageLayout;
  /** What is stored of a column; it was loaded before it is asked for. */
  readonly #stored: (body: StoredBody) => Uint8Array;
  readonly #columns: (ValueColumn | undefined)[] = [];
  /** Of the columns that were opened. */
  readonly #bodies: (Uint8Array | undefined)[] = [];
  readonly #matches = new Map<string, Buffer | undefined>();
  #rows: PageRows | undefined;
  #times: BigInt64Array | undefined;
  #metadata: PageMetadata | undefined;

  constructor(layout: PageLayout, stored: (body: StoredBody) => Uint8Array) {
    this.layout = layout;
    this.#stored = stored;
  }

  get times(): BigInt64Array {
    const { times, rows } = this.layout;
    this.#times ??= decodeTimes(unpackBriefly(times, this.#stored(times)), rows);
    return this.#times;
  }

  get metadata(): PageMetadata {
    this.#metadata ??= decodeMetadata(this.layout, (body) => this.body(body));
    return this.#metadata;
  }

  /** The metadata of the ascending rows, or what it has in some of its columns; of few rows, no others are looked at. */
  metadataOf(rows: Uint32Array, columns?: readonly number[]): PageMetadata {
    const all = this.layout.rows;
    const isSome = columns !== undefined && columns.length < this.layout.metadata.length;
    if (this.#metadata === undefined && rows.length < all / METADATA_SHARE)
      return decodeMetadata(this.layout, (body) => this.body(body), { rows, columns });
    const { sets, of } = isSome
      ? decodeMetadata(this.layout, (body) => this.body(body), { columns })
      : this.metadata;
    return { sets, of: rows.length === all ? of : rows.map((row) => of[row]!) };
  }

  /** How many rows lie in each bin of the grid, which is that of the span of the page. */
  bins(grid: BinGrid): TimeBins {
    return decodeBins(this.layout.binRows, grid, this.layout.rows);
  }

  /** The rows whose metadata has this value; the bodies of its column and of shapes must be at hand. */
  rowsWith(name: string, value: Uint8Array): Uint16Array {
    return findInMetadata(this.layout, (body) => this.body(body), { name, value });
  }

  get rows(): PageRows {
    if (this.#rows !== undefined) return this.#rows;
    const { rows, templates, templateOf, columns } = this.layout;
    const of =
      templateOf === undefined
        ? undefined
        : readNumbers(unpackBriefly(templateOf, this.#stored(templateOf)), rows, templates.length);
    this.#rows = new PageRows(rows, templates, { templates: of, columnCount: columns.length });
    return this.#rows;
  }

  column(number: number): ValueColumn {
    const known = this.#columns[number];
    if (known !== undefined) return known;
    const { head, body } = this.layout.columns[number]!;
    const bytes = this.body(body);
    this.#bodies[number] = bytes;
    return (this.#columns[number] = openColumn(head, bytes));
  }

  /** A body, decompressed. */
  body(body: StoredBody): Uint8Array {
    return unpackBody(body, this.#stored(body));
  }

  /** The lines of the ascending rows. */
  lines(rows: Uint32Array): PageLines {
    const { layout } = this;
    const made = makeLines(layout, this.rows, rows, (number, to) => {
      const known = this.#bodies[number];
      if (known !== undefined) to.set(known);
      else {
        const { body } = layout.columns[number]!;
        unpackInto(body, this.#stored(body), to);
      }
    });
    // The twin tells what is wrong.
    return made ?? makeLinesPlainly(layout, this.rows, rows, (number) => this.column(number));
  }

  /** Rows among the ascending `rows` whose lines contain what was planned for; the columns of the plan must be at hand. */
  find({ needle, templates }: SearchPlan, rows: Uint32Array): Uint32Array {
    const marks = Buffer.alloc(this.layout.rows);
    const how = templates.map((placements, number) => this.#mark(number, placements, marks));
    if (how.every((found) => found === SOME)) return markedAmong(rows, marks);
    const found = new Uint32Array(rows.length);
    let count = 0;
    const made: number[] = [];
    for (const row of rows) {
      const all = how[this.rows.templateOf(row)];
      if (all === MADE) made.push(row);
      else if (all === ALL || marks[row] === 1) found[count++] = row;
    }
    const some = found.subarray(0, count);
    if (made.length === 0) return some;
    return Uint32Array.from([...some, ...this.#findInLines(needle, Uint32Array.from(made))]).sort();
  }

  /** Marks the rows of a template that match, unless all do, or their lines have to be made. */
  #mark(
    number: number,
    placements: readonly Placement[] | undefined,
    marks: Uint8Array,
  ): typeof SOME | typeof ALL | typeof MADE {
    if (placements === undefined) return MADE;
    for (const placement of placements) {
      if (placement.length === 0) return ALL;
      this.#markPlacement(number, placement, marks);
    }
    return SOME;
  }

  #markPlacement(number: number, placement: Placement, marks: Uint8Array): void {
    const { columns } = this.layout.templates[number]!;
    const conditions: Condition[] = [];
    for (const { slot, kind, text } of placement) {
      const hits = this.#match(columns[slot]!, { kind, text });
      if (hits === undefined) return;
      conditions.push({ ranks: this.rows.ranks(columns[slot]!), hits });
    }
    const of = this.rows.numbers;
    const { ranks, hits } = conditions[0]!;
    const others = conditions.slice(1);
    if (SPARSE * countOnes(hits) > marks.length) {
      for (let row = 0; row < marks.length; row++) {
        if (hits[ranks[row]!] !== 1 || (of !== undefined && of[row] !== number)) continue;
        if (others.every((other) => other.hits[other.ranks[row]!] === 1)) marks[row] = 1;
      }
      return;
    }
    for (let value = hits.indexOf(1); value >= 0; value = hits.indexOf(1, value + 1)) {
      const row = rowOf(ranks, value);
      if (of !== undefined && of[row] !== number) continue;
      if (others.every((other) => other.hits[other.ranks[row]!] === 1)) marks[row] = 1;
    }
  }

  #match(column: number, match: ValueMatch): Buffer | undefined {
    const key = `${column} ${match.kind} ${Buffer.from(match.text).toString("latin1")}`;
    if (!this.#matches.has(key)) {
      const hits = matchValues(this.column(column), match);
      const bytes = hits && Buffer.from(hits.buffer, hits.byteOffset, hits.length);
      this.#matches.set(key, bytes);
    }
    return this.#matches.get(key);
  }

  #findInLines(needle: Uint8Array, rows: Uint32Array): number[] {
    const { lines, lineBounds } = this.lines(rows);
    const bytes = Buffer.from(lines.buffer, lines.byteOffset, lines.length);
    return [...rows].filter((_, i) =>
      bytes.subarray(lineBounds[i], lineBounds[i + 1]).includes(needle),
    );
  }
}

function countOnes(flags: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < flags.length; i++) count += flags[i]!;
  return count;
}

/** Those of the ascending rows that are marked. */
function markedAmong(rows: Uint32Array, marks: Buffer): Uint32Array {
  if (rows.length < marks.length) return rows.filter((row) => marks[row] === 1);
  const found: number[] = [];
  for (let row = marks.indexOf(1); row >= 0; row = marks.indexOf(1, row + 1)) found.push(row);
  return Uint32Array.from(found);
}

/** The row that has value number `value` of a column, whose ranks these are: the last before which there are as many values. */
function rowOf(ranks: Uint32Array, value: number): number {
  let low = value;
  let high = ranks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (ranks[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
