/** Range functions over windows of native histograms: growth of counters and gauges, sums and means. */
import type { Histogram } from "@finch/model";
import {
  combineHistograms,
  compactHistogram,
  divideHistogram,
  EMPTY_HISTOGRAM,
  scaleHistogram,
  scaleOwnHistogram,
  subtractSameLayout,
  withResetHint,
} from "./histogram-arithmetic.ts";
import { hasCustomBounds } from "./histogram-bounds.ts";
import { detectReset } from "./histogram-resets.ts";
import { HistogramSum } from "./histogram-sum.ts";
import { averageHistograms, sumHistograms } from "./histogram-mean.ts";
import type { HistogramTotal } from "./histogram-mean.ts";
import type { RangeNotes } from "./range-notes.ts";
import type { GrowthOptions } from "./range-rate.ts";
import { edgesOf, extrapolationFactor, isOverlapping, isStartReset } from "./range-starts.ts";
import type { WindowInput } from "./window.ts";

/** Windows over samples that all are histograms. */
export interface HistogramWindows extends WindowInput {
  readonly samples: readonly Histogram[];
  /** Whether the counter was reset between sample `i - 1` and sample `i`. */
  isReset(i: number): boolean;
}

/** Looks at each pair of neighbours once, however many windows it is in. */
export function resetFinder(
  samples: readonly Histogram[],
  starts: Pick<WindowInput, "timestampsMs" | "startTimestampsMs">,
): (i: number) => boolean {
  const known = new Uint8Array(samples.length);
  return (i) => {
    if (known[i] === 0)
      known[i] = isStartReset(starts, i) || detectReset(samples[i]!, samples[i - 1]!) ? 2 : 1;
    return known[i] === 2;
  };
}

/** The answer for the window of one step, which is not empty; undefined when there is none. */
export type HistogramFunction = (input: HistogramWindows, step: number) => Histogram | undefined;

/** `rate`, `increase` and `delta`, as for floats: growth between first and last sample, stretched towards the edges of the window. */
export function growthOfHistograms({ isCounter, perSecond }: GrowthOptions): HistogramFunction {
  return (input, step) => {
    const { samples, notes } = input;
    const a = input.first[step]!;
    const b = input.last[step]! - 1;
    const growth = b > a ? growthBetween(input, a, b, isCounter) : undefined;
    if (b > a && growth === undefined) return undefined;
    const edges = edgesOf(input, step, { a, b, isCounter });
    if (edges === undefined) return undefined;
    let result = growth ?? samples[a]!;
    if (edges.hasStart && growth !== undefined) {
      const whole = combineHistograms(growth, samples[a]!, 1);
      if (whole === undefined) {
        notes.mixedLayouts();
        return undefined;
      }
      if (whole.isReconciled) notes.reconciled("addition");
      result = whole.histogram;
    }
    const firstCount = isCounter ? samples[a]!.count : NaN;
    const extrapolated = extrapolationFactor(edges, result.count, firstCount);
    const factor = perSecond ? extrapolated / (input.rangeMs / 1000) : extrapolated;
    return growth === undefined
      ? scaleHistogram(result, factor)
      : scaleOwnHistogram(result, factor);
  };
}

/** The growth from sample `a` to `b`, resets of counters made good. A gauge, whose counts are the caller's. */
function growthBetween(
  input: HistogramWindows,
  a: number,
  b: number,
  isCounter: boolean,
): Histogram | undefined {
  const { samples, notes } = input;
  const last = samples[b]!;
  const start = isCounter ? startOfGrowth(input, a) : samples[a]!;
  const isCustom = hasCustomBounds(start);
  let isGauge = samples[a]!.resetHint === "gauge" || last.resetHint === "gauge";
  if (hasCustomBounds(last) !== isCustom) {
    if (isCounter && isGauge) notes.notCounter();
    notes.mixedLayouts();
    return undefined;
  }
  let coarsest = last.schema;
  if (isCounter) {
    coarsest = Math.min(coarsest, start.schema);
    for (let i = a + 1; i < b; i++) {
      const sample = samples[i]!;
      if (hasCustomBounds(sample) !== isCustom) {
        notes.mixedLayouts();
        return undefined;
      }
      isGauge ||= sample.resetHint === "gauge";
      coarsest = Math.min(coarsest, sample.schema);
    }
    if (isGauge) notes.notCounter();
  } else if (samples[a]!.resetHint !== "gauge" || last.resetHint !== "gauge") notes.notGauge();
  if (coarsest === last.schema && (!isCounter || isWithoutResets(input, a, b))) {
    const difference = subtractSameLayout(last, start);
    if (difference !== undefined) return withResetHint(compactHistogram(difference), "gauge");
  }
  const sum = new HistogramSum(last);
  sum.coarsenTo(coarsest);
  sum.add(start, -1);
  if (sum.isReconciled) notes.reconciled("subtraction");
  if (isCounter) addResets(input, { a, b, isFirstLeft: start !== samples[a] }, sum);
  return withResetHint(compactHistogram(sum.plain()), "gauge");
}

