/**
 * Reads and writes the trees of `otlp-tree.ts` as OTLP/JSON: proto3's JSON mapping, but ids in hexadecimal and enums as numbers
 * (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). Names that are not known are passed over; enums may be written by name.
 */
import { badBody } from "./errors.ts";
import { parseOtlpJson, readAnyValue, readAttributes, readList, readNode } from "./otlp-json.ts";
import type { JsonNode, JsonReading } from "./otlp-json.ts";
import type { OtlpLimits } from "./otlp-limits.ts";
import { OTLP_REQUESTS } from "./otlp-tables.ts";
import type { Field, MessageTable } from "./otlp-tables.ts";
import type { AnyValue, Attributes, OtlpSignal, OtlpTrees } from "./otlp-tree.ts";
import { clearGroup, emptyMessage } from "./otlp-tree-protobuf.ts";
import type { TreeNode } from "./otlp-tree-protobuf.ts";

/** The request as a tree that the caller owns. Throws a FinchError `invalid` that names the place, or `too-large`. */
export function decodeOtlpTreeJson<Signal extends OtlpSignal>(
  signal: Signal,
  body: Uint8Array,
  limits: OtlpLimits,
): OtlpTrees[Signal] {
  const { root, reading } = parseOtlpJson(body, limits);
  return readMessage(reading, OTLP_REQUESTS[signal], root) as unknown as OtlpTrees[Signal];
}

/** The request as UTF-8. */
export function encodeOtlpTreeJson<Signal extends OtlpSignal>(
  signal: Signal,
  tree: OtlpTrees[Signal],
): Uint8Array {
  const root = messageOf(OTLP_REQUESTS[signal], tree as unknown as TreeNode);
  return new TextEncoder().encode(JSON.stringify(root));
}

function readMessage(reading: JsonReading, table: MessageTable, node: JsonNode): TreeNode {
  const message = emptyMessage(table);
  for (const field of table.fields) {
    if (!isGiven(node.fields[field.name])) continue;
    clearGroup(field, message);
    message[field.name] = readField(reading, field, node);
  }
  return message;
}

function readField(reading: JsonReading, field: Field, node: JsonNode): unknown {
  const { name, kind } = field;
  if (kind === "attributes") return readAttributes(reading, node, name);
  if (kind === "value") return readAnyValue(reading, node, name);
  if (kind === "message" && field.isRepeated)
    return readList(reading, node, name).map((one) => readMessage(reading, field.message!, one));
  if (kind === "message")
    return readMessage(reading, field.message!, readNode(reading, node, name)!);
  const value = node.fields[name];
  const path = `${node.path === "the body" ? "" : `${node.path}.`}${name}`;
  if (!field.isRepeated) return readScalar(field, value, path);
  if (!Array.isArray(value)) throw badBody(`${path} must be an array`);
  reading.budget.take(value.length);
  return value.map((one: unknown, i) => readScalar(field, one, `${path}[${i}]`));
}

function readScalar({ kind, names }: Field, value: unknown, path: string): unknown {
  switch (kind) {
    case "string":
      if (typeof value !== "string") throw badBody(`${path} must be a string`);
      return value;
    case "id":
      if (typeof value !== "string" || !/^(?:[0-9a-fA-F]{2})*$/.test(value))
        throw badBody(`${path} must be hexadecimal, not ${shown(value)}`);
      return new Uint8Array(Buffer.from(value, "hex"));
    case "bool":
      if (typeof value !== "boolean") throw badBody(`${path} must be true or false`);
      return value;
    case "double":
      return readDouble(value, path);
    case "fixed64":
    case "uint64":
      return readBigint(value, path, UINT64);
    case "sfixed64":
      return readBigint(value, path, INT64);
    case "enum":
      return readEnum(names!, value, path);
    case "sint32":
      return Number(readBigint(value, path, INT32));
    default:
      return Number(readBigint(value, path, UINT32));
  }
}

interface Range {
  readonly min: bigint;
  readonly max: bigint;
}

const UINT64: Range = { min: 0n, max: 2n ** 64n - 1n };
const INT64: Range = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const UINT32: Range = { min: 0n, max: 2n ** 32n - 1n };
const INT32: Range = { min: -(2n ** 31n), max: 2n ** 31n - 1n };

function readBigint(value: unknown, path: string, { min, max }: Range): bigint {
  const isNumber = typeof value === "number" && Number.isInteger(value);
  if (!isNumber && (typeof value !== "string" || !/^-?\d{1,20}$/.test(value)))
    throw badBody(`${path} must be a whole number, not ${shown(value)}`);
  const number = BigInt(value);
  if (number < min || number > max)
    throw badBody(`${path} must be from ${min} to ${max}, not ${shown(value)}`);
  return number;
}

function readEnum(names: readonly string[], value: unknown, path: string): number {
  if (typeof value !== "string" || /^-?\d+$/.test(value))
    return Number(readBigint(value, path, INT32));
  const number = names.indexOf(value);
  if (number < 0) throw badBody(`${path} must be one of ${names.join(", ")}, not ${shown(value)}`);
  return number;
}

function readDouble(value: unknown, path: string): number {
  if (typeof value === "number") return value;
  if (value === "NaN") return Number.NaN;
  if (value === "Infinity") return Infinity;
  if (value === "-Infinity") return -Infinity;
  if (typeof value === "string" && /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(value))
    return Number(value);
  throw badBody(`${path} must be a number, not ${shown(value)}`);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 40);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** A message as JSON has it: what equals a default is left out. */
function messageOf(table: MessageTable, node: TreeNode): object {
  const message: Record<string, unknown> = {};
  for (const field of table.fields) {
    const written = fieldOf(field, node[field.name]);
    if (written !== undefined) message[field.name] = written;
  }
  return message;
}

function fieldOf(field: Field, value: unknown): unknown {
  if (value === undefined) return undefined;
  if (field.kind === "attributes") {
    const attributes = value as Attributes;
    return attributes.size === 0 ? undefined : keyValuesOf(attributes);
  }
  if (field.isRepeated) {
    const list = value as readonly unknown[];
    return list.length === 0 ? undefined : list.map((one) => scalarOf(field, one));
  }
  const written = scalarOf(field, value);
  return field.isOptional || !isDefault(written) ? written : undefined;
}

function scalarOf({ kind, message }: Field, value: unknown): unknown {
  switch (kind) {
    case "id":
      return Buffer.from(value as Uint8Array).toString("hex");
    case "double":
      return doubleOf(value as number);
    case "fixed64":
    case "sfixed64":
    case "uint64":
      return String(value as bigint);
    case "value":
      return value === null ? undefined : anyValueOf(value as AnyValue);
    case "message":
      return messageOf(message!, value as TreeNode);
    default:
      return value;
  }
}

function isDefault(written: unknown): boolean {
  return written === "" || written === false || written === 0 || written === "0";
}

function doubleOf(value: number): number | string {
  if (Number.isFinite(value)) return value;
  return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

function keyValuesOf(attributes: Attributes): object[] {
  return Array.from(attributes, ([key, value]) => ({ key, value: anyValueOf(value) }));
}

function anyValueOf(value: AnyValue): object {
  if (value === null) return {};
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "bigint") return { intValue: String(value) };
  if (typeof value === "number") return { doubleValue: doubleOf(value) };
  if (value instanceof Uint8Array) return { bytesValue: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValueOf) } };
  return { kvlistValue: { values: keyValuesOf(value) } };
}
