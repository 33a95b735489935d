/** What selectors read from the source: each combination of selector and time once a query, and sorted once where somebody needs that. */
import { formatMatcher, isStaleAt, wordsOf } from "@finch/model";
import type { Histogram, Series } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { VectorSelector } from "./ast.ts";
import { ERROR_CODES } from "./errors.ts";
import type { Evaluation } from "./evaluation.ts";
import { EMPTY_HISTOGRAM, withResetHint } from "./histogram-arithmetic.ts";
import { sizeInSamples } from "./histogram-buckets.ts";
import { detectReset } from "./histogram-resets.ts";
import type { RangeSeries } from "./values.ts";

/** Sums depend on the order of series, so they are made in that of labels; who only counts or compares takes series as they come. */
export type SeriesOrder = "by-labels" | "any";

interface LoadBounds {
  readonly startMs: number;
  readonly endMs: number;
  readonly order: SeriesOrder;
  /** Only the newest sample is looked at. */
  readonly newestOnly: boolean;
}

/** Series of a selector. */
export async function loadSeries(
  evaluation: Evaluation,
  node: VectorSelector,
  bounds: LoadBounds,
): Promise<readonly RangeSeries[]> {
  const { selections, options } = evaluation;
  const matchers = node.matchers.map(formatMatcher).join(",");
  const statisticsOnly = options.statisticsOnly.has(node);
  const { startMs, endMs } = bounds;
  // What statistics say of resets comes from the histogram before.
  const newestOnly = bounds.newestOnly && !statisticsOnly;
  const key = `${startMs} ${endMs} ${newestOnly} ${statisticsOnly} ${matchers}`;
  const known = selections.get(key) ?? {
    loaded: readSource(evaluation, node, { ...bounds, newestOnly, statisticsOnly }),
    sorted: undefined,
  };
  selections.set(key, known);
  const loaded = await known.loaded;
  if (bounds.order === "any") return loaded;
  known.sorted ??= options.orders.sort(evaluation, matchers, loaded);
  return await known.sorted;
}

async function readSource(
  evaluation: Evaluation,
  node: VectorSelector,
  bounds: LoadBounds & { readonly statisticsOnly: boolean },
): Promise<readonly RangeSeries[]> {
  const { source, signal, clock, limits, startTimestamps } = evaluation.options;
  const { startMs, endMs, newestOnly } = bounds;
  const startedMs = clock.monotonicMs();
  const loaded: RangeSeries[] = [];
  const { matchers } = node;
  for await (const batch of source.select({ matchers, startMs, endMs, newestOnly, signal })) {
    signal.throwIfAborted();
    let samples = 0;
    let samplesHeld = 0;
    for (let at = 0; at < batch.length; at++) {
      const series = batch[at]!;
      const one = lookedAt(series, startTimestamps);
      samples += series.timestampsMs.length;
      if (one.histograms !== undefined) samplesHeld += sizeOfHistograms(one.histograms);
      loaded.push(bounds.statisticsOnly ? withStatisticsOnly(one) : one);
    }
    evaluation.seriesRead += batch.length;
    evaluation.samplesRead += samples;
    evaluation.memory.loadSeries(batch.length, samples + samplesHeld);
    if (loaded.length > limits.seriesMax) throw tooManySeries(limits.seriesMax);
  }
  evaluation.selectMs += clock.monotonicMs() - startedMs;
  return loaded;
}

function sizeOfHistograms(histograms: readonly (Histogram | undefined)[]): number {
  let size = 0;
  for (const histogram of histograms) if (histogram !== undefined) size += sizeInSamples(histogram);
  return size;
}

function tooManySeries(limit: number): FinchError {
  const remedy = "select fewer with more or narrower matchers";
  return new FinchError(
    "unprocessable",
    ERROR_CODES.series,
    `the query selects more than ${limit} series; ${remedy}`,
  );
}

/** The series with the columns that the query looks at: mostly as it is. */
function lookedAt(series: Series, wantsStarts: boolean): RangeSeries {
  const { labels, timestampsMs, values, histograms, startTimestampsMs } = series;
  const dropsStarts = startTimestampsMs !== undefined && !wantsStarts;
  if (histograms === undefined && !dropsStarts) return series;
  return {
    labels,
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
