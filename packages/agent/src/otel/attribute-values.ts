/** Values of attributes as configurations write them, and as text. */
import type { AnyValue } from "@finch/wire";

/** A string, number or bool of a configuration as an attribute: whole numbers are ints. Undefined for anything else. */
export function toAttribute(value: unknown): string | boolean | bigint | number | undefined {
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint")
    return value;
  if (typeof value !== "number") return undefined;
  return Number.isSafeInteger(value) ? BigInt(value) : value;
}

/** As the Collector's `AsString`: nothing where no value is set, JSON with sorted keys of maps and lists, base64 of bytes. */
export function attributeText(value: AnyValue): string {
  if (value === null) return "";
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return value instanceof Map || Array.isArray(value) ? attributeJson(value) : String(value);
}

/** JSON as Go writes it: sorted keys, HTML's characters escaped, bytes as base64; null of numbers that JSON does not have. */
export function attributeJson(value: AnyValue): string {
  if (value === null) return "null";
  if (typeof value === "string") return jsonString(value);
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "null";
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString("base64")}"`;
  if (Array.isArray(value)) return `[${value.map(attributeJson).join(",")}]`;
  if (!(value instanceof Map)) return String(value);
  const keys = [...value.keys()].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${keys.map((key) => `${jsonString(key)}:${attributeJson(value.get(key)!)}`).join(",")}}`;
}

function jsonString(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
