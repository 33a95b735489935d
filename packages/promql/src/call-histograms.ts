/**
 * Functions of histograms, native ones and classic ones: series that differ in `le` alone are the buckets of one classic histogram. Where a
 * step has both under the same labels, neither has an answer.
 */
import { formatGoFloat, parseFloatText } from "@finch/model";
import type { Histogram, Labels } from "@finch/model";
import type { CallContext } from "./call-context.ts";
import {
  fractionOfHistogram,
  quantileOfHistogram,
  varianceOfHistogram,
} from "./histogram-estimates.ts";
import type { Estimate } from "./histogram-estimates.ts";
import { fractionOfBuckets, quantileOfBuckets } from "./quantile.ts";
import type { Buckets, BucketQuantile } from "./quantile.ts";
import { ABSENT, emptySeries, FLOAT, floatsOf, HISTOGRAM } from "./values.ts";
import type { OutputSeries } from "./values.ts";

/** The buckets of one classic histogram by ascending bound. */
interface ClassicHistogram {
  readonly labels: Labels;
  readonly dropName: boolean;
  readonly bounds: readonly number[];
  readonly series: readonly OutputSeries[];
  /** 1 at the steps that have a native histogram of the same labels. */
  readonly conflicts: Uint8Array | undefined;
}

interface HistogramVector {
  readonly classic: readonly ClassicHistogram[];
  /** Series with their histograms alone; steps in conflict are absent. */
  readonly native: readonly OutputSeries[];
}

const BUCKET_LABEL: ReadonlySet<string> = new Set(["le"]);

interface Collected {
  readonly labels: Labels;
  readonly dropName: boolean;
  readonly buckets: { readonly bound: number; readonly series: OutputSeries }[];
}

function collectHistograms(
  context: CallContext,
  input: readonly OutputSeries[],
  argument: number,
): HistogramVector {
  const byKey = collectBuckets(context, input, argument);
  const native: OutputSeries[] = [];
  const conflicts = new Map<string, Uint8Array>();
  for (const series of input) {
    if (series.histograms === undefined || !series.present.includes(HISTOGRAM)) continue;
    const present = series.present.map((kind) => (kind === HISTOGRAM ? HISTOGRAM : ABSENT));
    const rival = byKey.get(series.labels.key);
    if (rival !== undefined) {
      const conflicting = takeConflicts(present, rival.buckets);
      if (conflicting.includes(1)) noteConflict(context, series.labels, argument);
      conflicts.set(series.labels.key, conflicting);
    }
    native.push({ ...series, present });
  }
  const classic = Array.from(byKey, ([key, { labels, dropName, buckets }]) => {
    buckets.sort((a, b) => (a.bound < b.bound ? -1 : a.bound > b.bound ? 1 : 0));
    return {
      labels,
      dropName,
      bounds: buckets.map(({ bound }) => bound),
      series: buckets.map(({ series }) => series),
      conflicts: conflicts.get(key),
    };
  });
  return { classic, native };
}

function collectBuckets(
  context: CallContext,
  input: readonly OutputSeries[],
  argument: number,
): Map<string, Collected> {
  const { evaluation, expr } = context;
  const byKey = new Map<string, Collected>();
  for (const one of input) {
    const series = floatsOf(one);
    if (series === undefined) continue;
    const text = series.labels.get("le");
    const bound = parseFloatText(text);
    if (bound === undefined) {
      const metric = metricOf(context, series.labels);
      evaluation.annotations.badBucketLabel(metric, text, expr.args[argument]!.position);
      continue;
    }
    const labels = series.labels.drop(BUCKET_LABEL);
    const known = byKey.get(labels.key);
    if (known === undefined)
      byKey.set(labels.key, { labels, dropName: series.dropName, buckets: [{ bound, series }] });
    else known.buckets.push({ bound, series });
  }
  return byKey;
}

/** Takes the steps out of `present` that have a bucket as well; answers which those were. */
function takeConflicts(present: Uint8Array, buckets: Collected["buckets"]): Uint8Array {
  const conflicting = new Uint8Array(present.length);
  for (let step = 0; step < present.length; step++) {
    if (present[step] === ABSENT) continue;
    if (!buckets.some(({ series }) => series.present[step] === FLOAT)) continue;
    conflicting[step] = 1;
    present[step] = ABSENT;
  }
  return conflicting;
}

