/** Selectors: which samples to ask the source for, and which sample is current at each step. */
import { isStaleAt, Labels, wordsOf } from "@finch/model";
import { ColumnBlocks } from "./column-blocks.ts";
import type { AtModifier, MatrixSelector, VectorSelector } from "./ast.ts";
import { executionError } from "./errors.ts";
import type { Evaluation } from "./evaluation.ts";
import { sizeInSamples } from "./histogram-buckets.ts";
import { RangeNotes } from "./range-notes.ts";
import { loadSeries, withoutStale } from "./select-load.ts";
import type { SeriesOrder } from "./select-load.ts";
import { scanSmoothed, scanSmoothedHistograms } from "./select-smoothed.ts";
import { WindowCache } from "./window-cache.ts";
import {
  ABSENT,
  countPresent,
  emptyHistograms,
  emptySeries,
  FLOAT,
  HISTOGRAM,
  withHistogramsOf,
} from "./values.ts";
import type { Grid, Mutable, OutputSeries, RangeSeries } from "./values.ts";

/** The time each step looks at, which `offset` and `@` move; ascending. */
export function referenceTimes(
  evaluation: Evaluation,
  grid: Grid,
  node: { readonly offsetMs: number; readonly at: AtModifier | undefined },
): Float64Array {
  const times = new Float64Array(grid.steps);
  if (node.at !== undefined) return times.fill(atTime(evaluation, node.at) - node.offsetMs);
  for (let step = 0; step < grid.steps; step++)
    times[step] = grid.startMs + step * grid.stepMs - node.offsetMs;
  return times;
}

/** The moment `@` names. */
export function atTime(evaluation: Evaluation, at: AtModifier): number {
  const { grid, endMs } = evaluation.options;
  switch (at.kind) {
    case "time":
      return at.timeMs;
    case "start":
      return grid.startMs;
    case "end":
      return endMs;
  }
}

/** What a selector answers: samples, or one of their times in seconds. Times of `infos` are asked for series that may not be histograms. */
export type SelectedColumn = "values" | "timestamps" | "start-timestamps" | "infos";

/** An instant vector selector at every step; `anchored` means nothing here. */
export async function evaluateSelector(
  evaluation: Evaluation,
  grid: Grid,
  node: VectorSelector,
  what: SelectedColumn = "values",
): Promise<readonly OutputSeries[]> {
  const output: OutputSeries[] = [];
  await streamSelected(
    evaluation,
    await loadSelected(evaluation, grid, node),
    {
      lends: false,
      consume: (series, found) => {
        output.push(series);
        evaluation.spend(grid.steps, found);
      },
    },
    what,
  );
  return output;
}

/** What a selector has to look at. */
export interface Selected {
  readonly node: VectorSelector;
  readonly series: readonly RangeSeries[];
  readonly times: LookTimes;
}

export async function loadSelected(
  evaluation: Evaluation,
  grid: Grid,
  node: VectorSelector,
  order: SeriesOrder = "by-labels",
): Promise<Selected> {
  const references = referenceTimes(evaluation, grid, node);
  const { lookbackMs } = evaluation.options;
  const isSmoothed = node.extended === "smoothed";
  const series = await loadSeries(evaluation, node, {
    startMs: references[0]! - lookbackMs + 1,
    endMs: references[grid.steps - 1]! + (isSmoothed ? lookbackMs : 0),
    order,
    newestOnly: grid.steps === 1 && !isSmoothed,
  });
  const kept = isSmoothed ? series.map(withoutStale) : series;
  const windows = new WindowCache({ ends: references, windowMs: lookbackMs });
  return { node, series: kept, times: { references, lookbackMs, windows } };
}

/** Whoever takes series one after the other. */
interface SelectedConsumer {
  /** What is handed over may be written to again for the next series. */
  readonly lends: boolean;
  /** `found` is how many samples the series has, a histogram being several; of a series that is lent, at how many steps it is there. */
  readonly consume: (series: OutputSeries, found: number) => void;
}

/** Series of a single step between two looks at the clock. */
const SERIES_UNWATCHED = 64;

/** The answer of a selector for series after series. */
export async function streamSelected(
  evaluation: Evaluation,
  { node, series: all, times }: Selected,
  { lends, consume }: SelectedConsumer,
  what: SelectedColumn = "values",
): Promise<void> {
  const steps = times.references.length;
  const scan = scanFor(evaluation, node, times, what);
  const lent: Mutable<OutputSeries> = emptySeries(Labels.EMPTY, false, lends ? steps : 0);
  const blocks = new ColumnBlocks(steps);
  const unwatched = steps === 1 ? SERIES_UNWATCHED : 1;
  for (let index = 0; index < all.length; index++) {
    const series = all[index]!;
    let out: OutputSeries = lent;
    if (lends) {
      lent.labels = series.labels;
      lent.present.fill(ABSENT);
      if (series.histograms !== undefined) lent.histograms ??= emptyHistograms(steps);
    } else {
      const empty = blocks.series(series.labels, false);
      out = what === "values" ? withHistogramsOf(empty, series) : empty;
    }
    let found = scan(series, out);
    if (found > 0) {
      evaluation.counter?.countInstants(out);
      if (lends && series.histograms !== undefined) found = countPresent(out.present);
      consume(out, found);
    }
    if (index % unwatched === 0 && evaluation.isBreathDue()) await evaluation.breathe();
  }
}

/** Writes what is current at each step; answers how many samples that is. */
type Scan = (series: RangeSeries, out: OutputSeries) => number;

