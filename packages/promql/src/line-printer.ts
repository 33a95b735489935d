/** Syntax tree → query text over several lines: what does not fit into one is broken open and indented. */
import type { Expr } from "./ast.ts";
import {
  formatAggregateHead,
  formatOperator,
  formatQuery,
  formatSubqueryRange,
} from "./printer.ts";

/** Parts up to this length stay on one line. */
const LINE_LENGTH_MAX = 100;

/** The text of a query for people to read: as `formatQuery` where it is short, indented by two blanks a level where it is not. */
export function formatQueryLines(expr: Expr): string {
  return formatAt(expr, 0);
}

function formatAt(expr: Expr, level: number): string {
  const indent = "  ".repeat(level);
  const line = formatQuery(expr);
  if (line.length <= LINE_LENGTH_MAX) return indent + line;
  const inner = (child: Expr) => formatAt(child, level + 1);
  switch (expr.kind) {
    case "number":
    case "string":
    case "selector":
    case "matrix":
      return indent + line;
    case "paren":
      return `${indent}(\n${inner(expr.expr)}\n${indent})`;
    case "unary":
      return `${indent}${expr.operator}${formatAt(expr.expr, level).trimStart()}`;
    case "subquery":
      return formatAt(expr.expr, level) + formatSubqueryRange(expr);
    case "call":
      return `${indent}${expr.name}(\n${expr.args.map(inner).join(",\n")}\n${indent})`;
    case "aggregate": {
      const param = expr.param === undefined ? "" : `${inner(expr.param)},\n`;
      return `${indent}${formatAggregateHead(expr)}(\n${param}${inner(expr.expr)}\n${indent})`;
    }
    case "binary":
      return `${inner(expr.left)}\n${indent}${formatOperator(expr)}\n${inner(expr.right)}`;
  }
}