/** Whether there is nothing to make good between two samples, and nothing to remark. */
function isWithoutResets(input: HistogramWindows, a: number, b: number): boolean {
  if (input.startTimestampsMs !== undefined) return false;
  for (let i = a + 1; i <= b; i++) if (input.isReset(i)) return false;
  return true;
}

/** The first sample; an empty one where the counter was reset right behind it, so that its layout does not matter. */
function startOfGrowth(input: HistogramWindows, a: number): Histogram {
  const first = input.samples[a]!;
  if (!input.isReset(a + 1)) return first;
  const { schema, customBounds } = input.samples[a + 1]!;
  return { ...EMPTY_HISTOGRAM, schema, customBounds };
}

/** Adds what the counter had reached at each reset within the window; `isFirstLeft`: the first sample was left out. */
function addResets(
  input: HistogramWindows,
  { a, b, isFirstLeft }: { readonly a: number; readonly b: number; readonly isFirstLeft: boolean },
  sum: HistogramSum,
): void {
  const { samples, notes } = input;
  let overlaps = false;
  for (let i = a + 1; i <= b; i++) {
    overlaps ||= isOverlapping(input, i);
    // Growth that begins from nothing has not lost the first sample.
    if ((i === a + 1 && isFirstLeft) || !input.isReset(i)) continue;
    sum.isReconciled = false;
    sum.add(samples[i - 1]!);
    if (sum.isReconciled) notes.reconciled("addition");
  }
  if (overlaps) notes.overlappingStarts();
}

/** `irate` and `idelta` where sample `b`, the one before it, or both are histograms. */
export function lastHistogramDifference(
  input: WindowInput,
  b: number,
  isRate: boolean,
): Histogram | undefined {
  const { notes, timestampsMs } = input;
  const current = input.histograms![b];
  const previous = input.histograms![b - 1];
  if (current === undefined || previous === undefined) {
    notes.mixedSamples();
    return undefined;
  }
  const gauges = Number(current.resetHint === "gauge") + Number(previous.resetHint === "gauge");
  if (isRate && gauges > 0) notes.notCounter();
  if (!isRate && gauges < 2) notes.notGauge();
  let difference = current;
  if (!isRate || (!isStartReset(input, b) && !detectReset(current, previous))) {
    const combined = combineHistograms(current, previous, -1);
    if (combined === undefined) {
      notes.mixedLayouts();
      return undefined;
    }
    if (combined.isReconciled) notes.reconciled("subtraction");
    difference = combined.histogram;
  }
  difference = withResetHint(compactHistogram(difference), "gauge");
  const seconds = (timestampsMs[b]! - timestampsMs[b - 1]!) / 1000;
  return isRate ? divideHistogram(difference, seconds) : difference;
}

export const sumOfHistograms: HistogramFunction = (input, step) =>
  noted(input.notes, sumHistograms(windowOf(input, step)));

export const averageOfHistograms: HistogramFunction = (input, step) =>
  noted(input.notes, averageHistograms(windowOf(input, step)));

function windowOf({ samples, first, last }: HistogramWindows, step: number): readonly Histogram[] {
  return samples.slice(first[step], last[step]);
}

function noted(notes: RangeNotes, total: HistogramTotal | undefined): Histogram | undefined {
  if (total === undefined) {
    notes.mixedLayouts();
    return undefined;
  }
  if (total.isCollided) notes.collidingResets();
  if (total.isReconciled) notes.reconciled("aggregation");
  return total.histogram;
}
