/**
 * What can be said about an expression before it runs: which parts give the same answer at every step and need only one, and which selectors
 * need no buckets of their histograms.
 */
import type { Expr, VectorSelector } from "./ast.ts";
import { unwrapParens } from "./ast.ts";
import { childrenOf } from "./check-features.ts";

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

const NEEDS_STATISTICS: ReadonlySet<string> = new Set([
  "histogram_avg",
  "histogram_count",
  "histogram_sum",
]);
const NEEDS_BUCKETS: ReadonlySet<string> = new Set([
  "histogram_fraction",
  "histogram_quantile",
  "histogram_quantiles",
]);

/**
 * Selectors of whose histograms only count and sum are asked for. Not below subqueries: there resets are looked for in samples that are not
 * neighbours, which takes buckets.
 */
export function statisticsSelectors(expr: Expr): ReadonlySet<VectorSelector> {
  const selectors = new Set<VectorSelector>();
  const visit = (node: Expr, isAsked: boolean): void => {
    let asked = isAsked;
    switch (node.kind) {
      case "selector":
        if (asked) selectors.add(node);
        return;
      case "subquery":
        return;
      case "call":
        if (NEEDS_BUCKETS.has(node.name)) return;
        asked ||= NEEDS_STATISTICS.has(node.name);
        break;
      case "binary":
        if (node.operator === "</" || node.operator === ">/") return;
        break;
      default:
        break;
    }
    for (const child of childrenOf(node)) visit(child, asked);
  };
  visit(expr, false);
  return selectors;
}
