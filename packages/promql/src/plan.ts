/** What can be said about an expression before it runs: which parts give the same answer at every step and need only one. */
import type { Expr } from "./ast.ts";
import { unwrapParens } from "./ast.ts";

/** Functions whose answer depends on the step even when their arguments do not. */
const STEP_DEPENDENT: ReadonlySet<string> = new Set([
  "day_of_month",
  "day_of_week",
  "day_of_year",
  "days_in_month",
  "hour",
  "minute",
  "month",
  "predict_linear",
  "time",
  "timestamp",
  "year",
]);

const known = new WeakMap<Expr, boolean>();

/** Whether the expression has the same value at every step. */
export function isStepInvariant(expr: Expr): boolean {
  let answer = known.get(expr);
  if (answer === undefined) {
    answer = decide(expr);
    known.set(expr, answer);
  }
  return answer;
}

function decide(expr: Expr): boolean {
  switch (expr.kind) {
    case "number":
    case "string":
      return true;
    case "selector":
    case "subquery":
      return expr.at !== undefined;
    case "matrix":
      return expr.selector.at !== undefined;
    case "paren":
    case "unary":
      return isStepInvariant(expr.expr);
    case "binary":
      return isStepInvariant(expr.left) && isStepInvariant(expr.right);
    case "aggregate":
      return (
        isStepInvariant(expr.expr) && (expr.param === undefined || isStepInvariant(expr.param))
      );
    case "call":
      return isCallInvariant(expr.name, expr.args);
  }
}

function isCallInvariant(name: string, args: readonly Expr[]): boolean {
  if (!args.every(isStepInvariant)) return false;
  if (!STEP_DEPENDENT.has(name)) return true;
  // The times of samples at a fixed moment are fixed; the times of any other value are those of the steps.
  return name === "timestamp" && unwrapParens(args[0]!).kind === "selector";
}
