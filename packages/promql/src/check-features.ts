/** Refuses what stands behind a switch while the switch is off. */
import type { Expr } from "./ast.ts";
import { PromqlParseError } from "./errors.ts";
import { FUNCTIONS } from "./functions.ts";

const EXPERIMENTAL_AGGREGATES: ReadonlySet<string> = new Set(["limitk", "limit_ratio"]);

const DURATION_COMPLAINT = "experimental duration expression is not enabled";

/** Throws a {@link PromqlParseError} at the first use of an experimental part of the language. */
export function refuseExperimental(query: string, expr: Expr): void {
  const complaint = complaintAbout(expr);
  if (complaint !== undefined) throw new PromqlParseError(query, expr.position, complaint);
  for (const child of childrenOf(expr)) refuseExperimental(query, child);
}

function complaintAbout(expr: Expr): string | undefined {
  switch (expr.kind) {
    case "call":
      return FUNCTIONS.get(expr.name)!.experimental
        ? `function "${expr.name}" is not enabled`
        : undefined;
    case "aggregate":
      if (!EXPERIMENTAL_AGGREGATES.has(expr.operator)) return undefined;
      return `${expr.operator}() is experimental and must be enabled with --enable-feature=promql-experimental-functions`;
    case "matrix":
      return expr.rangeExpression === undefined ? undefined : DURATION_COMPLAINT;
    case "subquery":
      return (expr.rangeExpression ?? expr.stepExpression ?? expr.offsetExpression) === undefined
        ? undefined
        : DURATION_COMPLAINT;
    case "selector":
      if (expr.offsetExpression !== undefined) return DURATION_COMPLAINT;
      return expr.extended === undefined
        ? undefined
        : `${expr.extended} modifier is experimental and not enabled`;
    case "binary": {
      const { fillLeft, fillRight } = expr.matching;
      return fillLeft === undefined && fillRight === undefined
        ? undefined
        : "binop fill modifiers are experimental and not enabled";
    }
    case "number":
    case "string":
    case "unary":
    case "paren":
      return undefined;
  }
}

/** The expressions directly inside one, from left to right. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case "number":
    case "string":
    case "selector":
      return [];
    case "matrix":
      return [expr.selector];
    case "subquery":
    case "unary":
    case "paren":
      return [expr.expr];
    case "call":
      return expr.args;
    case "aggregate":
      return expr.param === undefined ? [expr.expr] : [expr.param, expr.expr];
    case "binary":
      return [expr.left, expr.right];
  }
}
