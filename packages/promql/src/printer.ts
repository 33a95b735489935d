/** Syntax tree → query text in one line. Parsing the text again gives an equal tree, positions aside. */
import { formatDuration, formatFloat } from "@finch/model";
import type { Matcher } from "@finch/model";
import type {
  Aggregate,
  AtModifier,
  Binary,
  DurationExpression,
  Expr,
  ExtendedMode,
  Subquery,
  VectorMatching,
  VectorSelector,
} from "./ast.ts";
import { quoteString } from "./quote.ts";

const PLAIN_LABEL = /^[A-Za-z_][A-Za-z0-9_]*$/;
const PLAIN_METRIC = /^[A-Za-z_:][A-Za-z0-9_:]*$/;

/** The canonical text of a query: single blanks, double quotes, matchers in order of their text. */
export function formatQuery(expr: Expr): string {
  switch (expr.kind) {
    case "number":
      return formatNumber(expr.value, expr.duration);
    case "string":
      return quoteString(expr.value);
    case "paren":
      return `(${formatQuery(expr.expr)})`;
    case "unary":
      return `${expr.operator}${formatQuery(expr.expr)}`;
    case "selector":
      return formatBareSelector(expr) + formatModifiers(expr);
    case "matrix":
      return `${formatBareSelector(expr.selector)}[${formatRange(expr)}]${formatModifiers(expr.selector)}`;
    case "subquery":
      return formatQuery(expr.expr) + formatSubqueryRange(expr);
    case "call":
      return `${expr.name}(${expr.args.map(formatQuery).join(", ")})`;
    case "aggregate":
      return formatAggregate(expr);
    case "binary":
      return formatBinary(expr);
  }
}

function formatNumber(value: number, isDuration: boolean): string {
  if (!isDuration) return formatFloat(value);
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  return sign + formatDuration(Math.abs(Math.round(value * 1000)));
}

function formatLabel(name: string): string {
  return PLAIN_LABEL.test(name) ? name : quoteString(name);
}

function formatLabels(names: readonly string[]): string {
  return `(${names.map(formatLabel).join(", ")})`;
}

function formatBareSelector({ name, matchers }: VectorSelector): string {
  const bareName = name !== undefined && PLAIN_METRIC.test(name) ? name : undefined;
  const parts: string[] = [];
  for (const matcher of matchers) {
    if (bareName === undefined || matcher.name !== "__name__") parts.push(formatMatcher(matcher));
  }
  parts.sort();
  if (parts.length === 0 && bareName !== undefined) return bareName;
  return `${bareName ?? ""}{${parts.join(",")}}`;
}

function formatMatcher({ name, operator, value }: Matcher): string {
  return `${formatLabel(name)}${operator}${quoteString(value)}`;
}

function formatModifiers(node: {
  offsetMs: number;
  offsetExpression?: DurationExpression | undefined;
  at: AtModifier | undefined;
  extended?: ExtendedMode | undefined;
}): string {
  let out = node.extended === undefined ? "" : ` ${node.extended}`;
  if (node.at?.kind === "time") out += ` @ ${(node.at.timeMs / 1000).toFixed(3)}`;
  else if (node.at !== undefined) out += ` @ ${node.at.kind}()`;
  if (node.offsetExpression !== undefined)
    return `${out} offset ${formatExpression(node.offsetExpression)}`;
  if (node.offsetMs > 0) out += ` offset ${formatDuration(node.offsetMs)}`;
  if (node.offsetMs < 0) out += ` offset -${formatDuration(-node.offsetMs)}`;
  return out;
}

function formatRange({
  rangeMs,
  rangeExpression,
}: {
  rangeMs: number;
  rangeExpression?: DurationExpression | undefined;
}): string {
  return rangeExpression === undefined
    ? formatDuration(rangeMs)
    : formatExpression(rangeExpression);
}

function formatExpression(expression: DurationExpression): string {
  switch (expression.kind) {
    case "literal":
      return formatNumber(expression.seconds, expression.duration);
    case "step":
    case "range":
      return `${expression.kind}()`;
    case "paren":
      return `(${formatExpression(expression.operand)})`;
    case "negative":
      return `-${formatExpression(expression.operand)}`;
    case "min_of":
    case "max_of":
      return `${expression.kind}(${formatExpression(expression.left)}, ${formatExpression(expression.right)})`;
    case "operation":
      return `${formatExpression(expression.left)} ${expression.operator} ${formatExpression(expression.right)}`;
  }
}

function formatAggregate(node: Aggregate): string {
  const { expr, param } = node;
  const args =
    param === undefined ? formatQuery(expr) : `${formatQuery(param)}, ${formatQuery(expr)}`;
  return `${formatAggregateHead(node)}(${args})`;
}

/** An aggregation up to its parenthesis. */
export function formatAggregateHead({ operator, grouping, without }: Aggregate): string {
  if (without) return `${operator} without ${formatLabels(grouping)} `;
  return grouping.length > 0 ? `${operator} by ${formatLabels(grouping)} ` : operator;
}

function formatBinary(node: Binary): string {
  return `${formatQuery(node.left)} ${formatOperator(node)} ${formatQuery(node.right)}`;
}

/** An operator with what modifies it. */
export function formatOperator({ operator, returnBool, matching }: Binary): string {
  return `${operator}${returnBool ? " bool" : ""}${formatMatching(matching)}`;
}

/** What makes a subquery of an expression: its range, step and modifiers. */
export function formatSubqueryRange(node: Subquery): string {
  const { stepMs, stepExpression } = node;
  const plain = stepMs === undefined ? "" : formatDuration(stepMs);
  const step = stepExpression === undefined ? plain : formatExpression(stepExpression);
  return `[${formatRange(node)}:${step}]${formatModifiers(node)}`;
}

function formatMatching({
  cardinality,
  on,
  labels,
  include,
  fillLeft,
  fillRight,
}: VectorMatching): string {
  let out = "";
  if (labels.length > 0 || on || cardinality !== "one-to-one")
    out += ` ${on ? "on" : "ignoring"} ${formatLabels(labels)}`;
  if (cardinality !== "one-to-one") {
    out += ` group_${cardinality === "many-to-one" ? "left" : "right"}${include.length > 0 ? ` ${formatLabels(include)}` : " ()"}`;
  }
  if (fillLeft !== undefined && Object.is(fillLeft, fillRight))
    return `${out} fill (${formatFloat(fillLeft)})`;
  if (fillLeft !== undefined) out += ` fill_left (${formatFloat(fillLeft)})`;
  if (fillRight !== undefined) out += ` fill_right (${formatFloat(fillRight)})`;
  return out;
}
