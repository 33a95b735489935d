/** Type checks after the grammar, in the order and the words of Prometheus; the first fault is thrown. */
import type { Aggregate, Binary, Call, Expr, Position, ValueType, VectorSelector } from "./ast.ts";
import { COMPARISON_OPERATORS, SET_OPERATORS } from "./ast.ts";
import { PromqlParseError } from "./errors.ts";
import { FUNCTIONS } from "./functions.ts";
import { quoteString } from "./quote.ts";

const TYPE_NAMES: Readonly<Record<ValueType, string>> = {
  scalar: "scalar",
  vector: "instant vector",
  matrix: "range vector",
  string: "string",
};

/** What an expression evaluates to. */
export function typeOf(expr: Expr): ValueType {
  switch (expr.kind) {
    case "number":
      return "scalar";
    case "string":
      return "string";
    case "matrix":
    case "subquery":
      return "matrix";
    case "paren":
    case "unary":
      return typeOf(expr.expr);
    case "binary":
      return typeOf(expr.left) === "scalar" && typeOf(expr.right) === "scalar"
        ? "scalar"
        : "vector";
    case "call":
      return FUNCTIONS.get(expr.name)!.returns;
    case "selector":
    case "aggregate":
      return "vector";
  }
}

/** Throws a {@link PromqlParseError} for the first type fault of the tree, whose positions refer to `query`. */
export function checkTypes(query: string, expr: Expr): void {
  check(expr, (position, detail) => {
    let { start } = position;
    // An operator's stretch is given from the end of its left side: its text starts after the blanks.
    while (/\s/.test(query[start] ?? "")) start++;
    throw new PromqlParseError(query, { start, end: Math.max(start, position.end) }, detail);
  });
}

type Fail = (position: Position, detail: string) => never;

function check(expr: Expr, fail: Fail): ValueType {
  switch (expr.kind) {
    case "number":
    case "string":
      break;
    case "paren":
      check(expr.expr, fail);
      break;
    case "unary": {
      const type = check(expr.expr, fail);
      if (type !== "scalar" && type !== "vector") {
        fail(
          expr.position,
          `unary expression only allowed on expressions of type scalar or instant vector, got "${TYPE_NAMES[type]}"`,
        );
      }
      break;
    }
    case "subquery": {
      const type = check(expr.expr, fail);
      if (type !== "vector")
        fail(expr.position, `subquery is only allowed on instant vector, got ${type} instead`);
      break;
    }
    case "matrix":
      check(expr.selector, fail);
      break;
    case "selector":
      checkSelector(expr, fail);
      break;
    case "aggregate":
      checkAggregate(expr, fail);
      break;
    case "binary":
      checkBinary(expr, fail);
      break;
    case "call":
      checkCall(expr, fail);
      break;
  }
  return typeOf(expr);
}

function expectType(expr: Expr, wanted: ValueType, context: string, fail: Fail): void {
  const type = check(expr, fail);
  if (type !== wanted)
    fail(
      expr.position,
      `expected type ${TYPE_NAMES[wanted]} in ${context}, got ${TYPE_NAMES[type]}`,
    );
}

function checkSelector({ name, matchers, position }: VectorSelector, fail: Fail): void {
  if (name !== undefined) {
    // The matcher of the name in front stands last.
    const named = matchers.slice(0, -1).find((matcher) => matcher.name === "__name__");
    if (named === undefined) return;
    const names = `${quoteString(name)} or ${quoteString(named.value)}`;
    fail(position, `metric name must not be set twice: ${names}`);
  }
  if (!matchers.some((matcher) => !matcher.matches("")))
    fail(position, "vector selector must contain at least one non-empty matcher");
}

function checkAggregate(expr: Aggregate, fail: Fail): void {
  expectType(expr.expr, "vector", "aggregation expression", fail);
  if (expr.param === undefined) return;
  expectType(
    expr.param,
    expr.operator === "count_values" ? "string" : "scalar",
    "aggregation parameter",
    fail,
  );
}

function checkBinary(expr: Binary, fail: Fail): void {
  const { left, right, operator, matching, position } = expr;
  const leftType = check(left, fail);
  const rightType = check(right, fail);
  const between = { start: left.position.end, end: right.position.start };
  const isComparison = COMPARISON_OPERATORS.has(operator);
  const isSet = SET_OPERATORS.has(operator);
  if (expr.returnBool && !isComparison)
    fail(between, "bool modifier can only be used on comparison operators");
  if (isComparison && !expr.returnBool && leftType === "scalar" && rightType === "scalar") {
    fail(between, "comparisons between scalars must use BOOL modifier");
  }
  const shared =
    matching.on === true
      ? matching.labels.find((label) => matching.include.includes(label))
      : undefined;
  if (shared !== undefined)
    fail(between, `label ${quoteString(shared)} must not occur in ON and GROUP clause at once`);
  for (const [side, type] of [
    [left, leftType],
    [right, rightType],
  ] as const) {
    if (type !== "scalar" && type !== "vector") {
      fail(side.position, "binary expression must contain only scalar and instant vector types");
    }
  }
  const hasFill = matching.fillLeft !== undefined || matching.fillRight !== undefined;
  if (leftType !== "vector" || rightType !== "vector") {
    if (matching.labels.length > 0)
      fail(position, "vector matching only allowed between instant vectors");
    if (hasFill) fail(position, "filling in missing series only allowed between instant vectors");
    if (isSet) fail(position, `set operator "${operator}" not allowed in binary scalar expression`);
  } else if (isSet) {
    if (matching.cardinality === "many-to-one" || matching.cardinality === "one-to-many") {
      fail(position, `no grouping allowed for "${operator}" operation`);
    }
    if (hasFill) fail(position, "filling in missing series not allowed for set operators");
  }
}

function checkCall(expr: Call, fail: Fail): void {
  const { args: types, variadic, name } = FUNCTIONS.get(expr.name)!;
  const given = expr.args.length;
  const call = `in call to "${name}", got ${given}`;
  if (variadic === 0 && given !== types.length)
    fail(expr.position, `expected ${types.length} argument(s) ${call}`);
  if (variadic !== 0 && given < types.length - 1)
    fail(expr.position, `expected at least ${types.length - 1} argument(s) ${call}`);
  const most = types.length - 1 + variadic;
  if (variadic > 0 && given > most)
    fail(expr.position, `expected at most ${most} argument(s) ${call}`);
  for (const [index, arg] of expr.args.entries()) {
    if (name === "info" && index === 1) checkInfoSelector(expr, arg, fail);
    else
      expectType(
        arg,
        types[Math.min(index, types.length - 1)]!,
        `call to function "${name}"`,
        fail,
      );
  }
}

/** The second argument of `info` is a selector of labels; unlike others it may match everything. */
function checkInfoSelector(call: Call, arg: Expr, fail: Fail): void {
  const type = typeOf(arg);
  if (type !== "vector")
    fail(
      call.position,
      `expected type instant vector in call to function "info", got ${TYPE_NAMES[type]}`,
    );
  if (arg.kind !== "selector") fail(arg.position, "expected label selectors only");
  else if (arg.name !== undefined)
    fail(arg.position, "expected label selectors only, got vector selector instead");
}
