/** What a JSON path selects in a document; see `json-path-parse.ts` for the notation. */
import { compileRegexp } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { parseJsonPath } from "./json-path-parse.ts";
import type { PathCondition, PathStep } from "./json-path-parse.ts";
import { compareNumbers, equals, isArray, isObject } from "./values.ts";
import type { Value } from "./values.ts";

/** The values a path selects, in the order of the document; in `..`, what is deeper comes first. */
export function selectPath(document: Value, path: string): readonly Value[] {
  const steps = parseJsonPath(path);
  return steps.length === 0 ? [] : select(steps, document, document);
}

function select(steps: readonly PathStep[], here: Value, root: Value): readonly Value[] {
  let selected: readonly Value[] = [here];
  for (const [index, step] of steps.entries()) {
    const isLast = index === steps.length - 1;
    if (step.kind === "root") selected = [root];
    else selected = selected.flatMap((value) => selectStep(step, value, { root, isLast }));
  }
  return selected;
}

function selectStep(
  step: PathStep,
  value: Value,
  { root, isLast }: { readonly root: Value; readonly isLast: boolean },
): readonly Value[] {
  switch (step.kind) {
    case "union":
      return step.keys.flatMap((key) => child(value, key));
    case "wildcard":
      return children(value);
    case "descent":
      return isLast ? descendants(value).slice(0, -1) : descendants(value);
    case "slice":
      return isArray(value) ? slice(value, step) : [];
    case "filter":
      return children(value).filter((one) => holds(step.condition, one, root));
    default:
      return [value];
  }
}

function child(value: Value, key: string | number): readonly Value[] {
  let found: Value | undefined;
  if (typeof key === "number") found = isArray(value) ? value.at(key) : undefined;
  else found = isObject(value) ? value.get(key) : undefined;
  return found === undefined ? [] : [found];
}

function children(value: Value): readonly Value[] {
  if (isArray(value)) return value;
  return isObject(value) ? [...value.values()] : [];
}

/** The value itself comes last. */
function descendants(value: Value): readonly Value[] {
  return [...children(value).flatMap(descendants), value];
}

function slice(
  list: readonly Value[],
  { start, end, step }: Extract<PathStep, { readonly kind: "slice" }>,
): readonly Value[] {
  const from = start < 0 ? Math.max(0, list.length + start) : start;
  const to = end < 0 ? list.length + end : Math.min(end, list.length);
  const found: Value[] = [];
  if (step > 0) for (let at = from; at < to; at += step) found.push(list[at]!);
  if (step < 0)
    for (let at = Math.min(from, list.length - 1); at > Math.max(-1, to); at += step)
      found.push(list[at]!);
  return found;
}

/** What a part of a condition stands for. */
type Operand = Value | typeof NOTHING | { readonly test: (text: string) => boolean };
const NOTHING = Symbol("nothing");

/** A condition with paths that select several values holds when it does for any of them. A bare path holds when it selects something. */
function holds(condition: PathCondition, here: Value, root: Value): boolean {
  if (condition.kind === "path") return select(condition.steps, here, root).length > 0;
  return operandsOf(condition, here, root).some((operand) => operand === true);
}

function operandsOf(condition: PathCondition, here: Value, root: Value): readonly Operand[] {
  switch (condition.kind) {
    case "value":
      return [condition.value];
    case "nothing":
      return [NOTHING];
    case "pattern":
      return [condition.pattern];
    case "list":
      return [
        condition.items.map((item) => {
          const [operand] = operandsOf(item, here, root);
          return isValue(operand) ? operand : null;
        }),
      ];
    case "path": {
      const found = select(condition.steps, here, root);
      return found.length === 0 ? [NOTHING] : found;
    }
    case "not": {
      const operands = operandsOf(condition.operand, here, root);
      return operands.map((operand) => operand !== true);
    }
    case "call":
      return callFunction(condition, here, root);
    default: {
      const lefts = operandsOf(condition.left, here, root);
      const rights = operandsOf(condition.right, here, root);
      return lefts.flatMap((left) =>
        rights.map((right) => applyOperator(condition.operator, left, right)),
      );
    }
  }
}

