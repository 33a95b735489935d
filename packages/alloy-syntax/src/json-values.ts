/** JSON text to values and back. */
import { NESTING_MAX } from "./limits.ts";
import { isArray, isObject, toObject, ValueFault, describeKind, formatNumber } from "./values.ts";
import type { Value } from "./values.ts";

/** Whole numbers become whole numbers, as literals do. */
export function fromJson(text: string): Value {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
      typeof value === "number" &&
      context?.source !== undefined &&
      /^-?[0-9]+$/.test(context.source)
        ? BigInt(context.source)
        : value,
    );
  } catch (error) {
    throw new ValueFault(`not valid JSON: ${(error as Error).message}`, { argument: 0 });
  }
  return toValue(parsed, 0);
}

function toValue(parsed: unknown, depth: number): Value {
  if (depth > NESTING_MAX)
    throw new ValueFault(`JSON is nested deeper than ${NESTING_MAX}`, { argument: 0 });
  if (Array.isArray(parsed)) return parsed.map((element) => toValue(element, depth + 1));
  if (typeof parsed === "object" && parsed !== null) {
    return new Map(Object.entries(parsed).map(([key, value]) => [key, toValue(value, depth + 1)]));
  }
  return parsed as Value;
}

/** Go's encoding: sorted keys, and `<`, `>`, `&` escaped. Only objects, as the function of the library takes. */
export function toJson(value: Value): string {
  return encode(toObject(value)).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function encode(value: Value): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" || typeof value === "bigint") return formatNumber(value);
  if (isArray(value)) return `[${value.map(encode).join(",")}]`;
  if (!isObject(value))
    throw new ValueFault(`cannot encode ${describeKind(value)} as JSON`, { argument: 0 });
  const fields = [...value].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${encode(field)}`).join(",")}}`;
}
