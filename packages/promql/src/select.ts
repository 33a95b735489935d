/** Selectors: which samples to ask the source for, and which sample is current at each step. */
import { compareLabels, formatMatcher, isStaleAt, Labels, wordsOf } from "@finch/model";
import type { Histogram, Series } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { AtModifier, MatrixSelector, VectorSelector } from "./ast.ts";
import { ERROR_CODES, executionError } from "./errors.ts";
import { sortPaced } from "./pace.ts";
import type { Evaluation } from "./evaluation.ts";
import { EMPTY_HISTOGRAM, withResetHint } from "./histogram-arithmetic.ts";
import { sizeInSamples } from "./histogram-buckets.ts";
import { detectReset } from "./histogram-resets.ts";
import { RangeNotes } from "./range-notes.ts";
import { scanSmoothed, scanSmoothedHistograms } from "./select-smoothed.ts";
import { WindowCache } from "./window-cache.ts";
import { emptySeries, FLOAT, HISTOGRAM, withHistogramsOf } from "./values.ts";
import type { Grid, OutputSeries, RangeSeries } from "./values.ts";

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
  });
  const kept = isSmoothed ? series.map(withoutStale) : series;
  const windows = new WindowCache({ ends: references, windowMs: lookbackMs });
  return { node, series: kept, times: { references, lookbackMs, windows } };
}

/** Whoever takes series one after the other. */
interface SelectedConsumer {
  /** The columns handed over may be written to again for the next series; so no series may have histograms. */
  readonly lends: boolean;
  /** `found` is how many samples the series has. */
  readonly consume: (series: OutputSeries, found: number) => void;
}

/** The answer of a selector for series after series. */
export async function streamSelected(
  evaluation: Evaluation,
  { node, series: all, times }: Selected,
  { lends, consume }: SelectedConsumer,
  what: SelectedColumn = "values",
): Promise<void> {
  const steps = times.references.length;
  const notes = new RangeNotes(evaluation.annotations, node.position);
  const lent = emptySeries(Labels.EMPTY, false, lends ? steps : 0);
  for (const series of all) {
    const { labels } = series;
    let out: OutputSeries;
    if (lends) {
      lent.present.fill(0);
      out = { labels, dropName: false, values: lent.values, present: lent.present };
    } else {
      const empty = emptySeries(labels, false, steps);
      out = what === "values" ? withHistogramsOf(empty, series) : empty;
    }
    let found: number;
    if (what !== "values") found = scanTimes(series, times, what, out);
    else if (node.extended === "smoothed") {
      notes.metric = labels.get("__name__");
      const scan = series.histograms ? scanSmoothedHistograms : scanSmoothed;
      found = scan(series, times, out, notes);
    } else found = (series.histograms ? scanHistograms : scanLookback)(series, times, out);
    if (found > 0) {
      evaluation.counter?.countInstants(out);
      consume(out, found);
    }
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
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
  };
  return await loadSeries(evaluation, node.selector, bounds);
}

/** Sums depend on the order of series, so they are made in that of labels; who only counts or compares takes series as they come. */
export type SeriesOrder = "by-labels" | "any";

interface LoadBounds {
  readonly startMs: number;
  readonly endMs: number;
  readonly order: SeriesOrder;
}

/** Series of a selector; each combination of selector and time is read from the source, and sorted, once a query. */
async function loadSeries(
  evaluation: Evaluation,
  node: VectorSelector,
  bounds: LoadBounds,
): Promise<readonly RangeSeries[]> {
  const { selections, options } = evaluation;
  const matchers = node.matchers.map(formatMatcher).join(",");
  const statisticsOnly = options.statisticsOnly.has(node);
  const key = `${bounds.startMs} ${bounds.endMs} ${statisticsOnly} ${matchers}`;
  const known = selections.get(key) ?? {
    loaded: readSource(evaluation, node, { ...bounds, statisticsOnly }),
    sorted: undefined,
  };
  selections.set(key, known);
  const loaded = await known.loaded;
  if (bounds.order === "any") return loaded;
  known.sorted ??= sortPaced(evaluation, loaded, (a, b) => compareLabels(a.labels, b.labels));
  return await known.sorted;
}

