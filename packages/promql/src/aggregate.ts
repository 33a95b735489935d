/** Aggregations: groups of series, each reduced to one column (sum, avg, …) or filtered (topk, limitk, …). */
import { assert } from "@finch/runtime";
import { countValues } from "./aggregate-count-values.ts";
import { rankWithinGroups } from "./aggregate-rank.ts";
import type { Group } from "./aggregate-rank.ts";
import { reduceGroup, reduceToQuantile } from "./aggregate-reduce.ts";
import type { Reduction } from "./aggregate-reduce.ts";
import { reduceMixedGroup } from "./aggregate-histograms.ts";
import { aggregateStream } from "./aggregate-stream.ts";
import type { Aggregate, Position } from "./ast.ts";
import { unwrapParens } from "./ast.ts";
import type { Evaluation } from "./evaluation.ts";
import { formatGoFloat } from "@finch/model";
import { executionError } from "./errors.ts";
import { Grouping, Groups } from "./grouping.ts";
import type { Breather } from "./pace.ts";
import { floatsOfAll, HISTOGRAM, isAnywherePresent } from "./values.ts";
import type { Grid, OutputSeries } from "./values.ts";
import { quoteString } from "./quote.ts";

export async function evaluateAggregate(
  evaluation: Evaluation,
  grid: Grid,
  expr: Aggregate,
): Promise<readonly OutputSeries[]> {
  const { operator } = expr;
  if (operator === "count_values") return await evaluateCountValues(evaluation, grid, expr);
  const streamed = await aggregateStream(evaluation, grid, expr);
  if (streamed !== undefined) return streamed;
  const param = expr.param === undefined ? undefined : await evaluation.scalar(grid, expr.param);
  const input = await evaluation.vector(grid, expr.expr);
  const grouping = new Grouping(expr);
  switch (operator) {
    case "topk":
    case "bottomk":
    case "limitk":
    case "limit_ratio": {
      assert(param !== undefined && expr.param !== undefined, "the parser has seen a parameter");
      if (!isRankPossible(evaluation, expr, param)) return [];
      const isExtreme = operator === "topk" || operator === "bottomk";
      if (isExtreme && input.some(hasHistogram))
        evaluation.annotations.ignoredInAggregation(operator, expr.position);
      const ranked = isExtreme ? floatsOfAll(input) : input;
      return await rankWithinGroups(
        evaluation,
        operator,
        await groupSeries(evaluation, ranked, grouping),
        param,
      );
    }
    case "quantile":
      assert(param !== undefined && expr.param !== undefined, "the parser has seen a parameter");
      warnAboutQuantiles(evaluation, expr, param);
      break;
    default:
      break;
  }
  const reduction = { operator, param, position: expr.expr.position };
  return await reduceGroups(evaluation, await groupSeries(evaluation, input, grouping), reduction);
}

function hasHistogram({ histograms, present }: OutputSeries): boolean {
  return histograms !== undefined && present.includes(HISTOGRAM);
}

async function groupSeries(
  breather: Breather,
  input: readonly OutputSeries[],
  grouping: Grouping,
): Promise<readonly Group[]> {
  const groups = new Groups<Group>(grouping, (labels) => ({ labels, members: [] }));
  for (const series of input) {
    groups.of(series.labels).members.push(series);
    if (breather.isBreathDue()) await breather.breathe();
  }
  return groups.all;
}

async function reduceGroups(
  evaluation: Evaluation,
  groups: readonly Group[],
  reduction: Reduction & { readonly position: Position },
): Promise<readonly OutputSeries[]> {
  const output: OutputSeries[] = [];
  for (const { labels, members } of groups) {
    const columns = members.some(({ histograms }) => histograms !== undefined)
      ? reduceMixedGroup(members, reduction, evaluation.annotations)
      : reduction.operator === "quantile"
        ? await reduceToQuantile(evaluation, members, reduction.param!)
        : reduceGroup(members, reduction);
    const { values, present } = columns;
    if (!isAnywherePresent(present)) continue;
    output.push({ labels, dropName: members.some((member) => member.dropName), ...columns });
    evaluation.spend(values.length);
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return output;
}

/** Checks the parameter of topk and its like; false when no step can have a result. */
function isRankPossible(evaluation: Evaluation, expr: Aggregate, param: Float64Array): boolean {
  const isRatio = expr.operator === "limit_ratio";
  const max = param.reduce((a, b) => Math.max(a, b), -Infinity);
  const min = param.reduce((a, b) => Math.min(a, b), Infinity);
  if (Number.isNaN(max))
    throw executionError(isRatio ? "Ratio value is NaN" : "Parameter value is NaN");
  if (isRatio) {
    if (max > 1) evaluation.annotations.invalidRatio(max, 1, expr.param!.position);
    if (min < -1) evaluation.annotations.invalidRatio(min, -1, expr.param!.position);
    return max !== 0 || min !== 0;
  }
  if (max < 1) return false;
  if (min <= -(2 ** 63))
    throw executionError(`Scalar value ${formatGoFloat(min)} underflows int64`);
  if (max >= 2 ** 63) throw executionError(`Scalar value ${formatGoFloat(max)} overflows int64`);
  return true;
}

function warnAboutQuantiles(evaluation: Evaluation, expr: Aggregate, param: Float64Array): void {
  const { position } = expr.param!;
  const numbers = param.filter((value) => !Number.isNaN(value));
  if (numbers.length < param.length) evaluation.annotations.invalidQuantile(NaN, position);
  const max = numbers.reduce((a, b) => Math.max(a, b), -Infinity);
  const min = numbers.reduce((a, b) => Math.min(a, b), Infinity);
  if (max > 1) evaluation.annotations.invalidQuantile(max, position);
  if (min < 0) evaluation.annotations.invalidQuantile(min, position);
}

async function evaluateCountValues(
  evaluation: Evaluation,
  grid: Grid,
  expr: Aggregate,
): Promise<readonly OutputSeries[]> {
  const name = unwrapParens(expr.param!);
  assert(name.kind === "string", "the parser has seen a string");
  if (name.value === "" || !name.value.isWellFormed())
    throw executionError(`invalid label name ${quoteString(name.value)}`);
  const input = await evaluation.vector(grid, expr.expr);
  const names = expr.without ? expr.grouping : [...expr.grouping, name.value];
  const grouping = new Grouping({ grouping: names, without: expr.without });
  return await countValues(evaluation, input, {
    label: name.value,
    grouping: (labels) => grouping.labelsOf(labels),
  });
}
