/** Functions of range vectors: gets the samples (from the source, or by evaluating a subquery), slides the windows, runs the function. */
import type { Histogram } from "@finch/model";
import { assert } from "@finch/runtime";
import type { Call, Expr, MatrixSelector, Subquery } from "./ast.ts";
import { unwrapParens } from "./ast.ts";
import type { CallContext } from "./call-context.ts";
import { executionError } from "./errors.ts";
import type { Evaluation } from "./evaluation.ts";
import { extendedFunction } from "./range-extended.ts";
import type { ExtendedFunction } from "./range-extended.ts";
import { extendedGrowthOfHistograms } from "./range-extended-histograms.ts";
import { averageOfHistograms, growthOfHistograms, sumOfHistograms } from "./range-histograms.ts";
import type { HistogramFunction } from "./range-histograms.ts";
import { eitherKind, ignoringHistograms } from "./range-mixed.ts";
import { withResetHint } from "./histogram-arithmetic.ts";
import * as rates from "./range-rate.ts";
import * as statistics from "./range-statistics.ts";
import { streamRanges } from "./range-stream.ts";
import type { Ranges, SeriesConsumer } from "./range-stream.ts";
import { pickPresent } from "./results.ts";
import { loadRange, referenceTimes } from "./select.ts";
import { withoutStale } from "./select-load.ts";
import type { SeriesOrder } from "./select-load.ts";
import { countPresent, makeGrid } from "./values.ts";
import type { Grid, OutputSeries, RangeSeries } from "./values.ts";
import { SampleCounter } from "./sample-counter.ts";
import { slideWindows } from "./window.ts";
import type { RangeFunction } from "./window.ts";

const RANGE_FUNCTIONS: Readonly<Record<string, RangeFunction>> = {
  avg_over_time: statistics.avgOverTime,
  changes: rates.changes,
  count_over_time: statistics.countOverTime,
  delta: rates.delta,
  deriv: statistics.deriv,
  double_exponential_smoothing: statistics.doubleExponentialSmoothing,
  first_over_time: statistics.firstOverTime,
  idelta: rates.idelta,
  increase: rates.increase,
  irate: rates.irate,
  last_over_time: statistics.lastOverTime,
  mad_over_time: statistics.madOverTime,
  max_over_time: statistics.maxOverTime,
  min_over_time: statistics.minOverTime,
  predict_linear: statistics.predictLinear,
  present_over_time: statistics.presentOverTime,
  quantile_over_time: statistics.quantileOverTime,
  rate: rates.rate,
  resets: rates.resets,
  stddev_over_time: statistics.stddevOverTime,
  stdvar_over_time: statistics.stdvarOverTime,
  sum_over_time: statistics.sumOverTime,
  ts_of_first_over_time: statistics.tsOfFirstOverTime,
  ts_of_last_over_time: statistics.tsOfLastOverTime,
  ts_of_max_over_time: statistics.tsOfMaxOverTime,
  ts_of_min_over_time: statistics.tsOfMinOverTime,
};

/** Functions that answer windows of histograms with a histogram. */
const HISTOGRAM_FUNCTIONS: Readonly<Record<string, HistogramFunction>> = {
  avg_over_time: averageOfHistograms,
  delta: growthOfHistograms(rates.GROWTH.delta),
  increase: growthOfHistograms(rates.GROWTH.increase),
  rate: growthOfHistograms(rates.GROWTH.rate),
  sum_over_time: sumOfHistograms,
};

/** Functions that look at floats and histograms alike. */
const TAKES_ALL_SAMPLES: ReadonlySet<string> = new Set([
  "changes",
  "count_over_time",
  "first_over_time",
  "idelta",
  "irate",
  "last_over_time",
  "present_over_time",
  "resets",
  "ts_of_first_over_time",
  "ts_of_last_over_time",
]);

/** Functions that look at when counters began. */
const LOOKS_AT_STARTS: ReadonlySet<string> = new Set(["increase", "irate", "rate", "resets"]);
/** Functions that sort a copy of each window. */
const SORTS: ReadonlySet<string> = new Set(["mad_over_time", "quantile_over_time"]);
const KEEPS_NAME: ReadonlySet<string> = new Set(["first_over_time", "last_over_time"]);
const EXTENDED_FUNCTIONS = {
  anchored: ["changes", "delta", "increase", "rate", "resets"],
  smoothed: ["delta", "increase", "rate"],
} as const;

