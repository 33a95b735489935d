/** Selectors: which samples to ask the source for, and which sample is current at each step. */
import { compareLabels, formatMatcher, isStaleAt, wordsOf } from "@finch/model";
import type { Series } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { AtModifier, MatrixSelector, VectorSelector } from "./ast.ts";
import { ERROR_CODES } from "./errors.ts";
import type { Evaluation } from "./evaluation.ts";
import type { Grid, OutputSeries, RangeSeries } from "./values.ts";
import { emptySeries } from "./values.ts";

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

/** An instant vector selector at every step; `anchored` means nothing here. `timestamps` answers the times of the samples, in seconds, instead of their values. */
export async function evaluateSelector(
  evaluation: Evaluation,
  grid: Grid,
  node: VectorSelector,
  what: "values" | "timestamps" = "values",
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
  for (const series of selected) {
    const out = emptySeries(series.labels, false, grid.steps);
    const found =
      node.extended === "smoothed"
        ? scanSmoothed(series, references, lookbackMs, out)
        : scanLookback(series, references, lookbackMs, what === "timestamps", out);
    if (found > 0) {
      output.push(out);
      evaluation.spend(found);
    }
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return output;
}

/** The newest sample not older than the lookback at each reference time, unless it is a stale marker. One pass. */
function scanLookback(
  series: RangeSeries,
  references: Float64Array,
  lookbackMs: number,
  wantTimes: boolean,
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
    outValues[step] = wantTimes ? timestampsMs[at]! / 1000 : values[at]!;
    present[step] = 1;
    found++;
  }
  return found;
}

/** The value on the line between the samples around each reference time; the last sample where none follows within the lookback. */
function scanSmoothed(
  series: RangeSeries,
  references: Float64Array,
  lookbackMs: number,
  out: OutputSeries,
): number {
  const { timestampsMs, values } = series;
  let next = 0;
  let found = 0;
  for (let step = 0; step < references.length; step++) {
    const reference = references[step]!;
    while (next < timestampsMs.length && timestampsMs[next]! < reference) next++;
    const before = next - 1;
    const exact = timestampsMs[next] === reference;
    const hasBefore = before >= 0 && timestampsMs[before]! > reference - lookbackMs;
    if (!exact && !hasBefore) continue;
    const hasNext = next < timestampsMs.length && timestampsMs[next]! <= reference + lookbackMs;
    if (exact) out.values[step] = values[next]!;
    else if (!hasNext) out.values[step] = values[before]!;
    else {
      const share =
        (reference - timestampsMs[before]!) / (timestampsMs[next]! - timestampsMs[before]!);
      out.values[step] = values[before]! + (values[next]! - values[before]!) * share;
    }
    out.present[step] = 1;
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
  const key = `${bounds.startMs} ${bounds.endMs} ${bounds.keepStale} ${matchers}`;
  let loading = evaluation.selections.get(key);
  if (loading === undefined) {
    loading = readSource(evaluation, node, bounds);
    evaluation.selections.set(key, loading);
  }
  return await loading;
}

async function readSource(
  evaluation: Evaluation,
  node: VectorSelector,
  bounds: LoadBounds,
): Promise<readonly RangeSeries[]> {
  const { source, signal, clock, limits } = evaluation.options;
  const { startMs, endMs, keepStale } = bounds;
  const startedMs = clock.monotonicMs();
  const loaded: RangeSeries[] = [];
  for await (const batch of source.select({ matchers: node.matchers, startMs, endMs, signal })) {
    signal.throwIfAborted();
    for (const series of batch) {
      evaluation.seriesRead++;
      evaluation.samplesRead += series.timestampsMs.length;
      evaluation.spend(series.timestampsMs.length);
      loaded.push(keepStale ? unchanged(series) : withoutStale(series));
    }
    if (loaded.length > limits.seriesMax) throw tooManySeries(limits.seriesMax);
  }
  loaded.sort((a, b) => compareLabels(a.labels, b.labels));
  evaluation.selectMs += clock.monotonicMs() - startedMs;
  return loaded;
}

function tooManySeries(limit: number): FinchError {
  const remedy = "select fewer with more or narrower matchers";
  return new FinchError(
    "unprocessable",
    ERROR_CODES.samples,
    `the query selects more than ${limit} series; ${remedy}`,
  );
}

function unchanged({ labels, timestampsMs, values }: Series): RangeSeries {
  return { labels, dropName: false, timestampsMs, values };
}

function withoutStale(series: Series): RangeSeries {
  const { labels, timestampsMs, values } = series;
  const words = wordsOf(values);
  let stale = 0;
  // A stale marker is a NaN, and comparing a number with itself is cheaper than looking at its words.
  for (let i = 0; i < values.length; i++)
    if (Number.isNaN(values[i]!) && isStaleAt(words, i)) stale++;
  if (stale === 0) return { labels, dropName: false, timestampsMs, values };
  const keptTimes = new Float64Array(values.length - stale);
  const keptValues = new Float64Array(values.length - stale);
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    if (isStaleAt(words, i)) continue;
    keptTimes[at] = timestampsMs[i]!;
    keptValues[at++] = values[i]!;
  }
  return { labels, dropName: false, timestampsMs: keptTimes, values: keptValues };
}
