/** How OTTL compares: numbers by their value whatever their type, nothing else across types. */
import type { CompareOperator } from "./ast.ts";
import {
  compareText,
  OttlDuration,
  OttlId,
  OttlParts,
  OttlTime,
  type OttlValue,
} from "./values.ts";

/** Values of types that cannot be compared are unequal, and neither less nor greater. */
export function compareValues(
  left: OttlValue,
  right: OttlValue,
  operator: CompareOperator,
): boolean {
  const order = orderOf(left, right);
  if (order !== undefined) return decide(order, operator);
  const isEqual = equals(left, right);
  if (operator === "==") return isEqual;
  return operator === "!=" && !isEqual;
}

function decide(order: number, operator: CompareOperator): boolean {
  switch (operator) {
    case "==":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
  }
}

/** Below, at or above zero; NaN beside a NaN, which is unequal to all; undefined for values without an order. */
function orderOf(left: OttlValue, right: OttlValue): number | undefined {
  if (typeof left === "string")
    return typeof right === "string" ? compareText(left, right) : undefined;
  if (typeof left === "bigint" && typeof right === "bigint")
    return left < right ? -1 : left > right ? 1 : 0;
  if (isNumber(left))
    return isNumber(right) ? orderOfDoubles(Number(left), Number(right)) : undefined;
  if (left === null) return right === null ? 0 : undefined;
  if (typeof left === "boolean")
    return typeof right === "boolean" ? Number(left) - Number(right) : undefined;
  if (left instanceof Uint8Array)
    return right instanceof Uint8Array ? Buffer.compare(left, right) : undefined;
  const hasOrder =
    (left instanceof OttlTime && right instanceof OttlTime) ||
    (left instanceof OttlDuration && right instanceof OttlDuration);
  return hasOrder ? orderOf((left as OttlTime).ns, (right as OttlTime).ns) : undefined;
}

function isNumber(value: OttlValue): value is bigint | number {
  return typeof value === "bigint" || typeof value === "number";
}

function orderOfDoubles(left: number, right: number): number {
  return left === right ? 0 : left - right;
}

function equals(left: OttlValue, right: OttlValue): boolean {
  if (left instanceof OttlId) return right instanceof OttlId && left.hex === right.hex;
  if (left instanceof OttlParts) return right instanceof OttlParts && left.parts === right.parts;
  return isSame(left, right);
}

/** Inside lists and maps types must agree, too: 1 is not 1.0. */
function isSame(left: OttlValue, right: OttlValue): boolean {
  if (left instanceof Map) {
    if (!(right instanceof Map) || left.size !== right.size) return false;
    return [...left].every(([key, item]) => right.has(key) && isSame(item, right.get(key)!));
  }
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false;
    return left.every((item, i) => isSame(item, right[i]!));
  }
  if (left instanceof Uint8Array)
    return right instanceof Uint8Array && Buffer.compare(left, right) === 0;
  return left === right;
}
