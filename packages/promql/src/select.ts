/** Selectors: which samples to ask the source for, and which sample is current at each step. */
import { compareLabels, formatMatcher, isStaleAt, wordsOf } from "@finch/model";
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
  const references = referenceTimes(evaluation, grid, node);
  const { lookbackMs } = evaluation.options;
  const lookAheadMs = node.extended === "smoothed" ? lookbackMs : 0;
  const bounds = {
    startMs: references[0]! - lookbackMs + 1,
    endMs: references[grid.steps - 1]! + lookAheadMs,
  };
  const selected = await loadSeries(evaluation, node, {
    ...bounds,
    keepStale: node.extended !== "smoothed",
  });
  const output: OutputSeries[] = [];
  const notes = new RangeNotes(evaluation.annotations, node.position);
  for (const series of selected) {
    const times = { references, lookbackMs };
    const empty = emptySeries(series.labels, false, grid.steps);
    const out = what === "values" ? withHistogramsOf(empty, series) : empty;
    let found: number;
    if (what !== "values") found = scanTimes(series, times, what, out);
    else if (node.extended === "smoothed") {
      notes.metric = series.labels.get("__name__");
      found = (series.histograms ? scanSmoothedHistograms : scanSmoothed)(
        series,
        times,
        out,
        notes,
      );
    } else found = (series.histograms ? scanHistograms : scanLookback)(series, times, out);
    if (found > 0) {
      output.push(out);
      evaluation.spend(grid.steps, found);
    }
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return output;
}

/** The times a selector looks at, ascending, and how far it looks back from each. */
export interface LookTimes {
  readonly references: Float64Array;
  readonly lookbackMs: number;
}

/** The newest sample not older than the lookback at each reference time, unless it is a stale marker. One pass. */
function scanLookback(
  series: RangeSeries,
  { references, lookbackMs }: LookTimes,
  out: OutputSeries,
): number {
  const { timestampsMs, values } = series;
  const words = wordsOf(values);
  const { values: outValues, present } = out;
  const count = timestampsMs.length;
  let next = 0;
  let found = 0;
  for (let step = 0; step < references.length; step++) {
    const reference = references[step]!;
    while (next < count && timestampsMs[next]! <= reference) next++;
    const at = next - 1;
    if (at < 0 || timestampsMs[at]! <= reference - lookbackMs || isStaleAt(words, at)) continue;
    outValues[step] = values[at]!;
    present[step] = FLOAT;
    found++;
  }
  return found;
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

/** The samples a range vector selector may need for any of the reference times, stale markers removed. */
export async function loadRange(
  evaluation: Evaluation,
  node: MatrixSelector,
  references: Float64Array,
): Promise<readonly RangeSeries[]> {
  const { lookbackMs } = evaluation.options;
  const { extended } = node.selector;
  const before = node.rangeMs + (extended === undefined ? 0 : lookbackMs);
  const after = extended === "smoothed" ? lookbackMs : 0;
  const bounds = {
    startMs: references[0]! - before + 1,
    endMs: references[references.length - 1]! + after,
  };
  return await loadSeries(evaluation, node.selector, { ...bounds, keepStale: false });
}

interface LoadBounds {
  readonly startMs: number;
  readonly endMs: number;
  readonly keepStale: boolean;
}

/** Series of a selector sorted by labels; each combination of selector and time is read from the source once a query. */
async function loadSeries(
  evaluation: Evaluation,
  node: VectorSelector,
  bounds: LoadBounds,
): Promise<readonly RangeSeries[]> {
  const matchers = node.matchers.map(formatMatcher).join(",");
  const statisticsOnly = evaluation.options.statisticsOnly.has(node);
  const key = `${bounds.startMs} ${bounds.endMs} ${bounds.keepStale} ${statisticsOnly} ${matchers}`;
  let loading = evaluation.selections.get(key);
  if (loading === undefined) {
    loading = readSource(evaluation, node, { ...bounds, statisticsOnly });
    evaluation.selections.set(key, loading);
  }
  return await loading;
}

async function readSource(
  evaluation: Evaluation,
  node: VectorSelector,
  bounds: LoadBounds & { readonly statisticsOnly: boolean },
): Promise<readonly RangeSeries[]> {
  const { source, signal, clock, limits, startTimestamps } = evaluation.options;
  const { startMs, endMs, keepStale } = bounds;
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
      const all = bounds.statisticsOnly ? withStatisticsOnly(one) : one;
      loaded.push(keepStale ? all : withoutStale(all));
    }
    if (loaded.length > limits.seriesMax) throw tooManySeries(limits.seriesMax);
  }
  const sorted = await sortPaced(evaluation, loaded, (a, b) => compareLabels(a.labels, b.labels));
  evaluation.selectMs += clock.monotonicMs() - startedMs;
  return sorted;
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

function withoutStale(series: RangeSeries): RangeSeries {
  const { timestampsMs, values, histograms, startTimestampsMs } = series;
  const words = wordsOf(values);
  let stale = 0;
  // A stale marker is a NaN, and comparing a number with itself is cheaper than looking at its words.
  for (let i = 0; i < values.length; i++)
    if (Number.isNaN(values[i]!) && isStaleAt(words, i) && histograms?.[i] === undefined) stale++;
  if (stale === 0) return series;
  const keptTimes = new Float64Array(values.length - stale);
  const keptValues = new Float64Array(values.length - stale);
  const keptStarts = startTimestampsMs && new Float64Array(values.length - stale);
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    if (isStaleAt(words, i) && histograms?.[i] === undefined) continue;
    keptTimes[at] = timestampsMs[i]!;
    if (keptStarts !== undefined) keptStarts[at] = startTimestampsMs![i]!;
    keptValues[at++] = values[i]!;
  }
  return {
    ...series,
    timestampsMs: keptTimes,
    values: keptValues,
    histograms: histograms?.filter(
      (histogram, i) => histogram !== undefined || !isStaleAt(words, i),
    ),
    startTimestampsMs: keptStarts,
  };
}
