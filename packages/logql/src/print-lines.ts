/** LogQL trees as text over several lines, for people: what is longer than a line is taken apart, a stage or an operand a line. Parses as the same tree. */
import type { BinaryExpr, Expr, LogExpr, MetricExpr, RangeAggregationExpr } from "./ast.ts";
import {
  formatGrouping,
  formatOperator,
  formatQuery,
  formatRange,
  formatStage,
  formatUnwrap,
  needsParentheses,
} from "./print.ts";
import { quote } from "@finch/go-text";

const LINE_MAX = 100;
const MARGIN = "  ";

/** The query in one line when it is short, else in several. */
export function formatQueryLines(expr: Expr): string {
  return linesOf(expr).join("\n");
}

function linesOf(expr: Expr): readonly string[] {
  const line = formatQuery(expr);
  if (line.length <= LINE_MAX) return [line];
  switch (expr.kind) {
    case "log":
      return linesOfLog(expr);
    case "range-aggregation":
      return linesOfRange(expr);
    case "vector-aggregation": {
      const { operator, grouping, parameter, operand } = expr;
      const first = parameter === undefined ? [] : [[String(parameter)]];
      return call(`${operator}${formatGrouping(grouping)}`, [...first, linesOf(operand)]);
    }
    case "label-replace": {
      const texts = [expr.target, expr.replacement, expr.source, expr.pattern];
      return call("label_replace", [linesOf(expr.operand), ...texts.map((text) => [quote(text)])]);
    }
    case "binary":
      return linesOfBinary(expr);
    case "literal":
    case "vector":
      return [line];
  }
}

function linesOfLog({ stages, ...selector }: LogExpr): readonly string[] {
  return [formatQuery({ ...selector, stages: [] }), ...indent(stages.map(formatStage))];
}

function linesOfRange(expr: RangeAggregationExpr): readonly string[] {
  const lines = [...linesOf(expr.log)];
  if (expr.unwrap !== undefined) lines.push(...indent([formatUnwrap(expr.unwrap)]));
  lines.push(`${lines.pop()!} ${formatRange(expr)}`);
  const first = expr.parameter === undefined ? [] : [[String(expr.parameter)]];
  const [opening, ...rest] = call(expr.operator, [...first, lines]);
  return [opening!, ...rest.slice(0, -1), `)${formatGrouping(expr.grouping).trimEnd()}`];
}

function linesOfBinary(expr: BinaryExpr): readonly string[] {
  const side = (operand: MetricExpr, isLeft: boolean) => {
    const lines = linesOf(operand);
    return indent(needsParentheses(expr, operand, isLeft) ? ["(", ...indent(lines), ")"] : lines);
  };
  return [...side(expr.left, true), formatOperator(expr), ...side(expr.right, false)];
}

/** A call with an argument a line, or more. */
function call(name: string, operands: readonly (readonly string[])[]): readonly string[] {
  const lines = operands.flatMap((operand, index) => {
    const comma = index === operands.length - 1 ? "" : ",";
    return [...operand.slice(0, -1), `${operand.at(-1)!}${comma}`];
  });
  return [`${name}(`, ...indent(lines), ")"];
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map((line) => MARGIN + line);
}
