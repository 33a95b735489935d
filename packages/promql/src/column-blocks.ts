/** Columns of one length, cut from larger blocks: an array of its own costs the allocator more than most loops over it. */
import type { Labels } from "@finch/model";
import { emptySeries } from "./values.ts";
import type { OutputSeries } from "./values.ts";

/** Doubles of a block. Without it the last column kept of a query keeps much more than itself. */
const BLOCK_LENGTH_MAX = 8192;
/** Steps whose columns lie in the heap, and cost little there. */
const SHORT_MAX = 8;

export class ColumnBlocks {
  readonly #steps: number;
  readonly #values: Blocks<Float64Array>;
  readonly #present: Blocks<Uint8Array>;
  readonly #integers: Blocks<Int32Array>;

  constructor(steps: number) {
    this.#steps = steps;
    this.#values = { block: new Float64Array(0), used: 0, columns: 0 };
    this.#present = { block: new Uint8Array(0), used: 0, columns: 0 };
    this.#integers = { block: new Int32Array(0), used: 0, columns: 0 };
  }

  /** A series without samples. */
  series(labels: Labels, dropName: boolean): OutputSeries {
    // So short a column is no more than its object.
    if (this.#steps <= SHORT_MAX) return emptySeries(labels, dropName, this.#steps);
    return { labels, dropName, values: this.values(), present: this.present() };
  }

  /** A column of zeros. */
  values(): Float64Array {
    const blocks = this.#values;
    const steps = this.#steps;
    if (blocks.used + steps > blocks.block.length) {
      grow(blocks, steps);
      blocks.block = new Float64Array(blocks.columns * steps);
    }
    return blocks.block.subarray(blocks.used, (blocks.used += steps));
  }

  /** A column of presence, absent throughout. */
  present(): Uint8Array {
    const blocks = this.#present;
    const steps = this.#steps;
    if (blocks.used + steps > blocks.block.length) {
      grow(blocks, steps);
      blocks.block = new Uint8Array(blocks.columns * steps);
    }
    return blocks.block.subarray(blocks.used, (blocks.used += steps));
  }

  /** A column of whole numbers, all 0. */
  integers(): Int32Array {
    const blocks = this.#integers;
    const steps = this.#steps;
    if (blocks.used + steps > blocks.block.length) {
      grow(blocks, steps);
      blocks.block = new Int32Array(blocks.columns * steps);
    }
    return blocks.block.subarray(blocks.used, (blocks.used += steps));
  }
}

interface Blocks<Block> {
  block: Block;
  /** Steps of the block that are given away. */
  used: number;
  /** Columns in the block. */
  columns: number;
}

/** Twice the columns of the block before: one column costs no more than itself. */
function grow(blocks: Blocks<unknown>, steps: number): void {
  blocks.columns = Math.max(1, Math.min(blocks.columns * 2, Math.floor(BLOCK_LENGTH_MAX / steps)));
  blocks.used = 0;
}
