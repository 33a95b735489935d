/** Structured metadata of an opened page: the distinct sets of labels, and the number of one for each row. */
import { CodecError } from "@finch/codec";
import { Labels } from "@finch/model";
import { canMatch, matchValues } from "./column-search.ts";
import type { ValueMatch } from "./column-search.ts";
import type { PageLayout, StoredBody } from "./page-layout.ts";
import { readNumbers } from "./stored-body.ts";
import { openColumn } from "./value-column.ts";
import type { Dictionary, ValueColumn } from "./value-column.ts";

export interface PageMetadata {
  /** The first is empty. */
  readonly sets: readonly Labels[];
  readonly of: Uint32Array;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What is wanted of the metadata of a page; without them, all rows and all columns. */
interface MetadataChoice {
  /** Ascending. */
  readonly rows?: Uint32Array | undefined;
  readonly columns?: readonly number[] | undefined;
}

export function decodeMetadata(
  layout: PageLayout,
  bodyOf: (body: StoredBody) => Uint8Array,
  { rows: wanted, columns: chosen = [...layout.metadata.keys()] }: MetadataChoice = {},
): PageMetadata {
  const { rows, shapeOf, metadata, metadataNames } = layout;
  const sets: Labels[] = [Labels.EMPTY];
  const of = new Uint32Array(wanted?.length ?? rows);
  if (chosen.length === 0) return { sets, of };
  const columns: MetadataColumn[] = [];
  for (const column of chosen) {
    const { head, body } = metadata[column]!;
    columns[column] = new MetadataColumn(openColumn(head, bodyOf(body)));
  }
  const shapes = narrowShapes(layout.shapes, chosen);
  const shapeNumbers =
    shapeOf === undefined ? undefined : readNumbers(bodyOf(shapeOf), rows, shapes.length);
  const [first, ...others] = chosen;
  const only = columns[first!]!;
  const isInAll = shapes.every((shape) => shape.columns.length === 1);
  if (wanted === undefined && others.length === 0 && isInAll && only.dictionary !== undefined)
    return metadataOfOne(only, metadataNames[first!]!, rows);
  const cursors = new Uint32Array(columns.length);
  for (let row = 0, next = 0; row < rows && next < of.length; row++) {
    const shape = shapes[shapeNumbers === undefined ? 0 : shapeNumbers[row]!]!;
    const names = shape.columns;
    const isWanted = wanted === undefined || wanted[next] === row;
    for (const column of names) {
      const at = cursors[column]!++;
      if (at >= (columns[column]?.rows ?? 0))
        throw new CodecError("malformed", row, `metadata column ${column} is too short`);
    }
    if (!isWanted) continue;
    const place = next++;
    if (names.length === 0) continue;
    let tree = shape.sets;
    for (const column of names)
      tree = child(tree.next, columns[column]!.numberAt(cursors[column]! - 1));
    if (tree.set === 0) {
      tree.set = sets.length;
      const pairs: string[] = [];
      for (const column of names)
        pairs.push(metadataNames[column]!, columns[column]!.textAt(cursors[column]! - 1));
      sets.push(Labels.raw(pairs));
    }
    of[place] = tree.set;
  }
  return { sets, of };
}

/** What is wanted of a shape: its columns, and the sets of labels by the numbers of their values, one level of maps a column. */
interface NarrowShape {
  readonly columns: readonly number[];
  readonly sets: SetTree;
}

/** Shapes that have the same of the chosen columns have the same sets. */
function narrowShapes(shapes: readonly Uint32Array[], chosen: readonly number[]): NarrowShape[] {
  const known = new Map<string, NarrowShape>();
  return shapes.map((shape) => {
    const columns = [...shape].filter((column) => chosen.includes(column));
    const key = columns.join();
    let narrow = known.get(key);
    if (narrow === undefined)
      known.set(key, (narrow = { columns, sets: { set: 0, next: new Map() } }));
    return narrow;
  });
}

/** The rows that have the value under the name. */
export function findInMetadata(
  { rows, shapes, shapeOf, metadata, metadataNames }: PageLayout,
  bodyOf: (body: StoredBody) => Uint8Array,
  { name, value }: { readonly name: string; readonly value: Uint8Array },
): Uint16Array {
  const number = metadataNames.indexOf(name);
  const { head, body } = metadata[number]!;
  const match: ValueMatch = { kind: "equals", text: value };
  if (!canMatch(head, match)) return NO_ROWS;
  const hits = matchValues(openColumn(head, bodyOf(body)), match);
  if (hits === undefined) return NO_ROWS;
  const shapeNumbers =
    shapeOf === undefined ? undefined : readNumbers(bodyOf(shapeOf), rows, shapes.length);
  const has = Uint8Array.from(shapes, (names) => (names.includes(number) ? 1 : 0));
  const found: number[] = [];
  for (let row = 0, at = 0; row < rows; row++) {
    if (has[shapeNumbers === undefined ? 0 : shapeNumbers[row]!] !== 1) continue;
    if (hits[at++] === 1) found.push(row);
  }
  return Uint16Array.from(found);
}

const NO_ROWS = new Uint16Array(0);

/** All entries have the same one name, with few values: the level of most streams. */
function metadataOfOne(column: MetadataColumn, name: string, rows: number): PageMetadata {
  const { bounds, ids } = column.dictionary!;
  if (column.rows !== rows)
    throw new CodecError("malformed", 0, `metadata of ${column.rows} rows, not ${rows}`);
  const sets: Labels[] = [Labels.EMPTY];
  for (let id = 0; id + 1 < bounds.length; id++) sets.push(Labels.raw([name, column.valueOf(id)]));
  if (ids === undefined) return { sets, of: onesOf(rows) };
  const of = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) of[row] = ids[row]! + 1;
  return { sets, of };
}

let ones = new Uint32Array(0);

/** Ones that nobody writes. */
function onesOf(count: number): Uint32Array {
  if (count > ones.length) ones = new Uint32Array(Math.max(65_536, count)).fill(1);
  return ones.subarray(0, count);
}

interface SetTree {
  set: number;
  readonly next: Map<number, SetTree>;
}

function child(trees: Map<number, SetTree>, number: number): SetTree {
  let tree = trees.get(number);
  if (tree === undefined) trees.set(number, (tree = { set: 0, next: new Map() }));
  return tree;
}

class MetadataColumn {
  readonly rows: number;
  readonly #column: ValueColumn;
  readonly #scratch: Uint8Array;
  readonly #numbers = new Map<string, number>();

  constructor(column: ValueColumn) {
    this.#column = column;
    this.rows = column.head.rows;
    this.#scratch = new Uint8Array(column.head.lengthMax);
  }

  get dictionary(): Dictionary | undefined {
    return this.#column.dictionary;
  }

  /** A value of the dictionary. */
  valueOf(id: number): string {
    const { bytes, bounds } = this.#column.dictionary!;
    return decoder.decode(bytes.subarray(bounds[id], bounds[id + 1]));
  }

  numberAt(at: number): number {
    const { dictionary } = this.#column;
    if (dictionary !== undefined) return dictionary.ids === undefined ? 0 : dictionary.ids[at]!;
    const text = this.textAt(at);
    let number = this.#numbers.get(text);
    if (number === undefined) this.#numbers.set(text, (number = this.#numbers.size));
    return number;
  }

  textAt(at: number): string {
    const end = this.#column.copy(at, this.#scratch, 0);
    return decoder.decode(this.#scratch.subarray(0, end));
  }
}
