/** Writes the trees of `otlp-tree.ts` as protobuf, by the tables of `otlp-tables.ts`. What equals a default is left out, as proto3 does. */
import { ByteWriter, ProtobufWriter } from "@finch/codec";
import { badBody } from "./errors.ts";
import { DEFAULT_OTLP_LIMITS } from "./otlp-limits.ts";
import { OTLP_REQUESTS } from "./otlp-tables.ts";
import type { Field, MessageTable } from "./otlp-tables.ts";
import type { AnyValue, Attributes, OtlpSignal, OtlpTrees } from "./otlp-tree.ts";
import type { TreeNode } from "./otlp-tree-protobuf.ts";

/** The bytes of a request. Throws a FinchError `invalid` for an attribute that nests deeper than a receiver takes. */
export function encodeOtlpTree<Signal extends OtlpSignal>(
  signal: Signal,
  tree: OtlpTrees[Signal],
): Uint8Array {
  const writer = new ProtobufWriter(1024);
  writeFields(writer, OTLP_REQUESTS[signal], tree as unknown as TreeNode);
  return writer.finish();
}

function writeFields(writer: ProtobufWriter, table: MessageTable, node: TreeNode): void {
  for (const field of table.fields) {
    const value = node[field.name];
    if (field.kind === "attributes")
      writeAttributes(writer, field.number, { attributes: value as Attributes, depth: 0 });
    else if (field.isRepeated) writeRepeated(writer, field, value as readonly unknown[]);
    else if (value !== undefined) writeSingle(writer, field, value);
  }
}

function writeMessage(writer: ProtobufWriter, field: Field, node: TreeNode): void {
  const mark = writer.begin(field.number);
  writeFields(writer, field.message!, node);
  writer.end(mark);
}

function writeRepeated(writer: ProtobufWriter, field: Field, list: readonly unknown[]): void {
  if (field.kind === "message") {
    for (const node of list) writeMessage(writer, field, node as TreeNode);
  } else if (field.kind === "string") {
    for (const text of list) writer.writeString(field.number, text as string);
  } else if (list.length > 0) writer.writeBytes(field.number, packed(field, list));
}

/** Numbers one after the other, as proto3 packs them. */
function packed({ kind }: Field, list: readonly unknown[]): Uint8Array {
  if (kind === "double") return new Uint8Array(Float64Array.from(list as number[]).buffer);
  if (kind === "fixed64") return new Uint8Array(BigUint64Array.from(list as bigint[]).buffer);
  const out = new ByteWriter(list.length * 2);
  for (const value of list as bigint[]) out.writeVarint64(...wordsOf(value));
  return out.finish();
}

function writeSingle(writer: ProtobufWriter, field: Field, value: unknown): void {
  const { number, kind, isOptional } = field;
  // An empty body is not a missing one.
  if (!isOptional && (kind === "value" ? value === null : isDefault(value))) return;
  switch (kind) {
    case "string":
      return writer.writeString(number, value as string);
    case "id":
      return writer.writeBytes(number, value as Uint8Array);
    case "bool":
      return writer.writeInt64(number, value === true ? 1 : 0);
    case "double":
      return writeDouble(writer, number, value as number);
    case "fixed64":
    case "sfixed64":
      return writer.writeDoubleWords(number, ...wordsOf(value as bigint));
    case "uint64":
      return writer.writeBigInt(number, value as bigint);
    case "fixed32":
      return writer.writeFixed32(number, value as number);
    case "sint32":
      return writer.writeInt64(number, zigzag(value as number));
    case "value":
      return writeValue(writer, number, { value: value as AnyValue, depth: 0 });
    case "message":
      return writeMessageUnlessEmpty(writer, field, value as TreeNode);
    default:
      return writer.writeInt64(number, value as number);
  }
}

/** A message that is always there in the tree is written when it says something; one of a `oneof` always, as its kind says something. */
function writeMessageUnlessEmpty(writer: ProtobufWriter, field: Field, node: TreeNode): void {
  if (field.isOptional || !isEmpty(field.message!, node)) writeMessage(writer, field, node);
}

function isEmpty(table: MessageTable, node: TreeNode): boolean {
  return table.fields.every((field) => {
    const value = node[field.name];
    if (field.isRepeated) return (value as readonly unknown[]).length === 0;
    if (field.kind === "attributes") return (value as Attributes).size === 0;
    return value === undefined || isDefault(value);
  });
}

function isDefault(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  return value === null || value === "" || value === false || value === 0n || Object.is(value, 0);
}

function writeAttributes(
  writer: ProtobufWriter,
  number: number,
  { attributes, depth }: { readonly attributes: Attributes; readonly depth: number },
): void {
  for (const [key, value] of attributes) {
    const mark = writer.begin(number);
    if (key !== "") writer.writeString(1, key);
    writeValue(writer, 2, { value, depth });
    writer.end(mark);
  }
}

/** An `AnyValue`. The value of its `oneof` is written even when it is a default: that is how its type is known. */
function writeValue(
  writer: ProtobufWriter,
  number: number,
  { value, depth }: { readonly value: AnyValue; readonly depth: number },
): void {
  const { valueDepthMax } = DEFAULT_OTLP_LIMITS;
  if (depth >= valueDepthMax) throw badBody(`an attribute nests deeper than ${valueDepthMax}`);
  const mark = writer.begin(number);
  if (typeof value === "string") writer.writeString(1, value);
  else if (typeof value === "boolean") writer.writeInt64(2, value ? 1 : 0);
  else if (typeof value === "bigint") writer.writeBigInt(3, value);
  else if (typeof value === "number") writeDouble(writer, 4, value);
  else if (value instanceof Uint8Array) writer.writeBytes(7, value);
  else if (value !== null) {
    const inner = writer.begin(Array.isArray(value) ? 5 : 6);
    if (Array.isArray(value))
      for (const one of value) writeValue(writer, 1, { value: one, depth: depth + 1 });
    else writeAttributes(writer, 1, { attributes: value, depth: depth + 1 });
    writer.end(inner);
  }
  writer.end(mark);
}

function writeDouble(writer: ProtobufWriter, number: number, value: number): void {
  DOUBLE[0] = value;
  writer.writeDoubleWords(number, WORDS[0]!, WORDS[1]!);
}

/** Low and high 32 bits. */
function wordsOf(value: bigint): [low: number, high: number] {
  LONG[0] = value;
  return [WORDS[0]!, WORDS[1]!];
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

const DOUBLE = new Float64Array(1);
const LONG = new BigUint64Array(DOUBLE.buffer);
const WORDS = new Uint32Array(DOUBLE.buffer);
