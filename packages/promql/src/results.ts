/** Answers of queries, as plain columns for whoever encodes them. */
import { compareLabels } from "@finch/model";
import type { Histogram, Labels } from "@finch/model";
import type { ExtendedMode } from "./ast.ts";
import { executionError } from "./errors.ts";
import { NAME_LABELS } from "./evaluation.ts";
import type { Evaluation, QueryStatistics } from "./evaluation.ts";
import type { Breather } from "./pace.ts";
import { sortPaced } from "./pace.ts";
import { extendRange } from "./range-extended.ts";
import {
  ABSENT,
  countPresent,
  emptySeries,
  FLOAT,
  HISTOGRAM,
  isAnywherePresent,
  mergeSameLabels,
} from "./values.ts";
import type { Grid, OutputSeries, RangeSeries } from "./values.ts";

/**
 * One series of a matrix: `timestampsMs[i]` (Unix milliseconds, ascending) has `histograms[i]` if that is there, else `values[i]`. May be
 * kept, must not be changed.
 */
export interface MatrixSeries {
  readonly labels: Labels;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  /** Same length, undefined where the sample is a float. Missing when all are. */
  readonly histograms?: readonly (Histogram | undefined)[] | undefined;
}

/** What a query found besides its data. */
export interface QueryReport {
  /** Texts that begin with `PromQL warning:` and end in ` (line:column)`. */
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
  readonly statistics: QueryStatistics;
}

export interface VectorResult extends QueryReport {
  readonly type: "vector";
  readonly timeMs: number;
  /** Element `i` has `histograms[i]` if that is there, else `values[i]`. In the order of a sort or rank where the query asks for one. */
  readonly labels: readonly Labels[];
  readonly values: Float64Array;
  /** Same length, undefined where the element is a float. Missing when all are. */
  readonly histograms?: readonly (Histogram | undefined)[] | undefined;
}

export interface MatrixResult extends QueryReport {
  readonly type: "matrix";
  /** Sorted by labels; none is empty. */
  readonly series: readonly MatrixSeries[];
}

export interface ScalarResult extends QueryReport {
  readonly type: "scalar";
  readonly timeMs: number;
  readonly value: number;
}

export interface StringResult extends QueryReport {
  readonly type: "string";
  readonly timeMs: number;
  readonly value: string;
}

/** One element of a vector: a histogram if there is one, else a value. */
export interface VectorElement {
  readonly labels: Labels;
  /** Means nothing beside a histogram. */
  readonly value: number;
  readonly histogram?: Histogram | undefined;
}

/** What rules go by: the elements of a vector. */
export interface ElementsResult extends QueryReport {
  readonly elements: readonly VectorElement[];
}

export type InstantResult = VectorResult | MatrixResult | ScalarResult | StringResult;

/** Series as they leave the engine: without the names that were to be removed, one for each label set. */
export async function finishSeries(
  evaluation: Evaluation,
  series: readonly OutputSeries[],
): Promise<readonly OutputSeries[]> {
  const kept = series.filter(({ present }) => isAnywherePresent(present));
  if (!evaluation.options.delayedNameRemoval) return kept;
  const named = kept.map((one) =>
    one.dropName ? { ...one, labels: one.labels.drop(NAME_LABELS), dropName: false } : one,
  );
  return await mergeSameLabels(evaluation, named);
}

/** The columns of an instant vector. */
export function vectorColumns(
  series: readonly OutputSeries[],
): Pick<VectorResult, "labels" | "values" | "histograms"> {
  const hasHistograms = series.some(({ histograms }) => histograms?.[0] !== undefined);
  return {
    labels: series.map(({ labels }) => labels),
    values: Float64Array.from(series, ({ values }) => values[0]!),
    histograms: hasHistograms ? series.map((one) => histogramAt(one, 0)) : undefined,
  };
}

