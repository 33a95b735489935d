/**
 * What expressions evaluate to, for all steps of a query at once. A series is a column of doubles, one a step, and a column of presence
 * bytes beside it: a NaN in `values` is a real NaN, a step without a sample has presence 0 (its value then means nothing). Stale markers
 * never get here, selection removes them. Native histograms will be a third column; presence then says which of the two a step holds.
 * Columns belong to whoever evaluates: a function may write its result into the columns it was given.
 */
import type { Labels } from "@finch/model";
import { executionError } from "./errors.ts";

export interface OutputSeries {
  readonly labels: Labels;
  /** The metric name goes at the end of the evaluation (only with delayed name removal). */
  readonly dropName: boolean;
  /** One value a step. */
  readonly values: Float64Array;
  /** 1 where the step has a value, else 0. */
  readonly present: Uint8Array;
}

export interface VectorValue {
  readonly kind: "vector";
  readonly series: readonly OutputSeries[];
}

export interface ScalarValue {
  readonly kind: "scalar";
  /** One value a step. */
  readonly values: Float64Array;
}

export interface StringValue {
  readonly kind: "string";
  readonly value: string;
}

export type Value = VectorValue | ScalarValue | StringValue;

/** A series over time, as functions of range vectors read it: samples ascending, stale markers removed. */
export interface RangeSeries {
  readonly labels: Labels;
  readonly dropName: boolean;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

/** The steps of an evaluation. */
export interface Grid {
  readonly startMs: number;
  readonly stepMs: number;
  readonly steps: number;
}

export function makeGrid(startMs: number, endMs: number, stepMs: number): Grid {
  return {
    startMs,
    stepMs,
    steps: endMs < startMs ? 0 : Math.floor((endMs - startMs) / stepMs) + 1,
  };
}

export function emptySeries(labels: Labels, dropName: boolean, steps: number): OutputSeries {
  return { labels, dropName, values: new Float64Array(steps), present: new Uint8Array(steps) };
}

export function isAnywherePresent(present: Uint8Array): boolean {
  return present.includes(1);
}

/**
 * One series for each label set: series that became equal by losing labels are joined where they do not overlap, and refused where they do,
 * as one step cannot hold two samples of one label set. Changes the columns of the first of each.
 */
export function mergeSameLabels(series: readonly OutputSeries[]): readonly OutputSeries[] {
  const byKey = new Map<string, OutputSeries>();
  for (const one of series) {
    const first = byKey.get(one.labels.key);
    if (first === undefined) byKey.set(one.labels.key, one);
    else if (!mergeInto(first, one))
      throw executionError("vector cannot contain metrics with the same labelset");
  }
  return byKey.size === series.length ? series : [...byKey.values()];
}

function mergeInto(target: OutputSeries, source: OutputSeries): boolean {
  for (let step = 0; step < source.present.length; step++) {
    if (source.present[step] === 0) continue;
    if (target.present[step] === 1) return false;
    target.present[step] = 1;
    target.values[step] = source.values[step]!;
  }
  return true;
}
