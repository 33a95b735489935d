/**
 * What expressions evaluate to, for all steps of a query at once. A series is a column of doubles, one a step, and a column of presence
 * bytes beside it: a NaN in `values` is a real NaN, a step without a sample has presence 0 (its value then means nothing). Stale markers
 * never get here, selection removes them. A series with native histograms has a third column for them; presence says which of the two a
 * step holds. Columns belong to whoever evaluates: a function may write its result into the columns it was given. Histograms never change.
 */
import type { Histogram, Labels } from "@finch/model";
import { executionError } from "./errors.ts";
import type { Breather } from "./pace.ts";

/** What a step holds, in a column of presence. */
export const ABSENT = 0;
export const FLOAT = 1;
export const HISTOGRAM = 2;

/** Native histograms by step or sample: undefined where there is none. */
export type HistogramColumn = (Histogram | undefined)[];

export interface OutputSeries {
  readonly labels: Labels;
  /** The metric name goes at the end of the evaluation (only with delayed name removal). */
  readonly dropName: boolean;
  /** One value a step. */
  readonly values: Float64Array;
  /** {@link FLOAT} where the step has a value, {@link HISTOGRAM} where it has a histogram, else {@link ABSENT}. */
  readonly present: Uint8Array;
  /** One a step. Missing when no step has one: the loops over floats need not look at it. */
  readonly histograms?: HistogramColumn | undefined;
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

/** A type whose properties may be set: of an object that is lent out again and again. */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A series over time, as functions of range vectors read it: samples ascending, stale markers removed. A series of the source is one. */
export interface RangeSeries {
  readonly labels: Labels;
  /** Missing is false. */
  readonly dropName?: boolean | undefined;
  readonly timestampsMs: Float64Array;
  /** Means nothing where `histograms` has one. */
  readonly values: Float64Array;
  /** Same length; undefined where the sample is a float. Missing when all are. */
  readonly histograms?: readonly (Histogram | undefined)[] | undefined;
  /** When the counter began, Unix milliseconds, 0 where unknown. Missing when never known, and when start times are not looked at. */
  readonly startTimestampsMs?: Float64Array | undefined;
  /** As in `Series`. */
  readonly isRising?: boolean | undefined;
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
  return present.includes(FLOAT) || present.includes(HISTOGRAM);
}

/** How many steps hold a sample of either kind. */
export function countPresent(present: Uint8Array): number {
  let count = 0;
  for (let step = 0; step < present.length; step++) if (present[step] !== ABSENT) count++;
  return count;
}

/** The series with its floats alone; undefined when it has none. */
export function floatsOf(series: OutputSeries): OutputSeries | undefined {
  if (series.histograms === undefined) return series;
  if (!series.present.includes(FLOAT)) return undefined;
  const present = series.present.map((kind) => (kind === FLOAT ? FLOAT : ABSENT));
  return { labels: series.labels, dropName: series.dropName, values: series.values, present };
}

/** The same of a whole vector. */
export function floatsOfAll(input: readonly OutputSeries[]): readonly OutputSeries[] {
  if (input.every(({ histograms }) => histograms === undefined)) return input;
  return input.map(floatsOf).filter((series) => series !== undefined);
}

/**
 * One series for each label set: series that became equal by losing labels are joined where they do not overlap, and refused where they do,
 * as one step cannot hold two samples of one label set. Changes the columns of the first of each.
 */
export async function mergeSameLabels(
  breather: Breather,
  series: readonly OutputSeries[],
): Promise<readonly OutputSeries[]> {
  const byKey = new Map<string, OutputSeries>();
  for (const one of series) {
    const { key } = one.labels;
    const first = byKey.get(key);
    byKey.set(key, first === undefined ? one : mergeInto(first, one));
    if (breather.isBreathDue()) await breather.breathe();
  }
  return byKey.size === series.length ? series : [...byKey.values()];
}

/** Adds the steps of `source` to `target`, whose columns change, and answers it; throws where both have one. */
export function mergeInto(target: OutputSeries, source: OutputSeries): OutputSeries {
  const merged = withHistogramsOf(target, source);
  for (let step = 0; step < source.present.length; step++) {
    if (source.present[step] === ABSENT) continue;
    if (merged.present[step] !== ABSENT)
      throw executionError("vector cannot contain metrics with the same labelset");
    copyStep(source, merged, step);
  }
  return merged;
}

/** `series`, with room for histograms where `other` has some. */
export function withHistogramsOf(
  series: OutputSeries,
  other: { readonly histograms?: readonly (Histogram | undefined)[] | undefined },
): OutputSeries {
  return other.histograms === undefined ? series : withRoomForHistograms(series);
}

export function withRoomForHistograms(
  series: OutputSeries,
): OutputSeries & { readonly histograms: HistogramColumn } {
  const { histograms = emptyHistograms(series.present.length) } = series;
  return { ...series, histograms };
}

export function emptyHistograms(length: number): HistogramColumn {
  return Array.from({ length }, () => undefined);
}

/** Copies what one step holds; the target must have room for histograms where the source has some. */
export function copyStep(source: OutputSeries, target: OutputSeries, step: number): void {
  target.present[step] = source.present[step]!;
  target.values[step] = source.values[step]!;
  if (source.histograms !== undefined) target.histograms![step] = source.histograms[step];
}