/** A range vector, with what a subquery looked at below its result when samples are counted. */
export interface CountedRanges extends Ranges {
  readonly counted?: SampleCounter | undefined;
}

export async function evaluateRangeCall(context: CallContext): Promise<readonly OutputSeries[]> {
  const { evaluation, expr } = context;
  const dropsName = takesNameAway(expr);
  const output: OutputSeries[] = [];
  await streamRangeCall(context, await rangesOfCall(context), {
    lends: false,
    consume: (series) => {
      output.push(dropsName ? evaluation.withoutName(series) : series);
      evaluation.spend(series.values.length);
    },
  });
  return output;
}

/** Whether the call is of a function over a range of samples. */
export function isRangeCall({ name, args }: Call): boolean {
  return (
    Object.hasOwn(RANGE_FUNCTIONS, name) && args.some((arg) => unwrapParens(arg).kind === "matrix")
  );
}

export function takesNameAway({ name }: Call): boolean {
  return !KEEPS_NAME.has(name);
}

/** The range vector that a call is about. */
export async function rangesOfCall(
  { evaluation, grid, expr }: CallContext,
  order: SeriesOrder = "by-labels",
): Promise<Ranges> {
  return await evaluateRangeVector(evaluation, grid, rangeArgument(expr), order);
}

/** The answer of a call for series after series. */
export async function streamRangeCall(
  context: CallContext,
  ranges: Ranges,
  consumer: SeriesConsumer,
): Promise<void> {
  const { evaluation, grid, expr } = context;
  const run = rangeFunctionOf(expr);
  const runMixed = mixedFunction(expr, run);
  const params = await paramsOf(evaluation, grid, expr, ranges);
  const sorts = SORTS.has(expr.name);
  const looksAtStarts = LOOKS_AT_STARTS.has(expr.name);
  await streamRanges(context, ranges, { run, runMixed, params, sorts, looksAtStarts }, consumer);
}

/** The scalar arguments of a call, a column each. */
async function paramsOf(
  evaluation: Evaluation,
  grid: Grid,
  expr: Call,
  ranges: Ranges,
): Promise<readonly Float64Array[]> {
  const params: Float64Array[] = [];
  for (const arg of expr.args) if (!isRange(arg)) params.push(await evaluation.scalar(grid, arg));
  if (expr.name === "quantile_over_time" && ranges.series.length > 0) {
    for (const phi of new Set(params[0])) {
      if (!(phi >= 0 && phi <= 1))
        evaluation.annotations.invalidQuantile(phi, expr.args[0]!.position);
    }
  }
  return params;
}

function rangeFunctionOf(expr: Call): RangeFunction {
  const arg = rangeArgument(expr);
  const extended = arg.kind === "matrix" ? arg.selector.extended : undefined;
  if (extended === undefined) {
    const run = RANGE_FUNCTIONS[expr.name];
    assert(run !== undefined, `range function ${expr.name} is implemented`);
    return run;
  }
  const allowed: readonly string[] = EXTENDED_FUNCTIONS[extended];
  if (!allowed.includes(expr.name)) {
    throw executionError(
      `${extended} modifier can only be used with: ${allowed.join(", ")} - not with ${expr.name}`,
    );
  }
  return extendedFunction(expr.name as ExtendedFunction, extended === "smoothed");
}

/** What the function is for series with histograms. */
function mixedFunction(expr: Call, run: RangeFunction): RangeFunction {
  if (TAKES_ALL_SAMPLES.has(expr.name)) return run;
  const arg = rangeArgument(expr);
  const extended = arg.kind === "matrix" ? arg.selector.extended : undefined;
  const ofHistograms =
    extended === undefined
      ? HISTOGRAM_FUNCTIONS[expr.name]
      : extendedGrowthOfHistograms(
          rates.GROWTH[expr.name as keyof typeof rates.GROWTH],
          extended === "smoothed",
        );
  return ofHistograms === undefined ? ignoringHistograms(run) : eitherKind(run, ofHistograms);
}

