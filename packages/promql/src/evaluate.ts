/**
 * Evaluates an expression at all steps of a grid at once. Every node asks its children for columns over the same grid; parts that do not
 * depend on the step are evaluated for one step and spread.
 */
import { assert } from "@finch/runtime";
import { evaluateAggregate } from "./aggregate.ts";
import type { Expr, Unary } from "./ast.ts";
import { evaluateBinary } from "./binary.ts";
import { evaluateCall } from "./call.ts";
import type { Evaluation } from "./evaluation.ts";
import { scaleHistogram } from "./histogram-arithmetic.ts";
import { isStepInvariant } from "./plan.ts";
import { evaluateSelector } from "./select.ts";
import { SampleCounter } from "./sample-counter.ts";
import { mergeSameLabels } from "./values.ts";
import type { Grid, OutputSeries, ScalarValue, Value, VectorValue } from "./values.ts";

/** The value of an expression that is not a range vector. */
export async function evaluate(evaluation: Evaluation, grid: Grid, expr: Expr): Promise<Value> {
  evaluation.memory.enter();
  const value = await evaluateOnce(evaluation, grid, expr);
  evaluation.memory.leave();
  return value;
}

/** What does not depend on the step is evaluated for one and spread. */
async function evaluateOnce(evaluation: Evaluation, grid: Grid, expr: Expr): Promise<Value> {
  const isWorthIt = expr.kind !== "number" && expr.kind !== "string" && expr.kind !== "paren";
  if (isWorthIt && grid.steps > 1 && isStepInvariant(expr)) {
    const { counter } = evaluation;
    evaluation.counter = counter && new SampleCounter(1);
    const once = await evaluateNode(evaluation, { ...grid, steps: 1 }, expr);
    if (evaluation.counter !== undefined) counter?.countAtEvery(evaluation.counter);
    evaluation.counter = counter;
    return await spread(evaluation, once, grid.steps);
  }
  return await evaluateNode(evaluation, grid, expr);
}

async function evaluateNode(evaluation: Evaluation, grid: Grid, expr: Expr): Promise<Value> {
  switch (expr.kind) {
    case "number":
      return { kind: "scalar", values: new Float64Array(grid.steps).fill(expr.value) };
    case "string":
      return { kind: "string", value: expr.value };
    case "paren":
      return await evaluate(evaluation, grid, expr.expr);
    case "unary":
      return await evaluateUnary(evaluation, grid, expr);
    case "selector":
      return { kind: "vector", series: await evaluateSelector(evaluation, grid, expr) };
    case "aggregate":
      return { kind: "vector", series: await evaluateAggregate(evaluation, grid, expr) };
    case "binary":
      return await evaluateBinary(evaluation, grid, expr);
    case "call":
      return await evaluateCall(evaluation, grid, expr);
    case "matrix":
    case "subquery":
      assert(false, "range vectors are evaluated by the functions that take them");
  }
}

async function evaluateUnary(evaluation: Evaluation, grid: Grid, expr: Unary): Promise<Value> {
  const value = await evaluate(evaluation, grid, expr.expr);
  if (expr.operator === "+") return value;
  if (value.kind === "scalar") return { kind: "scalar", values: value.values.map((x) => -x) };
  assert(value.kind === "vector", "a sign stands before scalars and instant vectors only");
  const series: OutputSeries[] = [];
  for (const one of value.series) {
    const histograms = one.histograms?.map((histogram) =>
      histogram === undefined ? undefined : scaleHistogram(histogram, -1),
    );
    series.push(evaluation.withoutName({ ...one, values: one.values.map((x) => -x), histograms }));
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return {
    kind: "vector",
    series: evaluation.options.delayedNameRemoval
      ? series
      : await mergeSameLabels(evaluation, series),
  };
}

async function spread(evaluation: Evaluation, value: Value, steps: number): Promise<Value> {
  switch (value.kind) {
    case "string":
      return value;
    case "scalar": {
      const scalar: ScalarValue = {
        kind: "scalar",
        values: new Float64Array(steps).fill(value.values[0]!),
      };
      return scalar;
    }
    case "vector": {
      const series: OutputSeries[] = [];
      for (const one of value.series) {
        evaluation.spend(steps);
        series.push({
          labels: one.labels,
          dropName: one.dropName,
          values: new Float64Array(steps).fill(one.values[0]!),
          present: new Uint8Array(steps).fill(one.present[0]!),
          histograms: one.histograms && Array.from({ length: steps }, () => one.histograms![0]),
        });
        if (evaluation.isBreathDue()) await evaluation.breathe();
      }
      const vector: VectorValue = { kind: "vector", series };
      return vector;
    }
  }
}
