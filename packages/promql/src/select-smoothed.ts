/** `smoothed` instant selectors: what the samples around a moment say of it, by interpolation between the two. */
import type { Histogram } from "@finch/model";
import { interpolateHistograms } from "./range-extended-histograms.ts";
import { withResetHint } from "./histogram-arithmetic.ts";
import { hasCustomBounds } from "./histogram-bounds.ts";
import type { RangeNotes } from "./range-notes.ts";
import { splitSeries } from "./range-mixed.ts";
import type { LookTimes } from "./select.ts";
import { emptySeries, FLOAT, HISTOGRAM } from "./values.ts";
import type { OutputSeries, RangeSeries } from "./values.ts";
import { slideWindows } from "./window.ts";

/** The value on the line between the samples around each reference time; the last sample where none follows within the lookback. */
export function scanSmoothed(
  series: Pick<RangeSeries, "timestampsMs" | "values">,
  { references, lookbackMs }: LookTimes,
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
    out.present[step] = FLOAT;
    found++;
  }
  return found;
}

/** The same of a series with histograms. A moment with floats and histograms around it has no answer. */
export function scanSmoothedHistograms(
  series: RangeSeries,
  times: LookTimes,
  out: OutputSeries,
  notes: RangeNotes,
): number {
  const { references, lookbackMs } = times;
  const { floats, histograms } = splitSeries(series);
  const ofFloats = emptySeries(series.labels, false, references.length);
  scanSmoothed(floats, times, ofFloats);
  const ends = references.map((reference) => reference + lookbackMs);
  const boundsOf = (timestampsMs: Float64Array) => {
    const bounds = { first: new Int32Array(ends.length), last: new Int32Array(ends.length) };
    slideWindows(timestampsMs, ends, 2 * lookbackMs, bounds);
    return bounds;
  };
  const near = boundsOf(histograms.timestampsMs);
  const nearFloats = boundsOf(floats.timestampsMs);
  let found = 0;
  for (let step = 0; step < ends.length; step++) {
    const hasFloats = nearFloats.last[step]! > nearFloats.first[step]!;
    const hasHistograms = near.last[step]! > near.first[step]!;
    if (hasFloats && hasHistograms) notes.mixedSamples();
    else if (hasHistograms) {
      const window = { first: near.first[step]!, last: near.last[step]! };
      const histogram = smoothedAt(histograms, window, references[step]!, notes);
      if (histogram === undefined) continue;
      out.histograms![step] = histogram;
      out.present[step] = HISTOGRAM;
      found++;
    } else if (ofFloats.present[step] === FLOAT) {
      out.values[step] = ofFloats.values[step]!;
      out.present[step] = FLOAT;
      found++;
    }
  }
  return found;
}

function smoothedAt(
  { timestampsMs, samples }: { timestampsMs: Float64Array; samples: readonly Histogram[] },
  window: { readonly first: number; readonly last: number },
  timeMs: number,
  notes: RangeNotes,
): Histogram | undefined {
  let next = window.first;
  while (next < window.last && timestampsMs[next]! < timeMs) next++;
  if (next < window.last && timestampsMs[next] === timeMs) return samples[next]!;
  if (next === window.first) return undefined;
  const before = samples[next - 1]!;
  // The hint is about a sample and the one before it, which the moment is not.
  if (next === window.last) return withResetHint(before, "unknown");
  const after = samples[next]!;
  if (hasCustomBounds(before) !== hasCustomBounds(after)) {
    notes.mixedLayouts();
    return undefined;
  }
  const isCounter = before.resetHint !== "gauge" || after.resetHint !== "gauge";
  const between = { from: timestampsMs[next - 1]!, to: timestampsMs[next]!, timeMs };
  return interpolateHistograms(before, after, between, isCounter, notes);
}