function isValue(operand: Operand | undefined): operand is Value {
  return (
    operand !== undefined &&
    operand !== NOTHING &&
    !(typeof operand === "object" && operand !== null && "test" in operand)
  );
}

function applyOperator(operator: string, left: Operand, right: Operand): Operand {
  switch (operator) {
    case "==":
      return isSame(left, right);
    case "!=":
      return !isSame(left, right);
    case "<":
    case "<=":
    case ">":
    case ">=":
      return isOrdered(operator, left, right);
    case "&&":
      return left === true && right === true;
    case "||":
      return left === true || right === true;
    case "in":
      return isValue(right) && isArray(right) && right.some((item) => isSame(left, item));
    case "has":
    case "exists":
      return typeof right === "boolean" && right === (left !== NOTHING);
    case "empty":
      return typeof right === "boolean" && right === (lengthOf(left) === 0);
    case "=~":
    case "~=":
      return typeof left === "string" && matches(right, left);
    default:
      return calculate(operator, left, right);
  }
}

function isSame(left: Operand, right: Operand): boolean {
  if (!isValue(left) || !isValue(right)) return left === right;
  const isPlain = !isArray(left) && !isObject(left);
  return isPlain && equals(left, right);
}

function isOrdered(operator: string, left: Operand, right: Operand): boolean {
  let order: number;
  if (isNumber(left) && isNumber(right)) order = compareNumbers(left, right);
  else if (typeof left === "string" && typeof right === "string")
    order = left < right ? -1 : left > right ? 1 : 0;
  else return false;
  if (operator === "<") return order < 0;
  if (operator === "<=") return order <= 0;
  return operator === ">" ? order > 0 : order >= 0;
}

function isNumber(operand: Operand): operand is number | bigint {
  return typeof operand === "number" || typeof operand === "bigint";
}

function matches(pattern: Operand, text: string): boolean {
  if (typeof pattern === "string") return compiled(pattern)?.test(text) ?? false;
  return !isValue(pattern) && pattern !== NOTHING && pattern.test(text);
}

/** A pattern from a text that is none matches nothing. */
function compiled(pattern: string): { readonly test: (text: string) => boolean } | undefined {
  try {
    return compileRegexp(pattern, { anchored: false });
  } catch (error) {
    if (error instanceof FinchError) return undefined;
    throw error;
  }
}

function calculate(operator: string, left: Operand, right: Operand): Operand {
  if (operator === "+" && typeof left === "string" && typeof right === "string")
    return left + right;
  if (!isNumber(left) || !isNumber(right)) return NOTHING;
  if (operator === "/" && Number(right) === 0) return NOTHING;
  if (typeof left === "bigint" && typeof right === "bigint") {
    if (operator === "+") return left + right;
    if (operator === "-") return left - right;
    return operator === "*" ? left * right : left / right;
  }
  const [a, b] = [Number(left), Number(right)];
  if (operator === "+") return a + b;
  if (operator === "-") return a - b;
  return operator === "*" ? a * b : a / b;
}

function lengthOf(operand: Operand): number | undefined {
  if (typeof operand === "string") return Buffer.byteLength(operand);
  if (!isValue(operand)) return undefined;
  if (isArray(operand)) return operand.length;
  return isObject(operand) ? operand.size : undefined;
}

function callFunction(
  { name, args }: Extract<PathCondition, { readonly kind: "call" }>,
  here: Value,
  root: Value,
): readonly Operand[] {
  const [first] = args;
  if (name === "count") {
    const isPath = first?.kind === "path";
    return [isPath ? BigInt(select(first.steps, here, root).length) : NOTHING];
  }
  const subjects = operandsOf(first!, here, root);
  if (name === "length")
    return subjects.map((subject) => {
      const length = lengthOf(subject);
      return length === undefined ? NOTHING : BigInt(length);
    });
  const patterns = operandsOf(args[1]!, here, root);
  return subjects.flatMap((subject) =>
    patterns.map((pattern) => {
      if (typeof subject !== "string" || typeof pattern !== "string" || pattern === "")
        return NOTHING;
      const whole = name === "match" ? `^(?:${pattern})$` : pattern;
      return compiled(whole)?.test(subject) ?? NOTHING;
    }),
  );
}