function noteConflict(context: CallContext, labels: Labels, argument: number): void {
  const { evaluation, expr } = context;
  const { position } = expr.args[argument]!;
  evaluation.annotations.mixedClassicAndNative(metricOf(context, labels), position);
}

/** The name that annotations give: known for sure only when names stay until the end. */
function metricOf({ evaluation }: CallContext, labels: Labels): string {
  return evaluation.options.delayedNameRemoval ? labels.get("__name__") : "";
}

/** Calls `at` for each step at which the histogram has buckets, with those; the buckets are scratch for it to change. */
function eachStep(
  { bounds, series, conflicts }: ClassicHistogram,
  steps: number,
  at: (buckets: Buckets, step: number) => void,
): void {
  const buckets: Buckets = {
    bounds: new Float64Array(bounds.length),
    counts: new Float64Array(bounds.length),
    length: 0,
  };
  for (let step = 0; step < steps; step++) {
    if (conflicts?.[step] === 1) continue;
    let length = 0;
    for (let i = 0; i < series.length; i++) {
      const { present, values } = series[i]!;
      if (present[step] === ABSENT) continue;
      buckets.bounds[length] = bounds[i]!;
      buckets.counts[length++] = values[step]!;
    }
    buckets.length = length;
    if (length > 0) at(buckets, step);
  }
}

/** Estimates of a native histogram at every step that has one; `note` hears of observations of NaN. */
function estimateSteps(
  series: OutputSeries,
  estimate: (histogram: Histogram, step: number) => Estimate,
  note: (effect: Exclude<Estimate["nanEffect"], "none">) => void,
): OutputSeries {
  const out = emptySeries(series.labels, series.dropName, series.present.length);
  for (let step = 0; step < series.present.length; step++) {
    if (series.present[step] !== HISTOGRAM) continue;
    const { value, nanEffect } = estimate(series.histograms![step]!, step);
    if (nanEffect !== "none") note(nanEffect);
    out.values[step] = value;
    out.present[step] = FLOAT;
  }
  return out;
}

interface QuantileInput {
  readonly input: readonly OutputSeries[];
  readonly phi: Float64Array;
  /** Which argument of the call `input` is. */
  readonly argument: number;
}