/** 1 at the steps whose window holds no sample of any series. */
export async function evaluateAbsentOverTime(context: CallContext): Promise<Uint8Array> {
  const { evaluation, grid, expr } = context;
  const { series, ends, windowMs } = await evaluateRangeVector(
    evaluation,
    grid,
    rangeArgument(expr),
  );
  const absent = new Uint8Array(grid.steps).fill(1);
  const bounds = { first: new Int32Array(grid.steps), last: new Int32Array(grid.steps) };
  for (const one of series) {
    const { timestampsMs } = withoutStale(one);
    slideWindows(timestampsMs, ends, windowMs, bounds);
    evaluation.counter?.countWindows(bounds, undefined);
    for (let step = 0; step < grid.steps; step++)
      if (bounds.last[step]! > bounds.first[step]!) absent[step] = 0;
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return absent;
}

function isRange(arg: Expr): boolean {
  const { kind } = unwrapParens(arg);
  return kind === "matrix" || kind === "subquery";
}

function rangeArgument(expr: Call): MatrixSelector | Subquery {
  const arg = expr.args.map(unwrapParens).find(isRange);
  assert(
    arg !== undefined && (arg.kind === "matrix" || arg.kind === "subquery"),
    "a range vector where the types say so",
  );
  return arg;
}

/** The samples of a range vector, and the moments its windows end. */
export async function evaluateRangeVector(
  evaluation: Evaluation,
  grid: Grid,
  node: MatrixSelector | Subquery,
  order: SeriesOrder = "by-labels",
): Promise<CountedRanges> {
  const { rangeMs } = node;
  if (node.kind === "subquery") {
    const references = referenceTimes(evaluation, grid, node);
    const { series, counted } = await evaluateSubquery(evaluation, node, references);
    return { series, counted, references, ends: references, windowMs: rangeMs, rangeMs };
  }
  const references = referenceTimes(evaluation, grid, node.selector);
  const series = await loadRange(evaluation, node, references, order);
  const { lookbackMs } = evaluation.options;
  const { extended } = node.selector;
  const before = extended === undefined ? 0 : lookbackMs;
  const after = extended === "smoothed" ? lookbackMs : 0;
  const ends = after === 0 ? references : references.map((reference) => reference + after);
  return { series, references, ends, windowMs: rangeMs + before + after, rangeMs };
}

/** The inner expression at all times any window looks at: absolute multiples of the step. */
async function evaluateSubquery(
  evaluation: Evaluation,
  node: Subquery,
  references: Float64Array,
): Promise<Pick<CountedRanges, "series" | "counted">> {
  const { limits, subqueryStepMs } = evaluation.options;
  const stepMs = node.stepMs ?? subqueryStepMs;
  const startMs = (Math.floor((references[0]! - node.rangeMs) / stepMs) + 1) * stepMs;
  const inner = makeGrid(startMs, references[references.length - 1]!, stepMs);
  if (inner.steps > limits.stepsMax) {
    throw executionError(
      `subquery would be evaluated at ${inner.steps} steps, more than ${limits.stepsMax}: use a coarser step or a shorter range`,
    );
  }
  if (inner.steps <= 0) return { series: [] };
  const output: RangeSeries[] = [];
  const times = new Float64Array(inner.steps);
  for (let step = 0; step < inner.steps; step++) times[step] = startMs + step * stepMs;
  const { counter } = evaluation;
  const counted = counter && new SampleCounter(inner.steps);
  evaluation.counter = counted;
  const result = await evaluation.vector(inner, node.expr);
  evaluation.counter = counter;
  for (const series of result) {
    const { labels, dropName, values, present } = series;
    const histograms = series.histograms?.map(withoutHint);
    const count = countPresent(present);
    if (count === inner.steps && histograms === undefined)
      output.push({ labels, dropName, timestampsMs: times, values });
    else if (count > 0)
      output.push({ labels, dropName, ...pickPresent(times, { ...series, histograms }, count) });
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return { series: output, counted };
}

/** Hints are about a sample and the one before it, which a subquery may leave out or repeat. */
function withoutHint(histogram: Histogram | undefined): Histogram | undefined {
  if (histogram === undefined || histogram.resetHint === "gauge") return histogram;
  return withResetHint(histogram, "unknown");
}
