/** Binary operators: which combination of scalars and vectors it is, and the combinations with a scalar. */
import { assert } from "@finch/runtime";
import { ARITHMETIC, COMPARISON, isArithmetic, isComparison } from "./arithmetic.ts";
import type { Binary, BinaryOperator } from "./ast.ts";
import { COMPARISON_OPERATORS, SET_OPERATORS } from "./ast.ts";
import { combineVectors } from "./binary-vectors.ts";
import type { Evaluation } from "./evaluation.ts";
import { combineSets } from "./binary-sets.ts";
import { combineOperands, operandAt, OperatorNotes, writeStep } from "./binary-histograms.ts";
import { emptyHistograms, emptySeries, isAnywherePresent, mergeSameLabels } from "./values.ts";
import type { Grid, OutputSeries, Value } from "./values.ts";

export async function evaluateBinary(
  evaluation: Evaluation,
  grid: Grid,
  expr: Binary,
): Promise<Value> {
  const left = await evaluation.evaluate(grid, expr.left);
  const right = await evaluation.evaluate(grid, expr.right);
  assert(
    left.kind !== "string" && right.kind !== "string",
    "operators take scalars and instant vectors",
  );
  if (left.kind === "scalar" && right.kind === "scalar") {
    return { kind: "scalar", values: combineScalars(expr.operator, left.values, right.values) };
  }
  if (left.kind === "vector" && right.kind === "vector") {
    const combine = SET_OPERATORS.has(expr.operator) ? combineSets : combineVectors;
    return {
      kind: "vector",
      series: await combine(evaluation, grid, expr, [left.series, right.series]),
    };
  }
  const scalarLeft = left.kind === "scalar";
  const scalar =
    left.kind === "scalar" ? left.values : right.kind === "scalar" ? right.values : undefined;
  const vector =
    left.kind === "vector" ? left.series : right.kind === "vector" ? right.series : undefined;
  assert(
    scalar !== undefined && vector !== undefined,
    "one side is a scalar and the other a vector",
  );
  return {
    kind: "vector",
    series: await combineWithScalar(evaluation, expr, { vector, scalar, scalarLeft }),
  };
}

function combineScalars(
  operator: BinaryOperator,
  left: Float64Array,
  right: Float64Array,
): Float64Array {
  if (isArithmetic(operator)) {
    const apply = ARITHMETIC[operator];
    return left.map((a, step) => apply(a, right[step]!));
  }
  assert(isComparison(operator), "scalars are not combined by set operators");
  const compare = COMPARISON[operator];
  return left.map((a, step) => (compare(a, right[step]!) ? 1 : 0));
}

interface Operands {
  readonly vector: readonly OutputSeries[];
  readonly scalar: Float64Array;
  readonly scalarLeft: boolean;
}

async function combineWithScalar(
  evaluation: Evaluation,
  expr: Binary,
  operands: Operands,
): Promise<readonly OutputSeries[]> {
  const { vector, scalar, scalarLeft } = operands;
  const { operator, returnBool } = expr;
  const isTrim = operator === "</" || operator === ">/";
  const notes = new OperatorNotes(evaluation.annotations, operator, expr.position);
  const keepsName = COMPARISON_OPERATORS.has(operator) && !returnBool;
  const output: OutputSeries[] = [];
  for (const series of vector) {
    if (isTrim || series.histograms !== undefined) {
      const result = combineStepwise(expr, series, { scalar, scalarLeft }, notes);
      if (isAnywherePresent(result.present))
        output.push(keepsName || isTrim ? result : evaluation.withoutName(result));
      if (evaluation.isBreathDue()) await evaluation.breathe();
      continue;
    }
    evaluation.spend(series.values.length);
    const values = new Float64Array(series.values.length);
    let { present } = series;
    if (isArithmetic(operator))
      applyScalar(ARITHMETIC[operator], series, scalar, { scalarLeft, values });
    else if (isComparison(operator)) {
      present = new Uint8Array(present.length);
      filterScalar(COMPARISON[operator], series, scalar, {
        scalarLeft,
        returnBool,
        values,
        present,
      });
    }
    const result = { labels: series.labels, dropName: series.dropName, values, present };
    if (present === series.present || isAnywherePresent(present))
      output.push(keepsName ? result : evaluation.withoutName(result));
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return keepsName || evaluation.options.delayedNameRemoval
    ? output
    : await mergeSameLabels(evaluation, output);
}

/** Step by step, for series that have histograms. A comparison keeps the sample of the vector, whichever side that is. */
function combineStepwise(
  expr: Binary,
  series: OutputSeries,
  { scalar, scalarLeft }: Omit<Operands, "vector">,
  notes: OperatorNotes,
): OutputSeries {
  const { labels, dropName, present } = series;
  const empty = emptySeries(labels, dropName, present.length);
  const out = { ...empty, histograms: emptyHistograms(present.length) };
  for (let step = 0; step < present.length; step++) {
    const operand = operandAt(series, step);
    if (operand === undefined) continue;
    const [left, right] = scalarLeft ? [scalar[step]!, operand] : [operand, scalar[step]!];
    const result = combineOperands(expr, left, right, notes);
    const isKept = result !== undefined && isComparison(expr.operator) && !expr.returnBool;
    writeStep(out, step, isKept ? operand : result);
  }
  return out;
}

function applyScalar(
  apply: (a: number, b: number) => number,
  series: OutputSeries,
  scalar: Float64Array,
  out: { readonly scalarLeft: boolean; readonly values: Float64Array },
): void {
  const { values } = series;
  const target = out.values;
  if (out.scalarLeft)
    for (let step = 0; step < target.length; step++)
      target[step] = apply(scalar[step]!, values[step]!);
  else
    for (let step = 0; step < target.length; step++)
      target[step] = apply(values[step]!, scalar[step]!);
}

function filterScalar(
  compare: (a: number, b: number) => boolean,
  series: OutputSeries,
  scalar: Float64Array,
  out: { scalarLeft: boolean; returnBool: boolean; values: Float64Array; present: Uint8Array },
): void {
  const { values, present } = series;
  for (let step = 0; step < values.length; step++) {
    if (present[step] === 0) continue;
    const value = values[step]!;
    const holds = out.scalarLeft ? compare(scalar[step]!, value) : compare(value, scalar[step]!);
    if (!holds && !out.returnBool) continue;
    out.values[step] = out.returnBool ? (holds ? 1 : 0) : value;
    out.present[step] = 1;
  }
}
