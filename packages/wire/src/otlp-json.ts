/**
 * Parts of OTLP's JSON that all signals share. It is protobuf's JSON but for identifiers, which are hexadecimal: names in lower camel case, 64-bit
 * numbers as text or as numbers, enums as numbers or names, `NaN` and `Infinity` as text, null as not given, unknown names passed over.
 */
import { badBody } from "./errors.ts";
import { checkJsonShape } from "./json-shape.ts";
import { ElementBudget } from "./otlp-limits.ts";
import type { OtlpLimits } from "./otlp-limits.ts";
import type { OtlpValue } from "./otlp-model.ts";

/** An object of the body, with its place for messages. */
export interface JsonNode {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Such as `resourceMetrics[0].scopeMetrics[1]`. */
  readonly path: string;
}

export interface JsonReading {
  readonly limits: OtlpLimits;
  readonly budget: ElementBudget;
}

/** The body's object; throws a FinchError that says where it is no JSON. */
export function parseOtlpJson(
  body: Uint8Array,
  limits: OtlpLimits,
): { readonly root: JsonNode; readonly reading: JsonReading } {
  checkJsonShape(body, limits);
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    throw badBody(`the body is not valid JSON: ${(error as Error).message}`, error);
  }
  const reading = { limits, budget: new ElementBudget(limits.elementsMax) };
  return { root: nodeOf(reading, parsed, "the body"), reading };
}

/** Objects under `name`; none when it is not given. */
export function readList(reading: JsonReading, node: JsonNode, name: string): JsonNode[] {
  const value = node.fields[name];
  if (value === undefined || value === null) return [];
  const path = pathOf(node, name);
  if (!Array.isArray(value)) throw badBody(`${path} must be an array`);
  return value.map((one, i) => nodeOf(reading, one, `${path}[${i}]`));
}

/** The object under `name`, or undefined. */
export function readNode(reading: JsonReading, node: JsonNode, name: string): JsonNode | undefined {
  const value = node.fields[name];
  if (value === undefined || value === null) return undefined;
  return nodeOf(reading, value, pathOf(node, name));
}

export function readString(node: JsonNode, name: string): string {
  const value = node.fields[name] ?? "";
  if (typeof value !== "string") throw badBody(`${pathOf(node, name)} must be a string`);
  return value;
}

/** Lower-case hexadecimal; all zero is none. */
export function readHexText(node: JsonNode, name: string): string {
  const text = readString(node, name).toLowerCase();
  if (!/^(?:[0-9a-f]{2})*$/.test(text))
    throw badBody(
      `${pathOf(node, name)} must be hexadecimal, not ${JSON.stringify(text.slice(0, 40))}`,
    );
  return /^0*$/.test(text) ? "" : text;
}

export function readBoolean(node: JsonNode, name: string): boolean {
  const value = node.fields[name] ?? false;
  if (typeof value !== "boolean") throw badBody(`${pathOf(node, name)} must be true or false`);
  return value;
}

/** A number, or undefined when it is not given. */
export function readNumberOr(node: JsonNode, name: string): number | undefined {
  const value = node.fields[name];
  return value === undefined || value === null ? undefined : numberOf(value, pathOf(node, name));
}

export function readNumber(node: JsonNode, name: string): number {
  return readNumberOr(node, name) ?? 0;
}

export function readNumberList(node: JsonNode, name: string): Float64Array {
  const value = node.fields[name] ?? [];
  const path = pathOf(node, name);
  if (!Array.isArray(value)) throw badBody(`${path} must be an array`);
  return Float64Array.from(value, (one, i) => numberOf(one, `${path}[${i}]`));
}

/** Unix nanoseconds as milliseconds, rounded down. */
export function readJsonTimeMs(node: JsonNode, name: string): number {
  return Number(readJsonTimeNs(node, name) / 1_000_000n);
}

/** Unix nanoseconds, 0 when not given. */
export function readJsonTimeNs(node: JsonNode, name: string): bigint {
  const value = node.fields[name] ?? 0;
  const text = String(value as string | number);
  if (!/^\d{1,20}$/.test(text))
    throw badBody(
      `${pathOf(node, name)} must be Unix nanoseconds, not ${JSON.stringify(text.slice(0, 40))}`,
    );
  return BigInt(text);
}

/** An `AnyValue`; null when it is not given. */
export function readAnyValue(reading: JsonReading, node: JsonNode, name: string): OtlpValue {
  const value = readNode(reading, node, name);
  return value === undefined ? null : valueOf(reading, value, 0);
}

export function readAttributes(
  reading: JsonReading,
  node: JsonNode,
  name: string,
): Map<string, OtlpValue> {
  return attributesOf(reading, readList(reading, node, name), 0);
}

function attributesOf(
  reading: JsonReading,
  list: readonly JsonNode[],
  depth: number,
): Map<string, OtlpValue> {
  const attributes = new Map<string, OtlpValue>();
  for (const entry of list) {
    const value = readNode(reading, entry, "value");
    attributes.set(
      readString(entry, "key"),
      value === undefined ? null : valueOf(reading, value, depth),
    );
  }
  return attributes;
}

function valueOf(reading: JsonReading, node: JsonNode, depth: number): OtlpValue {
  if (depth >= reading.limits.valueDepthMax)
    throw badBody(`${node.path} nests deeper than ${reading.limits.valueDepthMax}`);
  const { fields } = node;
  if (isGiven(fields["stringValue"])) return readString(node, "stringValue");
  if (isGiven(fields["boolValue"])) return readBoolean(node, "boolValue");
  if (isGiven(fields["intValue"])) return bigintOf(node, "intValue");
  if (isGiven(fields["doubleValue"])) return readNumber(node, "doubleValue");
  if (isGiven(fields["bytesValue"]))
    return new Uint8Array(Buffer.from(readString(node, "bytesValue"), "base64"));
  const array = readNode(reading, node, "arrayValue");
  if (array !== undefined)
    return readList(reading, array, "values").map((one) => valueOf(reading, one, depth + 1));
  const map = readNode(reading, node, "kvlistValue");
  if (map !== undefined) return attributesOf(reading, readList(reading, map, "values"), depth + 1);
  return null;
}

function bigintOf(node: JsonNode, name: string): bigint {
  const text = String(node.fields[name] as string | number);
  if (!/^-?\d{1,20}$/.test(text))
    throw badBody(
      `${pathOf(node, name)} must be a whole number, not ${JSON.stringify(text.slice(0, 40))}`,
    );
  return BigInt(text);
}

function numberOf(value: unknown, path: string): number {
  if (typeof value === "number") return value;
  if (value === "NaN") return Number.NaN;
  if (value === "Infinity") return Infinity;
  if (value === "-Infinity") return -Infinity;
  if (typeof value === "string" && /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(value))
    return Number(value);
  throw badBody(`${path} must be a number`);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function nodeOf({ budget }: JsonReading, value: unknown, path: string): JsonNode {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badBody(`${path} must be an object`);
  budget.take(1);
  return { fields: value as Readonly<Record<string, unknown>>, path };
}

function pathOf(node: JsonNode, name: string): string {
  return node.path === "the body" ? name : `${node.path}.${name}`;
}