export async function histogramQuantile(
  context: CallContext,
  { input, phi, argument }: QuantileInput,
): Promise<readonly OutputSeries[]> {
  const { evaluation, grid, expr } = context;
  const { annotations } = evaluation;
  const { position } = expr.args[argument]!;
  const { classic, native } = collectHistograms(context, input, argument);
  const output: OutputSeries[] = [];
  for (const series of native) {
    const metric = metricOf(context, series.labels);
    const out = estimateSteps(
      series,
      (histogram, step) => quantileOfHistogram(phi[step]!, histogram),
      (effect) => {
        if (effect !== "excluded") annotations.quantileOfNaN(metric, effect, position);
      },
    );
    output.push(evaluation.withoutName(out));
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  const repaired = new Map<string, Repairs>();
  for (const histogram of classic) {
    const out = emptySeries(histogram.labels, histogram.dropName, grid.steps);
    const metric = metricOf(context, histogram.labels);
    const repairs = repaired.get(metric) ?? new Repairs();
    repaired.set(metric, repairs);
    eachStep(histogram, grid.steps, (buckets, step) => {
      const { value, forced } = quantileOfBuckets(phi[step]!, buckets);
      out.values[step] = value;
      out.present[step] = FLOAT;
      if (forced !== undefined) repairs.add(forced, grid.startMs + step * grid.stepMs);
    });
    output.push(evaluation.withoutName(out));
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  for (const [metric, repairs] of repaired)
    if (repairs.count > 0) annotations.forcedMonotonicity(metric, repairs.describe(), position);
  return output;
}

interface QuantilesInput {
  readonly input: readonly OutputSeries[];
  readonly phi: Float64Array;
  readonly label: string;
}

/** One of several quantiles of one vector; its results get the quantile as a label, which may differ by step. */
export async function histogramQuantiles(
  context: CallContext,
  { input, phi, label }: QuantilesInput,
): Promise<readonly OutputSeries[]> {
  const output: OutputSeries[] = [];
  const distinct = [...new Set(phi)];
  for (const series of await histogramQuantile(context, { input, phi, argument: 0 })) {
    for (const value of distinct) {
      context.evaluation.spend(phi.length);
      const present = series.present.map((p, step) => (Object.is(phi[step], value) ? p : 0));
      output.push({
        ...series,
        labels: series.labels.with(label, openMetricsFloat(value)),
        present,
      });
    }
  }
  return output;
}

/** Numbers as OpenMetrics writes them in labels: whole ones with `.0`. */
function openMetricsFloat(value: number): string {
  const text = formatGoFloat(value);
  return Number.isFinite(value) && !/[e.]/.test(text) ? `${text}.0` : text;
}

interface FractionInput {
  readonly input: readonly OutputSeries[];
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

export async function histogramFraction(
  context: CallContext,
  { input, lower, upper }: FractionInput,
): Promise<readonly OutputSeries[]> {
  const { evaluation, grid, expr } = context;
  const { classic, native } = collectHistograms(context, input, 2);
  const output: OutputSeries[] = [];
  for (const series of native) {
    const metric = metricOf(context, series.labels);
    const out = estimateSteps(
      series,
      (histogram, step) => fractionOfHistogram(lower[step]!, upper[step]!, histogram),
      () => evaluation.annotations.fractionOfNaN(metric, expr.args[2]!.position),
    );
    output.push(evaluation.withoutName(out));
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  for (const histogram of classic) {
    const out = emptySeries(histogram.labels, histogram.dropName, grid.steps);
    eachStep(histogram, grid.steps, (buckets, step) => {
      out.values[step] = fractionOfBuckets(lower[step]!, upper[step]!, buckets);
      out.present[step] = FLOAT;
    });
    output.push(evaluation.withoutName(out));
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return output;
}

/** Functions from a native histogram to a number; floats have no answer. */
export const HISTOGRAM_NUMBERS: ReadonlyMap<string, (histogram: Histogram) => number> = new Map([
  ["histogram_avg", ({ sum, count }) => sum / count],
  ["histogram_count", ({ count }) => count],
  ["histogram_stddev", (histogram) => Math.sqrt(varianceOfHistogram(histogram))],
  ["histogram_stdvar", varianceOfHistogram],
  ["histogram_sum", ({ sum }) => sum],
]);

export async function histogramNumbers(
  { evaluation, expr }: CallContext,
  input: readonly OutputSeries[],
): Promise<readonly OutputSeries[]> {
  const numberOf = HISTOGRAM_NUMBERS.get(expr.name)!;
  const output: OutputSeries[] = [];
  for (const series of input) {
    if (!series.present.includes(HISTOGRAM)) continue;
    const out = estimateSteps(
      series,
      (histogram) => ({ value: numberOf(histogram), nanEffect: "none" }),
      () => {},
    );
    output.push(evaluation.withoutName(out));
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return output;
}

/** What had to be forced into order, over all steps of one histogram. */
class Repairs {
  count = 0;
  #minBound = Infinity;
  #maxBound = -Infinity;
  #maxDifference = 0;
  #firstMs = Infinity;
  #lastMs = -Infinity;

  add(forced: NonNullable<BucketQuantile["forced"]>, timeMs: number): void {
    this.count++;
    this.#firstMs = Math.min(this.#firstMs, timeMs);
    this.#lastMs = Math.max(this.#lastMs, timeMs);
    this.#minBound = Math.min(this.#minBound, forced.minBound);
    this.#maxBound = Math.max(this.#maxBound, forced.maxBound);
    this.#maxDifference = Math.max(this.#maxDifference, forced.maxDifference);
  }

  describe(): string {
    const buckets = `from buckets ${formatGoFloat(this.#minBound)} to ${formatGoFloat(this.#maxBound)}`;
    const difference = `with a max diff of ${formatGoFloat(Number(this.#maxDifference.toPrecision(2)))}`;
    const times = `from ${formatSeconds(this.#firstMs)} to ${formatSeconds(this.#lastMs)}`;
    return `, ${buckets}, ${difference}, over ${this.count} samples ${times}`;
  }
}

function formatSeconds(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, "Z");
}
