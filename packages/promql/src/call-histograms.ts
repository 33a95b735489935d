/** Functions of classic histograms: series that differ in `le` alone are the buckets of one histogram. */
import { formatGoFloat, parseFloatText } from "@finch/model";
import type { Labels } from "@finch/model";
import type { CallContext } from "./call-context.ts";
import { fractionOfBuckets, quantileOfBuckets } from "./quantile.ts";
import type { Buckets, BucketQuantile } from "./quantile.ts";
import { emptySeries } from "./values.ts";
import type { OutputSeries } from "./values.ts";

/** The buckets of one histogram by ascending bound. */
interface Histogram {
  readonly labels: Labels;
  readonly dropName: boolean;
  readonly bounds: readonly number[];
  readonly series: readonly OutputSeries[];
}

const BUCKET_LABEL: ReadonlySet<string> = new Set(["le"]);

function collectHistograms(
  { evaluation, expr }: CallContext,
  input: readonly OutputSeries[],
  argument: number,
): readonly Histogram[] {
  const byKey = new Map<
    string,
    { labels: Labels; dropName: boolean; buckets: { bound: number; series: OutputSeries }[] }
  >();
  for (const series of input) {
    const text = series.labels.get("le");
    const bound = parseFloatText(text);
    if (bound === undefined) {
      const metric = evaluation.options.delayedNameRemoval ? series.labels.get("__name__") : "";
      evaluation.annotations.badBucketLabel(metric, text, expr.args[argument]!.position);
      continue;
    }
    const labels = series.labels.drop(BUCKET_LABEL);
    const known = byKey.get(labels.key);
    if (known === undefined)
      byKey.set(labels.key, { labels, dropName: series.dropName, buckets: [{ bound, series }] });
    else known.buckets.push({ bound, series });
  }
  return [...byKey.values()].map(({ labels, dropName, buckets }) => {
    buckets.sort((a, b) => (a.bound < b.bound ? -1 : a.bound > b.bound ? 1 : 0));
    return {
      labels,
      dropName,
      bounds: buckets.map(({ bound }) => bound),
      series: buckets.map(({ series }) => series),
    };
  });
}

/** Calls `at` for each step at which the histogram has buckets, with those; the buckets are scratch for it to change. */
function eachStep(
  { bounds, series }: Histogram,
  steps: number,
  at: (buckets: Buckets, step: number) => void,
): void {
  const buckets: Buckets = {
    bounds: new Float64Array(bounds.length),
    counts: new Float64Array(bounds.length),
    length: 0,
  };
  for (let step = 0; step < steps; step++) {
    let length = 0;
    for (let i = 0; i < series.length; i++) {
      const { present, values } = series[i]!;
      if (present[step] === 0) continue;
      buckets.bounds[length] = bounds[i]!;
      buckets.counts[length++] = values[step]!;
    }
    buckets.length = length;
    if (length > 0) at(buckets, step);
  }
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
  const repaired = new Map<string, Repairs>();
  const output: OutputSeries[] = [];
  for (const histogram of collectHistograms(context, input, argument)) {
    const out = emptySeries(histogram.labels, histogram.dropName, grid.steps);
    const metric = evaluation.options.delayedNameRemoval ? histogram.labels.get("__name__") : "";
    const repairs = repaired.get(metric) ?? new Repairs();
    repaired.set(metric, repairs);
    eachStep(histogram, grid.steps, (buckets, step) => {
      const { value, forced } = quantileOfBuckets(phi[step]!, buckets);
      out.values[step] = value;
      out.present[step] = 1;
      if (forced !== undefined) repairs.add(forced, grid.startMs + step * grid.stepMs);
    });
    output.push(evaluation.withoutName(out));
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  for (const [metric, repairs] of repaired) {
    if (repairs.count > 0)
      evaluation.annotations.forcedMonotonicity(
        metric,
        repairs.describe(),
        expr.args[argument]!.position,
      );
  }
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
  const { evaluation, grid } = context;
  const output: OutputSeries[] = [];
  for (const histogram of collectHistograms(context, input, 2)) {
    const out = emptySeries(histogram.labels, histogram.dropName, grid.steps);
    eachStep(histogram, grid.steps, (buckets, step) => {
      out.values[step] = fractionOfBuckets(lower[step]!, upper[step]!, buckets);
      out.present[step] = 1;
    });
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
