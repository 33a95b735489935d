/** The shapes of the lines of one page, counted by bin: at most so many, and in memory that is used again. */
import type { ShapeHasher } from "./shape-hasher.ts";

/** Shapes of a page; lines of more are others. */
export const SHAPES_MAX = 1024;
const TABLE_SIZE = 4096;

/** A line that has a shape. */
export interface ShapeExample {
  readonly template: number;
  readonly level: number;
  /** Which of the lines of its template it is. */
  readonly rank: number;
  /** Where the text that was looked at begins and ends. */
  readonly from: number;
  readonly to: number;
}

export interface LineShape extends ShapeExample {
  readonly low: number;
  readonly high: number;
  /** Hashes of its words: see `ShapeHasher`. */
  readonly words: Int32Array;
  /** Which of them have digits; those that have been the same in all lines stand first. */
  readonly values: Uint8Array;
  fixedCount: number;
  /** Lines of each bin. */
  readonly bins: number[];
  readonly counts: number[];
  total: number;
  /** Lines in the bin at hand. */
  pending: number;
}

export class LineShapes {
  readonly all: LineShape[] = [];
  /** Number of a shape + 1, by its hash. */
  readonly #table = new Uint16Array(TABLE_SIZE);

  clear(): void {
    this.all.length = 0;
    this.#table.fill(0);
  }

  /** The shape that was hashed last; undefined when it is new. */
  find(hasher: ShapeHasher): LineShape | undefined {
    const { low, high, words: found } = hasher;
    const table = this.#table;
    for (let slot = slotOf(low, high); table[slot] !== 0; slot = (slot + 1) & (TABLE_SIZE - 1)) {
      const shape = this.all[table[slot]! - 1]!;
      if (shape.low !== low || shape.high !== high) continue;
      const { words, values } = shape;
      for (let i = 0; i < shape.fixedCount;) {
        const word = values[i]!;
        if (found[word] === words[word]) {
          i++;
          continue;
        }
        // It differs: the last that does not takes its place.
        const last = --shape.fixedCount;
        values[i] = values[last]!;
        values[last] = word;
      }
      return shape;
    }
    return undefined;
  }

  /** Adds the shape that was hashed last; undefined when there is no room. */
  add(hasher: ShapeHasher, of: ShapeExample): LineShape | undefined {
    if (this.all.length >= SHAPES_MAX) return undefined;
    const { low, high, words, wordCount, values, valueCount } = hasher;
    const table = this.#table;
    let slot = slotOf(low, high);
    while (table[slot] !== 0) slot = (slot + 1) & (TABLE_SIZE - 1);
    const shape: LineShape = {
      ...of,
      low,
      high,
      words: words.slice(0, wordCount),
      values: values.slice(0, valueCount),
      fixedCount: valueCount,
      bins: [],
      counts: [],
      total: 0,
      pending: 0,
    };
    table[slot] = this.all.push(shape);
    return shape;
  }

  /** Ends a bin. */
  flush(bin: number): void {
    for (const shape of this.all) {
      if (shape.pending === 0) continue;
      shape.bins.push(bin);
      shape.counts.push(shape.pending);
      shape.total += shape.pending;
      shape.pending = 0;
    }
  }
}

function slotOf(low: number, high: number): number {
  return (low ^ (low >>> 17) ^ (high >>> 9)) & (TABLE_SIZE - 1);
}