/** The series of a range query, sorted by labels. Series without gaps share one column of times. */
export async function matrixOf(
  breather: Breather,
  series: readonly OutputSeries[],
  grid: Grid,
): Promise<readonly MatrixSeries[]> {
  const times = new Float64Array(grid.steps);
  for (let step = 0; step < grid.steps; step++) times[step] = grid.startMs + step * grid.stepMs;
  const matrix: MatrixSeries[] = [];
  for (const one of series) {
    const { labels, values, present } = one;
    if (one.histograms !== undefined || present.includes(ABSENT))
      matrix.push({ labels, ...pickPresent(times, one, countPresent(present)) });
    else matrix.push({ labels, timestampsMs: times, values });
    if (breather.isBreathDue()) await breather.breathe();
  }
  return await sortPaced(breather, matrix, compareSeries);
}

/** The columns at the steps that are present. */
export function pickPresent(
  times: Float64Array,
  series: OutputSeries,
  count: number,
): Pick<MatrixSeries, "timestampsMs" | "values" | "histograms"> {
  const { values, present } = series;
  const keptTimes = new Float64Array(count);
  const keptValues = new Float64Array(count);
  let at = 0;
  for (let step = 0; step < present.length; step++) {
    if (present[step] === ABSENT) continue;
    keptTimes[at] = times[step]!;
    keptValues[at++] = values[step]!;
  }
  const histograms = present.includes(HISTOGRAM)
    ? keptSteps(present).map((step) => histogramAt(series, step))
    : undefined;
  return { timestampsMs: keptTimes, values: keptValues, histograms };
}

function keptSteps(present: Uint8Array): readonly number[] {
  return Array.from(present.keys()).filter((step) => present[step] !== ABSENT);
}

/** The histogram of a step that has one; what the column holds at other steps means nothing. */
function histogramAt({ present, histograms }: OutputSeries, step: number): Histogram | undefined {
  return present[step] === HISTOGRAM ? histograms![step] : undefined;
}

interface CutWindow {
  readonly endMs: number;
  readonly rangeMs: number;
  readonly extended: ExtendedMode | undefined;
}

/** A range vector at one moment: the samples in `(endMs - rangeMs, endMs]` of each series, those at the edges of an extended one as well. */
export async function cutRange(
  breather: Breather,
  series: readonly RangeSeries[],
  window: CutWindow,
): Promise<readonly MatrixSeries[]> {
  const output: MatrixSeries[] = [];
  for (const one of series) {
    const cut = window.extended === undefined ? cutPlain(one, window) : cutExtended(one, window);
    if (cut !== undefined) output.push({ labels: one.labels, ...cut });
    if (breather.isBreathDue()) await breather.breathe();
  }
  return await sortPaced(breather, output, compareSeries);
}

type CutColumns = Omit<MatrixSeries, "labels"> | undefined;

function cutPlain(
  { timestampsMs, values, histograms }: RangeSeries,
  { endMs, rangeMs }: CutWindow,
): CutColumns {
  let first = 0;
  let last = timestampsMs.length;
  while (last > 0 && timestampsMs[last - 1]! > endMs) last--;
  while (first < last && timestampsMs[first]! <= endMs - rangeMs) first++;
  if (first === last) return undefined;
  return {
    timestampsMs: timestampsMs.slice(first, last),
    values: values.slice(first, last),
    histograms: histograms?.slice(first, last),
  };
}

function cutExtended(series: RangeSeries, { extended, endMs, rangeMs }: CutWindow): CutColumns {
  if (series.histograms?.some((histogram) => histogram !== undefined) === true)
    throw executionError(`${extended} modifier is not supported with histograms`);
  return extendRange(series, extended!, { endMs, rangeMs });
}

function compareSeries(a: MatrixSeries, b: MatrixSeries): number {
  return compareLabels(a.labels, b.labels);
}

/** A scalar of a range query, which is answered as a series without labels. */
export function scalarSeries(labels: Labels, values: Float64Array): OutputSeries {
  return {
    ...emptySeries(labels, false, 0),
    values,
    present: new Uint8Array(values.length).fill(FLOAT),
  };
}
