/** What a query selects, for those who ask about its series rather than for its result. */
import type { Expr, VectorSelector } from "./ast.ts";
import { childrenOf } from "./check-features.ts";

/** Every selector of a query, from left to right; those of range vectors and subqueries, too. */
export function extractSelectors(expr: Expr): readonly VectorSelector[] {
  return expr.kind === "selector" ? [expr] : childrenOf(expr).flatMap(extractSelectors);
}
