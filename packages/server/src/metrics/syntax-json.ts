/**
 * A query's syntax tree as `parse_query` answers it: the JSON that Prometheus' own expression editor draws trees from. Every node has a
 * `type`; durations are milliseconds, numbers are text, what is absent is null.
 */
import { formatFloat } from "@finch/model";
import type { Matcher } from "@finch/model";
import { FUNCTIONS, typeOf } from "@finch/promql";
import type {
  AtModifier,
  Binary,
  DurationExpression,
  Expr,
  Subquery,
  VectorSelector,
} from "@finch/promql";

type Json = Readonly<Record<string, unknown>>;

const SET_OPERATORS: ReadonlySet<string> = new Set(["and", "or", "unless"]);

/** The tree of `expr`, which was parsed from `query`. */
export function describeSyntax(query: string, expr: Expr): Json {
  const describe = (inner: Expr) => describeSyntax(query, inner);
  switch (expr.kind) {
    case "number":
      return { type: "numberLiteral", val: formatFloat(expr.value) };
    case "string":
      return { type: "stringLiteral", val: expr.value };
    case "paren":
      return { type: "parenExpr", expr: describe(expr.expr) };
    case "unary":
      return { type: "unaryExpr", op: expr.operator, expr: describe(expr.expr) };
    case "selector":
      return { type: "vectorSelector", ...describeSelector(query, expr) };
    case "matrix":
      return {
        type: "matrixSelector",
        range: expr.rangeMs,
        rangeExpr: describeDuration(expr.rangeExpression),
        ...describeSelector(query, expr.selector),
      };
    case "subquery":
      return {
        type: "subquery",
        expr: describe(expr.expr),
        range: expr.rangeMs,
        rangeExpr: describeDuration(expr.rangeExpression),
        step: expr.stepMs ?? 0,
        stepExpr: describeDuration(expr.stepExpression),
        ...describeTimes(expr),
      };
    case "call":
      return {
        type: "call",
        func: describeFunction(expr.name),
        args: expr.args.map(describe),
      };
    case "aggregate":
      return {
        type: "aggregation",
        op: expr.operator,
        expr: describe(expr.expr),
        param: expr.param === undefined ? null : describe(expr.param),
        grouping: expr.grouping,
        without: expr.without,
      };
    case "binary":
      return {
        type: "binaryExpr",
        op: expr.operator,
        lhs: describe(expr.left),
        rhs: describe(expr.right),
        matching: describeMatching(expr),
        bool: expr.returnBool,
      };
  }
}

function describeSelector(query: string, selector: VectorSelector): Json {
  const { name, matchers, extended, position } = selector;
  // A name inside the braces is a matcher only, as in Prometheus.
  const isInFront = name !== undefined && query[position.start] !== "{";
  return {
    name: isInFront ? name : "",
    matchers: matchers.map(describeMatcher),
    ...describeTimes(selector),
    anchored: extended === "anchored",
    smoothed: extended === "smoothed",
  };
}

function describeMatcher({ name, value, operator }: Matcher): Json {
  return { name, value, type: operator };
}

function describeTimes(node: VectorSelector | Subquery): Json {
  return {
    offset: node.offsetMs,
    offsetExpr: describeDuration(node.offsetExpression),
    ...describeAt(node.at),
  };
}

function describeAt(at: AtModifier | undefined): Json {
  if (at?.kind === "time") return { timestamp: at.timeMs, startOrEnd: null };
  return { timestamp: null, startOrEnd: at?.kind ?? null };
}

function describeFunction(name: string): Json {
  const { args, variadic, returns } = FUNCTIONS.get(name)!;
  return { name, argTypes: args, variadic, returnType: returns };
}

/** How two vectors are paired; null where a side is no vector. */
function describeMatching({ operator, left, right, matching }: Binary): Json | null {
  if (typeOf(left) !== "vector" || typeOf(right) !== "vector") return null;
  const { cardinality, labels, on, include, fillLeft, fillRight } = matching;
  return {
    card: SET_OPERATORS.has(operator) ? "many-to-many" : cardinality,
    labels,
    on,
    include,
    fillValues: { lhs: fillLeft ?? null, rhs: fillRight ?? null },
  };
}

function describeDuration(expression: DurationExpression | undefined): Json | null {
  if (expression === undefined) return null;
  switch (expression.kind) {
    case "literal":
      return describeLiteral(expression.seconds, expression);
    case "step":
    case "range":
      return describeOperation(expression.kind, {});
    case "paren": {
      const { operand } = expression;
      // Parentheses are a mark on the operation inside; a literal has no place for it and becomes the operand of a plus.
      return operand.kind === "literal"
        ? { ...describeOperation("+", { rhs: operand }), wrapped: true }
        : { ...describeDuration(operand), wrapped: true };
    }
    case "negative": {
      const { operand } = expression;
      return operand.kind === "literal"
        ? describeLiteral(-operand.seconds, operand)
        : describeOperation("-", { rhs: operand });
    }
    case "min_of":
    case "max_of":
      return describeOperation(expression.kind, { lhs: expression.left, rhs: expression.right });
    case "operation":
      return describeOperation(expression.operator, {
        lhs: expression.left,
        rhs: expression.right,
      });
  }
}

function describeLiteral(seconds: number, { duration }: { readonly duration: boolean }): Json {
  return { type: "numberLiteral", val: formatFloat(seconds), duration };
}

function describeOperation(
  op: string,
  sides: { readonly lhs?: DurationExpression; readonly rhs?: DurationExpression },
): Json {
  return {
    type: "durationExpr",
    op,
    lhs: describeDuration(sides.lhs),
    rhs: describeDuration(sides.rhs),
    wrapped: false,
  };
}
