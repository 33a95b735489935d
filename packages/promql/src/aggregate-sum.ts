/**
 * Sums of a group, all steps side by side, each by Neumaier's summation: `t = sum + x`, and the rounding error of that addition goes into a
 * second column. Terms come as columns, or as growth of counters that never becomes a column of its own.
 *
 * An infinite sum carries no error. Since a sum that was infinite once never gets finite again, that is looked at in the end alone.
 */
import type { Columns, Reducer } from "./aggregate-reduce.ts";
import type { ColumnBlocks } from "./column-blocks.ts";
import { ABSENT, FLOAT } from "./values.ts";

/**
 * Growth of a rising counter between the ends of windows, each of which has two samples at least: a term that is there from step `from` up to
 * `to`, and never negative.
 */
export interface Growth {
  readonly from: number;
  readonly to: number;
  /** The term before step `computedTo`, where it is not simply such a difference; the other steps may be written to. */
  readonly computed: Float64Array;
  readonly computedTo: number;
  readonly values: Float64Array;
  /** The ends of a window are samples `first[step]` and `last[step] - 1`. */
  readonly first: Int32Array;
  readonly last: Int32Array;
  /** By what a difference is multiplied. */
  readonly factor: Float64Array;
}

export class SumReducer implements Reducer {
  readonly #scratch: ColumnBlocks;
  readonly #sums: Float64Array;
  readonly #present: Uint8Array;
  /** Missing while there is one term at most, which is its own sum. */
  #errors: Float64Array | undefined;
  #isEmpty = true;
  /** Some term was a column, which may be negative. */
  #hasColumns = false;
  #isWhole = false;

  /** The sums are cut from `blocks`; what is of no use to others from `scratch`. */
  constructor(blocks: ColumnBlocks, scratch: ColumnBlocks) {
    this.#scratch = scratch;
    this.#sums = blocks.values();
    this.#present = blocks.present();
  }

  add({ values, present }: Columns, found: number): void {
    const steps = this.#sums.length;
    this.#hasColumns = true;
    if (found < steps) {
      this.#isEmpty = false;
      this.#errors ??= this.#scratch.values();
      addPresent({ values, present }, this.#sums, this.#errors, this.#present);
      return;
    }
    const errors = this.#errorsOfNext();
    this.#mark(0, steps);
    if (errors === undefined) copyColumn(values, this.#sums, 0, steps);
    else addColumn(values, { sums: this.#sums, errors, from: 0, to: steps });
  }

  /** {@link add} of growth. */
  addGrowth(growth: Growth): void {
    const { computed, computedTo, from, to } = growth;
    const errors = this.#errorsOfNext();
    this.#mark(from, to);
    if (errors === undefined) {
      copyColumn(computed, this.#sums, from, computedTo);
      copyGrowth(growth, this.#sums);
    } else if (this.#hasColumns) {
      copyGrowth(growth, computed);
      addColumn(computed, { sums: this.#sums, errors, from, to });
    } else {
      addColumn(computed, { sums: this.#sums, errors, from, to: computedTo });
      addGrowth(growth, this.#sums, errors);
    }
  }

  finish(): Columns {
    if (this.#errors !== undefined) addErrors(this.#errors, this.#sums);
    return { values: this.#sums, present: this.#present };
  }

  /** Where the errors of the next term go; undefined for a first one, which has none. */
  #errorsOfNext(): Float64Array | undefined {
    if (!this.#isEmpty) return (this.#errors ??= this.#scratch.values());
    this.#isEmpty = false;
    return undefined;
  }

  #mark(from: number, to: number): void {
    if (this.#isWhole) return;
    this.#present.fill(FLOAT, from, to);
    this.#isWhole = from === 0 && to === this.#present.length;
  }
}

/** As if added to zeros, which makes a negative zero a positive one. */
function copyColumn(values: Float64Array, sums: Float64Array, from: number, to: number): void {
  for (let step = from; step < to; step++) sums[step] = values[step]! + 0;
}

function addColumn(
  values: Float64Array,
  target: {
    readonly sums: Float64Array;
    readonly errors: Float64Array;
    readonly from: number;
    readonly to: number;
  },
): void {
  const { sums, errors, from, to } = target;
  for (let step = from; step < to; step++) {
    const x = values[step]!;
    const sum = sums[step]!;
    const t = sum + x;
    errors[step] = errors[step]! + (Math.abs(sum) >= Math.abs(x) ? sum - t + x : x - t + sum);
    sums[step] = t;
  }
}

/** {@link addColumn} at the steps that are present. */
function addPresent(
  { values, present }: Columns,
  sums: Float64Array,
  errors: Float64Array,
  marks: Uint8Array,
): void {
  for (let step = 0; step < sums.length; step++) {
    if (present[step] === ABSENT) continue;
    const x = values[step]!;
    const sum = sums[step]!;
    const t = sum + x;
    errors[step] = errors[step]! + (Math.abs(sum) >= Math.abs(x) ? sum - t + x : x - t + sum);
    sums[step] = t;
    marks[step] = FLOAT;
  }
}

function copyGrowth(growth: Growth, sums: Float64Array): void {
  const { values, first, last, factor, computedTo, to } = growth;
  for (let step = computedTo; step < to; step++)
    sums[step] = (values[last[step]! - 1]! - values[first[step]!]!) * factor[step]! + 0;
}

/**
 * {@link addColumn} of growth to sums of growth. Of numbers that are not negative Knuth's branchless form (TwoSum) has the very same error and
 * does not overflow on the way. This loop is most of what a query over many counters costs, and V8 takes invariants out of it only as long as
 * it is this short: a branch more, and it is half as fast.
 */
function addGrowth(growth: Growth, sums: Float64Array, errors: Float64Array): void {
  const { values, first, last, factor, computedTo, to } = growth;
  for (let step = computedTo; step < to; step++) {
    const x = (values[last[step]! - 1]! - values[first[step]!]!) * factor[step]!;
    const sum = sums[step]!;
    const t = sum + x;
    const added = t - sum;
    errors[step] = errors[step]! + (sum - (t - added) + (x - added));
    sums[step] = t;
  }
}

function addErrors(errors: Float64Array, sums: Float64Array): void {
  for (let step = 0; step < sums.length; step++) {
    const sum = sums[step]!;
    if (Number.isFinite(sum)) sums[step] = sum + errors[step]!;
  }
}
