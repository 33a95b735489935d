/** Evaluates a metric expression over a grid of steps, bottom up, every node for all steps at once. */
import { compileRegexp } from "@finch/model";
import { Labels } from "@finch/model";
import { unreachable } from "@finch/runtime";
import type { LabelReplaceExpr, MetricExpr, VectorAggregationExpr } from "./ast.ts";
import { executionFault, parseFault } from "./errors.ts";
import type { Evaluation, StepGrid } from "./evaluation.ts";
import { canSumEarly, evaluateRangeAggregation } from "./range-aggregate.ts";
import { isPresent, newSeries, vectorOf } from "./step-series.ts";
import type { StepSeries, StepValue } from "./step-series.ts";
import { aggregateVector } from "./vector-aggregate.ts";
import { applyBinary } from "./vector-binary.ts";

export async function evaluateMetric(
  evaluation: Evaluation,
  grid: StepGrid,
  expr: MetricExpr,
): Promise<StepValue> {
  evaluation.check();
  switch (expr.kind) {
    case "literal":
      return { kind: "scalar", value: expr.value };
    case "vector": {
      const series = newSeries(Labels.EMPTY, grid.count);
      series.values.fill(expr.value);
      series.present.fill(1);
      return vectorOf([series]);
    }
    case "range-aggregation": {
      const series = await evaluateRangeAggregation(evaluation, grid, expr, undefined);
      return vectorOf(series.filter(isPresent));
    }
    case "vector-aggregation":
      return evaluateAggregation(evaluation, grid, expr);
    case "binary": {
      // One after the other: both hold pages and accumulators, and the budget is the query's.
      const left = await evaluateMetric(evaluation, grid, expr.left);
      const right = await evaluateMetric(evaluation, grid, expr.right);
      return applyBinary(expr, left, right, grid.count);
    }
    case "label-replace":
      return replaceLabels(expr, await evaluateMetric(evaluation, grid, expr.operand));
    default:
      return unreachable(expr);
  }
}

async function evaluateAggregation(
  evaluation: Evaluation,
  grid: StepGrid,
  expr: VectorAggregationExpr,
): Promise<StepValue> {
  const { operand, operator } = expr;
  const early = operator === "sum" && operand.kind === "range-aggregation" && canSumEarly(operand);
  const outer = early ? (expr.grouping ?? { without: false, labels: [] }) : undefined;
  const value =
    operand.kind === "range-aggregation"
      ? vectorOf(await evaluateRangeAggregation(evaluation, grid, operand, outer))
      : await evaluateMetric(evaluation, grid, operand);
  if (value.kind === "scalar") {
    throw parseFault(`unexpected scalar in ${operator}, expecting a vector`, expr.at);
  }
  return aggregateVector(expr, value.series.filter(isPresent), grid.count);
}

function replaceLabels(expr: LabelReplaceExpr, value: StepValue): StepValue {
  if (value.kind === "scalar") {
    throw parseFault("unexpected scalar in label_replace, expecting a vector", expr.at);
  }
  const regexp = compileRegexp(expr.pattern, { anchored: true });
  const seen = new Set<string>();
  const series = value.series.map((member): StepSeries => {
    const source = member.labels.get(expr.source);
    let { labels } = member;
    if (regexp.test(source)) {
      labels = labels.with(expr.target, regexp.replaceAll(source, expr.replacement));
    }
    if (seen.has(labels.key)) {
      throw executionFault("vector cannot contain metrics with the same labelset");
    }
    seen.add(labels.key);
    return { ...member, labels };
  });
  return { ...value, series };
}
