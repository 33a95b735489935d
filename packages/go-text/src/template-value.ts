/** Values of templates. Integers are `bigint`, floats `number`, so that they print as Go prints them; times know their zone. */
import { formatGoFloat, parseFloatText } from "@finch/model";
import type { GoTime } from "./time-layout.ts";

export type TemplateValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | GoTime
  | readonly TemplateValue[]
  | ReadonlyMap<string, TemplateValue>;

/** A template that cannot be finished on its data. The message is worded as Go words it. */
export class TemplateRunFault extends Error {
  override readonly name = "TemplateRunFault";
}

export function isTime(value: TemplateValue): value is GoTime {
  return typeof value === "object" && value !== null && "ns" in value;
}

export function isList(value: TemplateValue): value is readonly TemplateValue[] {
  return Array.isArray(value);
}

export function isMap(value: TemplateValue): value is ReadonlyMap<string, TemplateValue> {
  return value instanceof Map;
}

/** text/template's truth: empty strings, lists and maps, zero, false and nil are false. */
export function isTrue(value: TemplateValue): boolean {
  if (isList(value)) return value.length > 0;
  if (isMap(value)) return value.size > 0;
  if (isTime(value)) return true;
  return Boolean(value);
}

/** Go's `%v`. */
export function printValue(value: TemplateValue, formatTime: (time: GoTime) => string): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return formatGoFloat(value);
  if (value === null) return "<no value>";
  if (isTime(value)) return formatTime(value);
  if (isList(value)) return `[${value.map((item) => printNested(item, formatTime)).join(" ")}]`;
  if (isMap(value)) {
    const entries = [...value].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `map[${entries.map(([key, item]) => `${key}:${printNested(item, formatTime)}`).join(" ")}]`;
  }
  return String(value);
}

function printNested(value: TemplateValue, formatTime: (time: GoTime) => string): string {
  return value === null ? "<nil>" : printValue(value, formatTime);
}

/** The loose integer conversion of the template functions: decimals lose their fraction, other text counts as a Go literal, and what is none as 0. */
export function toInteger(value: TemplateValue | undefined): bigint {
  if (typeof value === "bigint") return BigInt.asIntN(64, value);
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (typeof value === "number") return Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
  if (typeof value !== "string") return 0n;
  const decimal = /^([-+]?)(\d*)\.\d*$/.exec(value);
  return parseInteger(decimal === null ? value : `${decimal[1]}${decimal[2] || "0"}`);
}

/** Go's `strconv.ParseInt(text, 0, 64)`, and 0 for what it refuses. */
function parseInteger(text: string): bigint {
  const match = /^([-+]?)(0[xX]_?[\da-fA-F_]+|0[bB]_?[01_]+|0[oO]?_?[0-7_]+|0|[1-9][\d_]*)$/.exec(
    text,
  );
  if (match === null || /__|_$/.test(text)) return 0n;
  const digits = match[2]!.replaceAll("_", "").replace(/^0(?=[0-7])/, "0o");
  const magnitude = BigInt(digits);
  const value = match[1] === "-" ? -magnitude : magnitude;
  return value === BigInt.asIntN(64, value) ? value : 0n;
}

export function toFloat(value: TemplateValue | undefined): number {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "boolean") return value ? 1 : 0;
  return typeof value === "string" ? (parseFloatText(value) ?? 0) : 0;
}