async function readSource(
  evaluation: Evaluation,
  node: VectorSelector,
  bounds: LoadBounds & { readonly statisticsOnly: boolean },
): Promise<readonly RangeSeries[]> {
  const { source, signal, clock, limits, startTimestamps } = evaluation.options;
  const { startMs, endMs } = bounds;
  const startedMs = clock.monotonicMs();
  const loaded: RangeSeries[] = [];
  for await (const batch of source.select({ matchers: node.matchers, startMs, endMs, signal })) {
    signal.throwIfAborted();
    for (const series of batch) {
      evaluation.seriesRead++;
      evaluation.samplesRead += series.timestampsMs.length;
      const one = unchanged(series, startTimestamps);
      let samples = series.timestampsMs.length;
      for (const histogram of one.histograms ?? [])
        if (histogram !== undefined) samples += sizeInSamples(histogram);
      evaluation.memory.loadSeries(samples);
      loaded.push(bounds.statisticsOnly ? withStatisticsOnly(one) : one);
    }
    if (loaded.length > limits.seriesMax) throw tooManySeries(limits.seriesMax);
  }
  evaluation.selectMs += clock.monotonicMs() - startedMs;
  return loaded;
}

function tooManySeries(limit: number): FinchError {
  const remedy = "select fewer with more or narrower matchers";
  return new FinchError(
    "unprocessable",
    ERROR_CODES.series,
    `the query selects more than ${limit} series; ${remedy}`,
  );
}

/** The columns of a series that the query looks at. */
function unchanged(series: Series, wantsStarts: boolean): RangeSeries {
  const { labels, timestampsMs, values, histograms, startTimestampsMs } = series;
  return {
    labels,
    dropName: false,
    timestampsMs,
    values,
    histograms: histograms?.some((histogram) => histogram !== undefined) ? histograms : undefined,
    startTimestampsMs: wantsStarts ? startTimestampsMs : undefined,
  };
}

/** Histograms without buckets; what those said about resets goes into the hints. */
function withStatisticsOnly(series: RangeSeries): RangeSeries {
  if (series.histograms === undefined) return series;
  let previous: Histogram | undefined;
  const histograms = series.histograms.map((histogram) => {
    if (histogram === undefined) return undefined;
    let { resetHint } = histogram;
    if (resetHint === "unknown" && previous !== undefined)
      resetHint = detectReset(histogram, previous) ? "reset" : "not-reset";
    previous = withResetHint(histogram, resetHint);
    const { schema, count, sum } = histogram;
    return { ...EMPTY_HISTOGRAM, schema, count, sum, resetHint };
  });
  return { ...series, histograms };
}

/** The samples that are not stale markers. */
export function withoutStale(series: RangeSeries): RangeSeries {
  if (!holdsNaN(series.values)) return series;
  const { timestampsMs, values, histograms, startTimestampsMs } = series;
  const words = wordsOf(values);
  const isKept = (i: number) => histograms?.[i] !== undefined || !isStaleAt(words, i);
  let kept = 0;
  for (let i = 0; i < values.length; i++) if (isKept(i)) kept++;
  if (kept === values.length) return series;
  const keptTimes = new Float64Array(kept);
  const keptValues = new Float64Array(kept);
  const keptStarts = startTimestampsMs && new Float64Array(kept);
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    if (!isKept(i)) continue;
    keptTimes[at] = timestampsMs[i]!;
    if (keptStarts !== undefined) keptStarts[at] = startTimestampsMs![i]!;
    keptValues[at++] = values[i]!;
  }
  return {
    ...series,
    timestampsMs: keptTimes,
    values: keptValues,
    histograms: histograms?.filter((_, i) => isKept(i)),
    startTimestampsMs: keptStarts,
  };
}

/** Stale markers are NaNs, which are told from numbers more cheaply than from other NaNs. */
function holdsNaN(values: Float64Array): boolean {
  const { length } = values;
  for (let i = 0; i < length; i++) {
    const value = values[i]!;
    if (value !== value) return true;
  }
  return false;
}
