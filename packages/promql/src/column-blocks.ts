/** Columns of one length, cut from larger blocks: an array of its own costs the allocator more than most loops over it. */
import type { Labels } from "@finch/model";
import { freeBytes } from "@finch/runtime";
import { emptySeries } from "./values.ts";
import type { OutputSeries } from "./values.ts";

/** Doubles of a block. Without it the last column kept of a query keeps much more than itself. */
const BLOCK_LENGTH_MAX = 8192;
/** Blocks of one kind that are known until they are freed: what is more may be forgotten before. */
const FREED_MAX = 32;
/** Steps whose columns lie in the heap, and cost little there. */
const SHORT_MAX = 8;

export class ColumnBlocks {
  readonly #steps: number;
  readonly #values: Blocks<Float64Array>;
  readonly #present: Blocks<Uint8Array>;
  readonly #integers: Blocks<Int32Array>;

  constructor(steps: number) {
    this.#steps = steps;
    this.#values = new Blocks(steps, (length) => new Float64Array(length));
    this.#present = new Blocks(steps, (length) => new Uint8Array(length));
    this.#integers = new Blocks(steps, (length) => new Int32Array(length));
  }

  /** A series without samples. */
  series(labels: Labels, dropName: boolean): OutputSeries {
    // So short a column is no more than its object.
    if (this.#steps <= SHORT_MAX) return emptySeries(labels, dropName, this.#steps);
    return { labels, dropName, values: this.values(), present: this.present() };
  }

  /** A column of zeros. */
  values(): Float64Array {
    return this.#values.cut();
  }

  /** A column of presence, absent throughout. */
  present(): Uint8Array {
    return this.#present.cut();
  }

  /** A column of whole numbers, all 0. */
  integers(): Int32Array {
    return this.#integers.cut();
  }

  /** Gives the memory of columns back at once, where a garbage collection would find it much later. Nobody may look at one any more. */
  free(): void {
    this.#values.free();
    this.#present.free();
    this.#integers.free();
  }
}

interface Block<Column> extends ArrayBufferView {
  readonly length: number;
  subarray(from: number, to: number): Column;
}

/** Columns of one kind. */
class Blocks<Column extends Block<Column>> {
  readonly #steps: number;
  readonly #make: (length: number) => Column;
  #block: Column;
  /** The first blocks. */
  readonly #made: Column[] = [];
  /** Steps of the block that are given away. */
  #used = 0;
  /** Columns in the block. */
  #columns = 0;

  constructor(steps: number, make: (length: number) => Column) {
    this.#steps = steps;
    this.#make = make;
    this.#block = make(0);
  }

  cut(): Column {
    const steps = this.#steps;
    if (this.#used + steps > this.#block.length) {
      // Twice the columns of the block before: one column costs no more than itself.
      const columns = Math.min(this.#columns * 2, Math.floor(BLOCK_LENGTH_MAX / steps));
      this.#columns = Math.max(1, columns);
      this.#block = this.#make(this.#columns * steps);
      if (this.#made.length < FREED_MAX) this.#made.push(this.#block);
      this.#used = 0;
    }
    return this.#block.subarray(this.#used, (this.#used += steps));
  }

  free(): void {
    for (const block of this.#made) freeBytes(block);
    this.#made.length = 0;
    this.#block = this.#make(0);
    this.#used = 0;
  }
}
