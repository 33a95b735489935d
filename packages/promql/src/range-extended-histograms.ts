/**
 * `rate`, `increase` and `delta` of histograms in `anchored` and `smoothed` ranges: between the edges of the range as for floats, with the
 * histograms at the edges interpolated bucket by bucket.
 */
import type { Histogram } from "@finch/model";
import {
  combineHistograms,
  compactHistogram,
  divideHistogram,
  scaleHistogram,
  withResetHint,
} from "./histogram-arithmetic.ts";
import { hasCustomBounds } from "./histogram-bounds.ts";
import { detectReset } from "./histogram-resets.ts";
import { HistogramSum } from "./histogram-sum.ts";
import type { HistogramFunction, HistogramWindows } from "./range-histograms.ts";
import type { RangeNotes } from "./range-notes.ts";
import type { GrowthOptions } from "./range-rate.ts";

/** Two samples, and a moment from the one to the other. */
interface Between {
  readonly from: number;
  readonly to: number;
  readonly timeMs: number;
}

/** The histogram at a moment between two; a counter that was reset in between started at zero. */
export function interpolateHistograms(
  before: Histogram,
  after: Histogram,
  { from, to, timeMs }: Between,
  isCounter: boolean,
  notes: RangeNotes,
): Histogram | undefined {
  if (timeMs === from) return before;
  if (timeMs === to) return after;
  const share = (timeMs - from) / (to - from);
  if (isCounter && detectReset(after, before)) return scaleHistogram(after, share);
  const sum = new HistogramSum(after);
  if (!sum.add(before, -1)) {
    notes.mixedLayouts();
    return undefined;
  }
  if (sum.isReconciled) notes.reconciled("subtraction");
  sum.isReconciled = false;
  sum.scale(share);
  sum.add(before);
  if (sum.isReconciled) notes.reconciled("addition");
  return sum.plain();
}

interface Edges {
  readonly startMs: number;
  readonly endMs: number;
  /** First sample used: the last one not after the start, if there is one. */
  readonly a: number;
  /** Last sample used: of a smoothed range the first one not before the end, if there is one. */
  readonly b: number;
}

export function extendedGrowthOfHistograms(
  { isCounter, perSecond }: GrowthOptions,
  smoothed: boolean,
): HistogramFunction {
  return (input, step) => {
    const edges = findEdges(input, step, smoothed);
    if (edges === undefined || !isUniform(input, edges, isCounter)) return undefined;
    const { notes } = input;
    const left = atEdge(input, edges, "left", { smoothed, isCounter });
    const right = atEdge(input, edges, "right", { smoothed, isCounter });
    if (left === undefined || right === undefined) return undefined;
    if (!isCounter && (left.resetHint !== "gauge" || right.resetHint !== "gauge")) notes.notGauge();
    const sum = new HistogramSum(right);
    if (!sum.add(left, -1)) {
      notes.mixedLayouts();
      return undefined;
    }
    if (sum.isReconciled) notes.reconciled("subtraction");
    let growth = sum.plain();
    if (isCounter) {
      const lost = lostToResets(input, edges, { left, right, smoothed });
      if (lost !== undefined) {
        const whole = combineHistograms(growth, lost, 1)!;
        if (whole.isReconciled) notes.reconciled("addition");
        growth = whole.histogram;
      }
    }
    if (perSecond) growth = divideHistogram(growth, input.rangeMs / 1000);
    return compactHistogram(withResetHint(growth, "gauge"));
  };
}

function findEdges(input: HistogramWindows, step: number, smoothed: boolean): Edges | undefined {
  const { timestampsMs, references, rangeMs } = input;
  const endMs = references[step]!;
  const startMs = endMs - rangeMs;
  let a = input.first[step]!;
  let b = input.last[step]! - 1;
  while (a < b && timestampsMs[a + 1]! <= startMs) a++;
  if (smoothed) while (b > a && timestampsMs[b - 1]! >= endMs) b--;
  if (timestampsMs[b]! <= startMs || (smoothed && timestampsMs[a]! > endMs)) return undefined;
  return { startMs, endMs, a, b };
}

function isUniform(input: HistogramWindows, { a, b }: Edges, isCounter: boolean): boolean {
  const { samples, notes } = input;
  const isCustom = hasCustomBounds(samples[a]!);
  for (let i = a; i <= b; i++) {
    const sample = samples[i]!;
    if (hasCustomBounds(sample) !== isCustom) {
      notes.mixedLayouts();
      return false;
    }
    if (isCounter && sample.resetHint === "gauge") notes.notCounter();
  }
  return true;
}

function atEdge(
  input: HistogramWindows,
  { startMs, endMs, a, b }: Edges,
  side: "left" | "right",
  { smoothed, isCounter }: { readonly smoothed: boolean; readonly isCounter: boolean },
): Histogram | undefined {
  const { samples, timestampsMs, notes } = input;
  const between = (i: number, timeMs: number) => {
    const span = { from: timestampsMs[i]!, to: timestampsMs[i + 1]!, timeMs };
    return interpolateHistograms(samples[i]!, samples[i + 1]!, span, isCounter, notes);
  };
  if (side === "left")
    return smoothed && timestampsMs[a]! < startMs ? between(a, startMs) : samples[a];
  return smoothed && b > a && timestampsMs[b]! > endMs ? between(b - 1, endMs) : samples[b];
}

/** What the counter had reached at each reset between the edges; undefined when there was none. */
function lostToResets(
  { samples, timestampsMs, notes }: HistogramWindows,
  { startMs, a, b }: Edges,
  { left, right, smoothed }: { left: Histogram; right: Histogram; smoothed: boolean },
): Histogram | undefined {
  let previous = left;
  let first = a + 1;
  // A reset right behind the start is in the interpolated left edge already.
  if (smoothed && timestampsMs[a]! < startMs && detectReset(samples[a + 1]!, samples[a]!)) {
    previous = samples[a + 1]!;
    first++;
  }
  if (first > b) return undefined;
  let lost: HistogramSum | undefined;
  const lose = (histogram: Histogram) => {
    if (lost === undefined) lost = new HistogramSum(histogram);
    else {
      lost.add(histogram);
      if (lost.isReconciled) notes.reconciled("addition");
    }
  };
  // The right edge stands for the last sample.
  for (let i = first; i < b; i++) {
    if (detectReset(samples[i]!, previous)) lose(previous);
    previous = samples[i]!;
  }
  if (detectReset(right, previous)) lose(previous);
  return lost?.plain();
}
