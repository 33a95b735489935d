/** Unary and binary operators on values. They throw {@link ValueFault}; `side` in it is the argument index. */
import type { Binary } from "./ast.ts";
import { compareNumbers, describeKind, equals, kindOf, Secret, ValueFault } from "./values.ts";
import type { Value } from "./values.ts";

type Number_ = number | bigint;

export function applyUnary(operator: "!" | "-", operand: Value): Value {
  if (operator === "!") {
    if (typeof operand !== "boolean")
      throw new ValueFault(`expected bool for unary !, got ${describeKind(operand)}`);
    return !operand;
  }
  if (typeof operand !== "number" && typeof operand !== "bigint")
    throw new ValueFault(`expected number for unary -, got ${describeKind(operand)}`);
  return -operand;
}

export function applyBinary(operator: Binary["operator"], left: Value, right: Value): Value {
  switch (operator) {
    case "||":
    case "&&": {
      const a = boolOf(operator, left, 0);
      const b = boolOf(operator, right, 1);
      return operator === "||" ? a || b : a && b;
    }
    case "==":
      return equals(left, right);
    case "!=":
      return !equals(left, right);
    case "<":
    case "<=":
    case ">":
    case ">=":
      return compare(operator, left, right);
    case "+":
      return isText(left) || isText(right)
        ? concatenate(left, right)
        : arithmetic(operator, left, right);
    default:
      return arithmetic(operator, left, right);
  }
}

function isText(value: Value): value is string | Secret {
  return typeof value === "string" || value instanceof Secret;
}

function isNumber(value: Value): value is Number_ {
  return typeof value === "number" || typeof value === "bigint";
}

function wrongKind(operator: string, allowed: string, value: Value, argument: number): ValueFault {
  return new ValueFault(
    `should be ${allowed} for binop ${operator}, got ${kindOf(value) === "secret" ? "capsule" : kindOf(value)}`,
    { argument },
  );
}

function boolOf(operator: string, value: Value, argument: number): boolean {
  if (typeof value !== "boolean") throw wrongKind(operator, "bool", value, argument);
  return value;
}

/** A secret on either side makes the whole a secret. */
function concatenate(left: Value, right: Value): Value {
  if (!isText(left)) throw wrongKind("+", "one of [number string capsule]", left, 0);
  if (!isText(right)) throw wrongKind("+", "one of [number string capsule]", right, 1);
  if (typeof left === "string" && typeof right === "string") return left + right;
  const reveal = (text: string | Secret) => (typeof text === "string" ? text : text.reveal());
  return new Secret(reveal(left) + reveal(right));
}

function compare(operator: "<" | "<=" | ">" | ">=", left: Value, right: Value): boolean {
  const order = orderOf(operator, left, right);
  if (operator === "<") return order < 0;
  if (operator === "<=") return order <= 0;
  return operator === ">" ? order > 0 : order >= 0;
}

function orderOf(operator: string, left: Value, right: Value): number {
  if (isNumber(left) && isNumber(right)) return compareNumbers(left, right);
  if (typeof left === "string" && typeof right === "string")
    return left < right ? -1 : left > right ? 1 : 0;
  const allowed = "one of [number string]";
  if (!isNumber(left) && typeof left !== "string") throw wrongKind(operator, allowed, left, 0);
  throw wrongKind(operator, isNumber(left) ? "number" : "string", right, 1);
}

/** Whole numbers stay whole (and wrap at 64 bits as in Go); with a float on either side the result is one. */
function arithmetic(operator: "+" | "-" | "*" | "/" | "%" | "^", left: Value, right: Value): Value {
  const allowed = operator === "+" ? "one of [number string capsule]" : "number";
  if (!isNumber(left)) throw wrongKind(operator, allowed, left, 0);
  if (!isNumber(right)) throw wrongKind(operator, allowed, right, 1);
  if ((operator === "/" || operator === "%") && Number(right) === 0)
    throw new ValueFault("divide by zero error", { argument: 1 });
  if (typeof left === "bigint" && typeof right === "bigint")
    return wholeArithmetic(operator, left, right);
  return floatArithmetic(operator, Number(left), Number(right));
}

function wholeArithmetic(
  operator: "+" | "-" | "*" | "/" | "%" | "^",
  left: bigint,
  right: bigint,
): bigint {
  switch (operator) {
    case "+":
      return wrap(left + right);
    case "-":
      return wrap(left - right);
    case "*":
      return wrap(left * right);
    case "/":
      return left / right;
    case "%":
      return left % right;
    default:
      return wrap(BigInt(Math.trunc(clampToInt64(Number(left) ** Number(right)))));
  }
}

function clampToInt64(value: number): number {
  return Number.isNaN(value) ? 0 : Math.max(-(2 ** 63), Math.min(2 ** 64 - 2048, value));
}

/** Values up to the largest uint64 are kept as they are, beyond that they wrap. */
function wrap(value: bigint): bigint {
  return value >= -(2n ** 63n) && value < 2n ** 64n ? value : BigInt.asIntN(64, value);
}

function floatArithmetic(
  operator: "+" | "-" | "*" | "/" | "%" | "^",
  left: number,
  right: number,
): number {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return left / right;
    case "%":
      return left % right;
    default:
      return left ** right;
  }
}
