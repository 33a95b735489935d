/** Sliding windows over the samples of a series: which samples each step of a range function sees. */

import type { Histogram } from "@finch/model";
import type { ColumnBlocks } from "./column-blocks.ts";
import type { RangeNotes } from "./range-notes.ts";
import type { HistogramColumn } from "./values.ts";

/**
 * What a range function works on. All arrays by step have the length `steps`; nothing here may be changed by a function, and nothing kept:
 * the next series comes in the same object.
 */
export interface WindowInput {
  readonly timestampsMs: Float64Array;
  /** Means nothing where `histograms` has one. */
  readonly values: Float64Array;
  /** Undefined when all samples are floats. */
  readonly histograms: readonly (Histogram | undefined)[] | undefined;
  /** Undefined when they are not known or not looked at. */
  readonly startTimestampsMs: Float64Array | undefined;
  /** Known: no value is NaN or below the one before. */
  readonly isRising: boolean;
  readonly steps: number;
  /** Samples `first[step] … last[step] - 1` are in the window of the step. */
  readonly first: Int32Array;
  readonly last: Int32Array;
  /** Right end of each window. */
  readonly references: Float64Array;
  readonly rangeMs: number;
  /** Time of each step itself, which `offset` and `@` do not move. */
  readonly startMs: number;
  readonly stepMs: number;
  /** Scalar arguments by position among the scalars, each one value a step. */
  readonly params: readonly Float64Array[];
  /** Scratch for functions that sort; at least as long as the widest window. */
  readonly scratch: Float64Array;
  readonly notes: RangeNotes;
  /** What functions worked out of the windows alone; series with the same windows share it. */
  readonly shared: WindowShared;
}

export interface WindowShared {
  /** Where columns by step come from, if not from an array of their own. */
  readonly blocks?: ColumnBlocks;
  stretch?: WindowStretch;
}

/** How far the growth of samples is stretched to the edges of their windows. */
export interface WindowStretch {
  /** The first step whose window has two samples or more, and the one behind the last; both 0 when none has. */
  readonly from: number;
  readonly to: number;
  /** Whether every window in between has two as well. */
  readonly isUnbroken: boolean;
  /** By what growth between first and last sample is multiplied, `divisor` included; means nothing for windows with fewer than two. */
  readonly factor: Float64Array;
  /** Length of the windows in seconds where growth is asked for by second, else 1. */
  readonly divisor: number;
  /** A first sample above this many times the growth is certainly not stretched below zero, in no window. */
  readonly zeroLimit: number;
}

/** Where a range function writes: one value or histogram a step. */
export interface WindowOutput {
  readonly values: Float64Array;
  readonly present: Uint8Array;
  /** There when the input has histograms. */
  readonly histograms?: HistogramColumn | undefined;
}

/** Writes at the steps that have an answer; returns how many. */
export type RangeFunction = (input: WindowInput, output: WindowOutput) => number;

/** Fills the bounds of left-open windows `(reference - rangeMs, reference]`, in one pass; references ascend. */
export function slideWindows(
  timestampsMs: Float64Array,
  references: Float64Array,
  rangeMs: number,
  bounds: { readonly first: Int32Array; readonly last: Int32Array },
): void {
  const { first, last } = bounds;
  const count = timestampsMs.length;
  let from = 0;
  let to = 0;
  // How many samples the ends moved by: mostly they move by as many again.
  let moreFrom = 0;
  let moreTo = 0;
  for (let step = 0; step < references.length; step++) {
    const end = references[step]!;
    const start = end - rangeMs;
    if (isLastUntil(timestampsMs, to + moreTo, end)) to += moreTo;
    else {
      const before = to;
      while (to < count && timestampsMs[to]! <= end) to++;
      moreTo = to - before;
    }
    if (from + moreFrom <= to && isLastUntil(timestampsMs, from + moreFrom, start))
      from += moreFrom;
    else {
      const before = from;
      while (from < to && timestampsMs[from]! <= start) from++;
      moreFrom = from - before;
    }
    first[step] = from;
    last[step] = to;
  }
}

/** Whether `count` samples are until `time`, and no more. */
function isLastUntil(timestampsMs: Float64Array, count: number, time: number): boolean {
  const { length } = timestampsMs;
  if (count > length) return false;
  if (count > 0 && !(timestampsMs[count - 1]! <= time)) return false;
  return count === length || timestampsMs[count]! > time;
}

/** Length of the widest window. */
export function widestWindow(first: Int32Array, last: Int32Array): number {
  let widest = 0;
  for (let step = 0; step < first.length; step++)
    widest = Math.max(widest, last[step]! - first[step]!);
  return widest;
}
