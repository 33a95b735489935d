/**
 * Aggregations over what a selector or a range function answers, series after series: no column is kept but those of the groups. The same
 * numbers in the same order as the plain way; whatever needs more than floats under distinct names goes that way.
 */
import type { Labels } from "@finch/model";
import { assert } from "@finch/runtime";
import { createReducer, reducerColumns } from "./aggregate-reduce.ts";
import type { Reducer, ReduceOperator } from "./aggregate-reduce.ts";
import { SumReducer } from "./aggregate-sum.ts";
import type { Aggregate, Call, VectorSelector } from "./ast.ts";
import { unwrapParens } from "./ast.ts";
import { isRangeCall, rangesOfCall, streamRangeCall, takesNameAway } from "./call-ranges.ts";
import { NAME_LABELS } from "./evaluation.ts";
import type { Evaluation } from "./evaluation.ts";
import { Grouping, Groups } from "./grouping.ts";
import { isStepInvariant } from "./plan.ts";
import { loadSelected, streamSelected } from "./select.ts";
import type { SeriesOrder } from "./select-load.ts";
import { isAnywherePresent } from "./values.ts";
import type { Grid, OutputSeries, RangeSeries } from "./values.ts";

const OPERATORS: ReadonlySet<string> = new Set<ReduceOperator>([
  "sum",
  "avg",
  "min",
  "max",
  "count",
  "group",
  "stddev",
  "stdvar",
]);

/** Operators that count samples of either kind. */
const COUNTERS: ReadonlySet<string> = new Set<ReduceOperator>(["count", "group"]);

/** The aggregation, or undefined when it has to be done the plain way. */
export async function aggregateStream(
  evaluation: Evaluation,
  grid: Grid,
  expr: Aggregate,
): Promise<readonly OutputSeries[] | undefined> {
  if (!OPERATORS.has(expr.operator)) return undefined;
  const inner = unwrapParens(expr.expr);
  if (grid.steps > 1 && isStepInvariant(inner)) return undefined;
  if (inner.kind === "selector") return await overSelector(evaluation, grid, expr, inner);
  return inner.kind === "call" && isRangeCall(inner)
    ? await overRangeCall(evaluation, grid, expr, inner)
    : undefined;
}

async function overSelector(
  evaluation: Evaluation,
  grid: Grid,
  expr: Aggregate,
  selector: VectorSelector,
): Promise<readonly OutputSeries[] | undefined> {
  const selected = await loadSelected(evaluation, grid, selector, orderFor(expr));
  if (selector.extended === "smoothed") return undefined;
  if (!COUNTERS.has(expr.operator) && selected.series.some(hasHistograms)) return undefined;
  const reduction = new Reduction(expr, grid.steps, new Grouping(expr));
  await streamSelected(evaluation, selected, {
    lends: true,
    consume: (series, found) => reduction.add(series, found),
  });
  return await reduction.finish(evaluation, false);
}

async function overRangeCall(
  evaluation: Evaluation,
  grid: Grid,
  expr: Aggregate,
  call: Call,
): Promise<readonly OutputSeries[] | undefined> {
  const context = { evaluation, grid, expr: call };
  const ranges = await rangesOfCall(context, orderFor(expr));
  if (ranges.series.some(hasHistograms)) return undefined;
  const loses = takesNameAway(call);
  const isDelayed = evaluation.options.delayedNameRemoval;
  // Series that differ in their names alone would become one.
  const metric = loses && !isDelayed ? oneMetricOf(ranges.series) : undefined;
  if (loses && !isDelayed && metric === undefined) return undefined;
  const grouping = new Grouping(expr, loses && !isDelayed ? NAME_LABELS : undefined);
  const reduction = new Reduction(expr, grid.steps, grouping);
  const named = { ...ranges, metric };
  await streamRangeCall(context, named, {
    lends: true,
    consume: (series, found) => reduction.add(series, found),
    sumOf: expr.operator === "sum" ? (labels) => reduction.sumOf(labels) : undefined,
  });
  return await reduction.finish(evaluation, loses && isDelayed);
}

/** Rounding makes sums depend on the order of their terms. */
function orderFor({ operator }: Aggregate): SeriesOrder {
  return ["count", "group", "max", "min"].includes(operator) ? "any" : "by-labels";
}

function hasHistograms({ histograms }: RangeSeries): boolean {
  return histograms !== undefined;
}

/** The name that all series have, when they have no other labels that go with it; else undefined. */
function oneMetricOf(series: readonly RangeSeries[]): string | undefined {
  const name = series[0]?.labels.get("__name__") ?? "";
  return series.every(({ labels: { pairs } }) => isNamed(pairs, name)) ? name : undefined;
}

function isNamed(pairs: readonly string[], name: string): boolean {
  let own = "";
  // Sorted, so that what comes behind need not be looked at; most names begin with a letter behind the underscore.
  for (let i = 0; i < pairs.length && pairs[i]!.charCodeAt(0) <= UNDERSCORE; i += 2) {
    if (pairs[i] === "__name__") own = pairs[i + 1]!;
    else if (NAME_LABELS.has(pairs[i]!)) return false;
  }
  return own === name;
}

const UNDERSCORE = 0x5f;

interface StreamGroup {
  readonly labels: Labels;
  readonly reducer: Reducer;
}

/** Groups under way. */
class Reduction {
  readonly #groups: Groups<StreamGroup>;

  constructor({ operator }: Aggregate, steps: number, grouping: Grouping) {
    const columns = reducerColumns(steps);
    this.#groups = new Groups(grouping, (labels) => ({
      labels,
      reducer: createReducer(operator as ReduceOperator, columns),
    }));
  }

  add(series: OutputSeries, found: number): void {
    this.#groups.of(series.labels).reducer.add(series, found);
  }

  /** The sum that a series with these labels goes into, which is there at a step at least; of sums alone. */
  sumOf(labels: Labels): SumReducer {
    const { reducer } = this.#groups.of(labels);
    assert(reducer instanceof SumReducer, "only sums are asked for as sums");
    return reducer;
  }

  async finish(evaluation: Evaluation, dropName: boolean): Promise<readonly OutputSeries[]> {
    const output: OutputSeries[] = [];
    for (const { labels, reducer } of this.#groups.all) {
      const { values, present } = reducer.finish();
      if (!isAnywherePresent(present)) continue;
      output.push({ labels, dropName, values, present });
      evaluation.spend(values.length);
      if (evaluation.isBreathDue()) await evaluation.breathe();
    }
    return output;
  }
}