function scanFor(
  evaluation: Evaluation,
  node: VectorSelector,
  times: LookTimes,
  what: SelectedColumn,
): Scan {
  if (what !== "values") return (series, out) => scanTimes(series, times, what, out);
  if (node.extended !== "smoothed")
    return (series, out) =>
      series.histograms === undefined
        ? scanLookback(series, times, out)
        : scanHistograms(series, times, out);
  const notes = new RangeNotes(evaluation.annotations, node.position);
  return (series, out) => {
    notes.metric = series.labels.get("__name__");
    const scan = series.histograms ? scanSmoothedHistograms : scanSmoothed;
    return scan(series, times, out, notes);
  };
}

/** The times a selector looks at, ascending, and how far it looks back from each. */
export interface LookTimes {
  readonly references: Float64Array;
  readonly lookbackMs: number;
  /** The samples young enough at each of them. */
  readonly windows: WindowCache;
}

/** The newest sample not older than the lookback at each reference time, unless it is a stale marker. */
function scanLookback(series: RangeSeries, times: LookTimes, out: OutputSeries): number {
  const { references } = times;
  if (references.length > 1) return scanWindows(series, times.windows, out);
  const { timestampsMs, values } = series;
  const reference = references[0]!;
  let at = timestampsMs.length - 1;
  while (at >= 0 && timestampsMs[at]! > reference) at--;
  if (at < 0 || timestampsMs[at]! <= reference - times.lookbackMs) return 0;
  if (Number.isNaN(values[at]!) && isStaleAt(wordsOf(values), at)) return 0;
  out.values[0] = values[at]!;
  out.present[0] = FLOAT;
  return 1;
}

/** The last sample of each window. */
function scanWindows(series: RangeSeries, cache: WindowCache, out: OutputSeries): number {
  const { values } = series;
  const windows = cache.windowsOf(series.timestampsMs);
  const { present } = out;
  const steps = present.length;
  if (windows.isFull && pickLast(values, windows.last, out.values)) {
    present.fill(FLOAT);
    return steps;
  }
  const { first, last } = windows;
  let words: Uint32Array | undefined;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const at = last[step]! - 1;
    if (at < first[step]!) continue;
    const value = values[at]!;
    // Of numbers only a NaN can be a stale marker.
    if (Number.isNaN(value) && isStaleAt((words ??= wordsOf(values)), at)) continue;
    out.values[step] = value;
    present[step] = FLOAT;
    found++;
  }
  return found;
}

/** Samples `last[step] - 1`; false as soon as one is NaN. */
function pickLast(values: Float64Array, last: Int32Array, picked: Float64Array): boolean {
  const { length } = last;
  for (let step = 0; step < length; step++) {
    const value = values[last[step]! - 1]!;
    if (value !== value) return false;
    picked[step] = value;
  }
  return true;
}

/** Index of the sample that is current at each reference time, -1 where there is none. */
function currentSamples(series: RangeSeries, { references, lookbackMs }: LookTimes): Int32Array {
  const { timestampsMs, values, histograms } = series;
  const words = wordsOf(values);
  const current = new Int32Array(references.length).fill(-1);
  let next = 0;
  for (let step = 0; step < references.length; step++) {
    const reference = references[step]!;
    while (next < timestampsMs.length && timestampsMs[next]! <= reference) next++;
    const at = next - 1;
    if (at < 0 || timestampsMs[at]! <= reference - lookbackMs) continue;
    if (histograms?.[at] !== undefined || !isStaleAt(words, at)) current[step] = at;
  }
  return current;
}

/** {@link scanLookback} of a series that has histograms. */
function scanHistograms(series: RangeSeries, times: LookTimes, out: OutputSeries): number {
  let found = 0;
  for (const [step, at] of currentSamples(series, times).entries()) {
    if (at < 0) continue;
    const histogram = series.histograms![at];
    out.histograms![step] = histogram;
    out.values[step] = series.values[at]!;
    out.present[step] = histogram === undefined ? FLOAT : HISTOGRAM;
    found += histogram === undefined ? 1 : sizeInSamples(histogram);
  }
  return found;
}

/** A time of the current sample, in seconds. */
function scanTimes(
  series: RangeSeries,
  times: LookTimes,
  what: Exclude<SelectedColumn, "values">,
  out: OutputSeries,
): number {
  const { timestampsMs, startTimestampsMs, histograms, labels } = series;
  let found = 0;
  for (const [step, at] of currentSamples(series, times).entries()) {
    if (at < 0) continue;
    if (what === "infos" && histograms?.[at] !== undefined)
      throw executionError(
        `this should be an info metric, with float samples: ${labels.toString()}`,
      );
    const timeMs = what === "start-timestamps" ? (startTimestampsMs?.[at] ?? 0) : timestampsMs[at]!;
    out.values[step] = timeMs / 1000;
    out.present[step] = FLOAT;
    found++;
  }
  return found;
}

/** The samples a range vector selector may need for any of the reference times, stale markers included. */
export async function loadRange(
  evaluation: Evaluation,
  node: MatrixSelector,
  references: Float64Array,
  order: SeriesOrder,
): Promise<readonly RangeSeries[]> {
  const { lookbackMs } = evaluation.options;
  const { extended } = node.selector;
  const before = node.rangeMs + (extended === undefined ? 0 : lookbackMs);
  const after = extended === "smoothed" ? lookbackMs : 0;
  const bounds = {
    startMs: references[0]! - before + 1,
    endMs: references[references.length - 1]! + after,
    order,
    newestOnly: false,
  };
  return await loadSeries(evaluation, node.selector, bounds);
}
