/** Evaluates expressions against a scope. Faults come back as diagnostics with the place of the part that is wrong. */
import { unreachable } from "@finch/runtime";
import type { Access, Binary, Call, Expression, Identifier, Index } from "./ast.ts";
import { makeError, makeUnsupported } from "./diagnostics.ts";
import type { Diagnostic } from "./diagnostics.ts";
import { applyBinary, applyUnary } from "./operators.ts";
import type { Source, Span } from "./source.ts";
import { suggest } from "./suggest.ts";
import {
  Capsule,
  describeKind,
  FunctionValue,
  isArray,
  isObject,
  toNumber,
  ValueFault,
} from "./values.ts";
import type { ObjectValue, Value } from "./values.ts";

/** What names stand for. */
export interface Scope {
  /**
   * The value of the longest prefix of a dotted path that stands for something, with its length in names; undefined when even the first name is
   * unknown; a text when the reference is wrong in a way the scope can explain.
   */
  resolve(
    path: readonly string[],
  ): { readonly value: Value; readonly length: number } | string | undefined;
  /** Names for suggestions. */
  names(): Iterable<string>;
}

export type Evaluation =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly diagnostic: Diagnostic };

export function evaluate(expression: Expression, source: Source, scope: Scope): Evaluation {
  try {
    return { ok: true, value: evaluateIn(expression, scope) };
  } catch (error) {
    if (!(error instanceof EvaluationFault)) throw error;
    const make = error.isUnsupported ? makeUnsupported : makeError;
    return { ok: false, diagnostic: make(source, error.span, error.message) };
  }
}

class EvaluationFault extends Error {
  readonly span: Span;
  readonly isUnsupported: boolean;

  constructor(span: Span, message: string, isUnsupported = false) {
    super(message);
    this.span = span;
    this.isUnsupported = isUnsupported;
  }
}

function evaluateIn(expression: Expression, scope: Scope): Value {
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "paren":
      return evaluateIn(expression.inner, scope);
    case "array":
      return expression.elements.map((element) => evaluateIn(element, scope));
    case "object":
      return new Map(
        expression.fields.map((field) => [field.name, evaluateIn(field.value, scope)]),
      );
    case "identifier":
    case "access":
      return evaluatePath(expression, scope);
    case "index":
      return evaluateIndex(expression, scope);
    case "call":
      return evaluateCall(expression, scope);
    case "unary": {
      const operand = evaluateIn(expression.operand, scope);
      return placed([expression.operand], () => applyUnary(expression.operator, operand));
    }
    case "binary":
      return evaluateBinary(expression, scope);
    default:
      return unreachable(expression);
  }
}

/** Runs `compute`; what does not fit is reported at the argument at fault. */
function placed(spans: readonly Span[], compute: () => Value): Value {
  try {
    return compute();
  } catch (error) {
    if (!(error instanceof ValueFault)) throw error;
    throw new EvaluationFault(
      spans[error.argument ?? 0] ?? spans[0]!,
      error.message,
      error.isUnsupported,
    );
  }
}

/** Both sides are evaluated always: `||` and `&&` do not stop early. */
function evaluateBinary(expression: Binary, scope: Scope): Value {
  const left = evaluateIn(expression.left, scope);
  const right = evaluateIn(expression.right, scope);
  return placed([expression.left, expression.right], () =>
    applyBinary(expression.operator, left, right),
  );
}

/** The names of `a.b.c`, or undefined when something else is at its root. */
export function pathOf(expression: Expression): readonly (Identifier | Access)[] | undefined {
  const path: (Identifier | Access)[] = [];
  for (let at: Expression = expression; ; at = at.value) {
    if (at.kind === "identifier") return [at, ...path.toReversed()];
    if (at.kind !== "access") return undefined;
    path.push(at);
  }
}

function evaluatePath(expression: Identifier | Access, scope: Scope): Value {
  const path = pathOf(expression);
  if (path === undefined) {
    const access = expression as Access;
    return field(evaluateIn(access.value, scope), access);
  }
  const names = path.map((step) => step.name);
  const resolved = scope.resolve(names);
  if (resolved === undefined) {
    const name = path[0]!;
    throw new EvaluationFault(
      { start: name.start, end: expression.end },
      `identifier ${JSON.stringify(names[0])} does not exist${suggest(names[0]!, scope.names())}`,
    );
  }
  if (typeof resolved === "string") throw new EvaluationFault(expression, resolved);
  let { value } = resolved;
  for (const step of path.slice(resolved.length)) value = field(value, step as Access);
  return value;
}

function fieldsOf(value: Value): ObjectValue | undefined {
  if (isObject(value)) return value;
  return value instanceof Capsule ? value.fields?.() : undefined;
}

function field(value: Value, access: Access): Value {
  const fields = fieldsOf(value);
  if (fields === undefined)
    throw new EvaluationFault(
      access,
      `cannot access field ${JSON.stringify(access.name)} on value of type ${describeKind(value)}`,
    );
  const found = fields.get(access.name);
  if (found === undefined)
    throw new EvaluationFault(
      access,
      `field ${JSON.stringify(access.name)} does not exist${suggest(access.name, fields.keys())}`,
    );
  return found;
}

function evaluateIndex(expression: Index, scope: Scope): Value {
  const value = evaluateIn(expression.value, scope);
  const index = evaluateIn(expression.index, scope);
  const fields = fieldsOf(value);
  if (fields !== undefined) {
    if (typeof index !== "string")
      throw new EvaluationFault(
        expression.index,
        `expected string as the key of an object, got ${describeKind(index)}`,
      );
    return fields.get(index) ?? null;
  }
  if (!isArray(value))
    throw new EvaluationFault(
      expression.value,
      `expected object or array, got ${describeKind(value)}`,
    );
  return placed([expression.index], () => {
    const at = Number(toNumber(index));
    if (!Number.isInteger(at))
      throw new ValueFault("expected a whole number as the index of an array");
    if (at < 0 || at >= value.length)
      throw new ValueFault(`index ${at} is out of range of array with length ${value.length}`);
    return value[at]!;
  });
}

function evaluateCall(expression: Call, scope: Scope): Value {
  const callee = evaluateIn(expression.callee, scope);
  if (!(callee instanceof FunctionValue))
    throw new EvaluationFault(expression.callee, `expected function, got ${describeKind(callee)}`);
  const args = expression.args.map((arg) => evaluateIn(arg, scope));
  try {
    return callee.call(args);
  } catch (error) {
    if (!(error instanceof ValueFault)) throw error;
    const span =
      error.argument === undefined ? expression : (expression.args[error.argument] ?? expression);
    throw new EvaluationFault(
      span,
      error.isUnsupported ? error.message : `${callee.name}: ${error.message}`,
      error.isUnsupported,
    );
  }
}
