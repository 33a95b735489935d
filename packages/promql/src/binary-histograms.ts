/** What the operators do to pairs of which one or both are native histograms. */
import type { Histogram } from "@finch/model";
import { COMPARISON, isArithmetic, isComparison, ARITHMETIC } from "./arithmetic.ts";
import type { Annotations } from "./annotations.ts";
import type { BinaryOperator, Position } from "./ast.ts";
import {
  combineHistograms,
  compactHistogram,
  divideHistogram,
  equalHistograms,
  scaleHistogram,
  withResetHint,
} from "./histogram-arithmetic.ts";
import { trimHistogram } from "./histogram-trim.ts";
import { FLOAT, HISTOGRAM } from "./values.ts";
import type { HistogramColumn, OutputSeries } from "./values.ts";

/** A float or a histogram. */
export type Operand = number | Histogram;

/** What one step of a series holds; undefined for nothing. */
export function operandAt(series: OutputSeries, step: number): Operand | undefined {
  switch (series.present[step]) {
    case FLOAT:
      return series.values[step]!;
    case HISTOGRAM:
      return series.histograms![step]!;
    default:
      return undefined;
  }
}

/** Writes what an operation came to; nothing is written for undefined. */
export function writeStep(
  out: OutputSeries & { readonly histograms: HistogramColumn },
  step: number,
  result: Operand | boolean | undefined,
): void {
  if (result === undefined) return;
  if (typeof result === "object") out.histograms[step] = result;
  else out.values[step] = Number(result);
  out.present[step] = typeof result === "object" ? HISTOGRAM : FLOAT;
}

/**
 * The result of an operation that may have a histogram on either side; undefined when there is none, of a comparison also when it does not
 * hold. What cannot be combined is noted. With `returnBool` comparisons answer whether they hold.
 */
export function combineOperands(
  { operator, returnBool }: { readonly operator: BinaryOperator; readonly returnBool: boolean },
  left: Operand,
  right: Operand,
  notes: OperatorNotes,
): Operand | boolean | undefined {
  if (typeof left === "number" && typeof right === "number") {
    if (isArithmetic(operator)) return ARITHMETIC[operator](left, right);
    if (isComparison(operator)) {
      const holds = COMPARISON[operator](left, right);
      return returnBool ? holds : holds ? left : undefined;
    }
  }
  if (typeof left !== "number" && typeof right !== "number" && /^[!=]=$/.test(operator)) {
    const holds = equalHistograms(left, right) === (operator === "==");
    return returnBool ? holds : holds ? left : undefined;
  }
  return combineToHistogram(operator, left, right, notes);
}

function combineToHistogram(
  operator: BinaryOperator,
  left: Operand,
  right: Operand,
  notes: OperatorNotes,
): Histogram | undefined {
  if (typeof left === "number") {
    if (operator === "*" && typeof right !== "number")
      return compactHistogram(scaleHistogram(right, left));
  } else if (typeof right === "number") {
    if (operator === "*") return compactHistogram(scaleHistogram(left, right));
    if (operator === "/") return compactHistogram(divideHistogram(left, right));
    if (operator === "</") return trimHistogram(left, right, "keep-below");
    if (operator === ">/") return trimHistogram(left, right, "keep-above");
  } else {
    if (operator === "+" || operator === "-") return addOrSubtract(operator, left, right, notes);
  }
  notes.incompatibleTypes(kindOf(left), kindOf(right));
  return undefined;
}

function kindOf(operand: Operand): "float" | "histogram" {
  return typeof operand === "number" ? "float" : "histogram";
}

function addOrSubtract(
  operator: "+" | "-",
  left: Histogram,
  right: Histogram,
  notes: OperatorNotes,
): Histogram | undefined {
  const combined = combineHistograms(left, right, operator === "+" ? 1 : -1);
  if (combined === undefined) {
    notes.incompatibleLayouts();
    return undefined;
  }
  const { isCollided, isReconciled } = combined;
  const operation = operator === "+" ? "addition" : "subtraction";
  if (isCollided) {
    notes.collidingResets(operation);
    return undefined;
  }
  if (isReconciled) notes.reconciled(operation);
  const histogram = compactHistogram(combined.histogram);
  return operator === "+" ? histogram : withResetHint(histogram, "gauge");
}

/** The remarks of one operator. */
export class OperatorNotes {
  readonly #annotations: Annotations;
  readonly #operator: BinaryOperator;
  readonly #position: Position;

  constructor(annotations: Annotations, operator: BinaryOperator, position: Position) {
    this.#annotations = annotations;
    this.#operator = operator;
    this.#position = position;
  }

  incompatibleTypes(left: "float" | "histogram", right: "float" | "histogram"): void {
    this.#annotations.incompatibleTypes(this.#operator, [left, right], this.#position);
  }

  incompatibleLayouts(): void {
    this.#annotations.incompatibleLayouts(this.#operator, this.#position);
  }

  reconciled(operation: "addition" | "subtraction"): void {
    this.#annotations.reconciledBounds(operation, this.#position);
  }

  collidingResets(operation: "addition" | "subtraction"): void {
    this.#annotations.collidingResets(operation, this.#position);
  }
}
