/** Puts numbers in the place of duration expressions, once the step and the range of the query are known. */
import { maxOf, minOf, ARITHMETIC } from "./arithmetic.ts";
import type { DurationExpression, Expr, Position, VectorSelector } from "./ast.ts";
import { PromqlParseError } from "./errors.ts";

export interface QueryTimes {
  readonly query: string;
  readonly stepMs: number;
  readonly rangeMs: number;
}

/** The tree with every duration a number; the tree itself where it has no expressions. */
export function resolveDurations(times: QueryTimes, expr: Expr): Expr {
  switch (expr.kind) {
    case "number":
    case "string":
      return expr;
    case "selector":
      return resolveSelector(times, expr);
    case "matrix": {
      const selector = resolveSelector(times, expr.selector);
      const rangeMs = resolved(times, expr.rangeExpression, expr.position) ?? expr.rangeMs;
      return { ...expr, selector, rangeMs, rangeExpression: undefined };
    }
    case "subquery": {
      const { position } = expr;
      return {
        ...expr,
        expr: resolveDurations(times, expr.expr),
        rangeMs: resolved(times, expr.rangeExpression, position) ?? expr.rangeMs,
        stepMs: resolved(times, expr.stepExpression, position) ?? expr.stepMs,
        offsetMs: resolveOffset(times, expr.offsetExpression, position) ?? expr.offsetMs,
        rangeExpression: undefined,
        stepExpression: undefined,
        offsetExpression: undefined,
      };
    }
    case "unary":
    case "paren":
      return { ...expr, expr: resolveDurations(times, expr.expr) };
    case "call":
      return { ...expr, args: expr.args.map((arg) => resolveDurations(times, arg)) };
    case "aggregate": {
      const param = expr.param === undefined ? undefined : resolveDurations(times, expr.param);
      return { ...expr, expr: resolveDurations(times, expr.expr), param };
    }
    case "binary":
      return {
        ...expr,
        left: resolveDurations(times, expr.left),
        right: resolveDurations(times, expr.right),
      };
  }
}

function resolveSelector(times: QueryTimes, expr: VectorSelector): VectorSelector {
  const offsetMs = resolveOffset(times, expr.offsetExpression, expr.position);
  return offsetMs === undefined ? expr : { ...expr, offsetMs, offsetExpression: undefined };
}

function resolveOffset(
  times: QueryTimes,
  expression: DurationExpression | undefined,
  position: Position,
): number | undefined {
  return expression === undefined
    ? undefined
    : Math.trunc(checkedSeconds(times, expression, position) * 1000);
}

function resolved(
  times: QueryTimes,
  expression: DurationExpression | undefined,
  position: Position,
): number | undefined {
  if (expression === undefined) return undefined;
  const seconds = checkedSeconds(times, expression, position);
  if (seconds <= 0)
    throw new PromqlParseError(times.query, position, "duration must be greater than 0");
  return Math.trunc(seconds * 1000);
}

function checkedSeconds(
  times: QueryTimes,
  expression: DurationExpression,
  position: Position,
): number {
  const seconds = secondsOf(times, expression, position);
  if (!Number.isFinite(seconds))
    throw new PromqlParseError(times.query, position, "duration is NaN or infinite");
  if (Math.abs(seconds) > 9_223_372_036)
    throw new PromqlParseError(times.query, position, "duration is out of range");
  return seconds;
}

function secondsOf(times: QueryTimes, expression: DurationExpression, position: Position): number {
  switch (expression.kind) {
    case "literal":
      return expression.seconds;
    case "step":
      return times.stepMs / 1000;
    case "range":
      return times.rangeMs / 1000;
    case "paren":
      return secondsOf(times, expression.operand, position);
    case "negative":
      return -secondsOf(times, expression.operand, position);
    case "min_of":
    case "max_of": {
      const pick = expression.kind === "min_of" ? minOf : maxOf;
      return pick(
        secondsOf(times, expression.left, position),
        secondsOf(times, expression.right, position),
      );
    }
    case "operation": {
      const { operator } = expression;
      const right = secondsOf(times, expression.right, position);
      if (right === 0 && operator === "/")
        throw new PromqlParseError(times.query, position, "division by zero");
      if (right === 0 && operator === "%")
        throw new PromqlParseError(times.query, position, "modulo by zero");
      return ARITHMETIC[operator](secondsOf(times, expression.left, position), right);
    }
  }
}
