/** Arithmetic of OTTL: 64-bit integers that wrap, doubles as soon as one is a double, times and durations with + and -. */
import type { MathOperator } from "./ast.ts";
import { OttlRunFault } from "./fault.ts";
import { OttlDuration, OttlTime, typeOf, type OttlValue } from "./values.ts";

export function calculate(left: OttlValue, operator: MathOperator, right: OttlValue): OttlValue {
  if (typeof left === "bigint" && typeof right === "bigint")
    return BigInt.asIntN(64, calculateIntegers(left, operator, right));
  if (isNumber(left) && isNumber(right))
    return calculateDoubles(Number(left), operator, Number(right));
  if (left instanceof OttlTime || left instanceof OttlDuration) {
    const result = calculateTimes(left, operator, right);
    if (result !== undefined) return result;
  }
  throw new OttlRunFault(`there is no ${typeOf(left)} ${operator} ${typeOf(right)}`);
}

export function negate(value: OttlValue): OttlValue {
  if (typeof value === "bigint") return BigInt.asIntN(64, -value);
  if (typeof value === "number") return -value;
  throw new OttlRunFault(`there is no minus of ${typeOf(value)}`);
}

function isNumber(value: OttlValue): value is bigint | number {
  return typeof value === "bigint" || typeof value === "number";
}

function calculateIntegers(left: bigint, operator: MathOperator, right: bigint): bigint {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      if (right === 0n) throw new OttlRunFault("division by zero");
      return left / right;
  }
}

function calculateDoubles(left: number, operator: MathOperator, right: number): number {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      if (right === 0) throw new OttlRunFault("division by zero");
      return left / right;
  }
}

function calculateTimes(
  left: OttlTime | OttlDuration,
  operator: MathOperator,
  right: OttlValue,
): OttlValue | undefined {
  const isPlus = operator === "+";
  if (!isPlus && operator !== "-") return undefined;
  if (left instanceof OttlTime) {
    if (right instanceof OttlDuration)
      return new OttlTime(isPlus ? left.ns + right.ns : left.ns - right.ns, left.zone);
    return right instanceof OttlTime && !isPlus ? new OttlDuration(left.ns - right.ns) : undefined;
  }
  if (right instanceof OttlDuration)
    return new OttlDuration(isPlus ? left.ns + right.ns : left.ns - right.ns);
  return right instanceof OttlTime && isPlus
    ? new OttlTime(left.ns + right.ns, right.zone)
    : undefined;
}
