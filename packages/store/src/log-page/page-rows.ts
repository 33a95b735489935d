/** The rows of an opened page: which template each has, and where its values stand in their columns. */
import { sharedAscending } from "../number-columns.ts";
import type { LineTemplate } from "./line-templates.ts";

export class PageRows {
  readonly count: number;
  readonly templates: readonly LineTemplate[];
  /** Undefined when all rows have template 0. */
  readonly #templateOf: Uint16Array | undefined;
  readonly #columnCount: number;
  readonly #ranks: (Uint32Array | undefined)[] = [];
  /** By which templates have the column. */
  readonly #ranksOf = new Map<string, Uint32Array>();

  constructor(
    count: number,
    templates: readonly LineTemplate[],
    of: { readonly templates: Uint16Array | undefined; readonly columnCount: number },
  ) {
    this.count = count;
    this.templates = templates;
    this.#templateOf = of.templates;
    this.#columnCount = of.columnCount;
  }

  /** Template of each row; undefined when all have template 0. */
  get numbers(): Uint16Array | undefined {
    return this.#templateOf;
  }

  templateOf(row: number): number {
    return this.#templateOf === undefined ? 0 : this.#templateOf[row]!;
  }

  /** Where in a column the value of each row stands that has one. Columns of the same templates have the same. */
  ranks(column: number): Uint32Array {
    const known = this.#ranks[column];
    if (known !== undefined) return known;
    const of = this.#templateOf;
    if (of === undefined) return (this.#ranks[column] = sharedAscending(this.count));
    const has = Uint8Array.from(this.templates, ({ columns }) =>
      columns.includes(column) ? 1 : 0,
    );
    const key = has.join("");
    let ranks = this.#ranksOf.get(key);
    if (ranks === undefined) {
      ranks = new Uint32Array(this.count);
      for (let row = 0, rank = 0; row < ranks.length; row++) {
        ranks[row] = rank;
        rank += has[of[row]!]!;
      }
      this.#ranksOf.set(key, ranks);
    }
    return (this.#ranks[column] = ranks);
  }

  /** Calls `visit` for each of the ascending rows with the places of the values of its slots in their columns. */
  walk(rows: Uint32Array, visit: (template: LineTemplate, places: Uint32Array) => void): void {
    const cursors = new Uint32Array(this.#columnCount);
    const places = new Uint32Array(
      Math.max(1, ...this.templates.map(({ columns }) => columns.length)),
    );
    for (let row = 0, next = 0; next < rows.length; row++) {
      const template = this.templates[this.templateOf(row)]!;
      const { columns } = template;
      for (let slot = 0; slot < columns.length; slot++) {
        const column = columns[slot]!;
        places[slot] = cursors[column]!;
        cursors[column] = places[slot]! + 1;
      }
      if (rows[next] !== row) continue;
      next++;
      visit(template, places);
    }
  }
}
