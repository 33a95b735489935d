/**
 * Reads the trees of `otlp-tree.ts` from protobuf by the tables of `otlp-tables.ts`, or only looks a request over: whether it is well formed, and
 * how many spans, data points or log records it has. `otlp-tree-encoder.ts` writes them.
 */
import { ProtobufReader, WIRE_BYTES, WIRE_FIXED32, WIRE_FIXED64, WIRE_VARINT } from "@finch/codec";
import { badBody, translateCodecErrors } from "./errors.ts";
import type { OtlpLimits } from "./otlp-limits.ts";
import { startReading, readText, readDouble } from "./otlp-protobuf.ts";
import type { OtlpReading } from "./otlp-protobuf.ts";
import { OTLP_REQUESTS } from "./otlp-tables.ts";
import type { Field, FieldKind, MessageTable } from "./otlp-tables.ts";
import type { AnyValue, Attributes, OtlpSignal, OtlpTrees } from "./otlp-tree.ts";

/** A message while it is read or written by its table. */
export type TreeNode = Record<string, unknown>;

/** The request as a tree that the caller owns. Throws a FinchError `invalid` that names the byte, or `too-large`. */
export function decodeOtlpTree<Signal extends OtlpSignal>(
  signal: Signal,
  body: Uint8Array,
  limits: OtlpLimits,
): OtlpTrees[Signal] {
  const root = emptyMessage(OTLP_REQUESTS[signal]);
  readRequest(signal, body, { limits, root });
  return root as unknown as OtlpTrees[Signal];
}

/** Looks a request over without making anything of it: its number of spans, data points or log records. Throws as {@link decodeOtlpTree}. */
export function checkOtlpRequest(
  signal: OtlpSignal,
  body: Uint8Array,
  limits: OtlpLimits,
): { readonly items: number } {
  return { items: readRequest(signal, body, { limits, root: undefined }) };
}

function readRequest(
  signal: OtlpSignal,
  body: Uint8Array,
  { limits, root }: { readonly limits: OtlpLimits; readonly root: TreeNode | undefined },
): number {
  return translateCodecErrors(`cannot read the OTLP ${signal}`, () => {
    const walk = new TreeReader(startReading(new ProtobufReader(body), limits));
    walk.fields(OTLP_REQUESTS[signal], root);
    return walk.items;
  });
}

/** A message with the defaults of all its fields. */
export function emptyMessage(table: MessageTable): TreeNode {
  const node: TreeNode = {};
  for (const field of table.fields) node[field.name] = defaultOf(field);
  return node;
}

function defaultOf(field: Field): unknown {
  if (field.isRepeated) return [];
  if (field.isOptional) return undefined;
  switch (field.kind) {
    case "string":
      return "";
    case "id":
      return NO_BYTES;
    case "bool":
      return false;
    case "fixed64":
    case "sfixed64":
    case "uint64":
      return 0n;
    case "value":
      return null;
    case "attributes":
      return new Map();
    case "message":
      return emptyMessage(field.message!);
    default:
      return 0;
  }
}

export const NO_BYTES = new Uint8Array(0);

const WIRE_TYPES: Readonly<Record<FieldKind, number>> = {
  string: WIRE_BYTES,
  id: WIRE_BYTES,
  bool: WIRE_VARINT,
  double: WIRE_FIXED64,
  fixed64: WIRE_FIXED64,
  sfixed64: WIRE_FIXED64,
  uint64: WIRE_VARINT,
  uint32: WIRE_VARINT,
  fixed32: WIRE_FIXED32,
  sint32: WIRE_VARINT,
  enum: WIRE_VARINT,
  value: WIRE_BYTES,
  attributes: WIRE_BYTES,
  message: WIRE_BYTES,
};

/** Reads messages into nodes; without a node it only checks. */
class TreeReader {
  items = 0;
  readonly #reading: OtlpReading;
  readonly #reader: ProtobufReader;

  constructor(reading: OtlpReading) {
    this.#reading = reading;
    this.#reader = reading.reader;
  }

  /** The fields of the message around the reader. */
  fields(table: MessageTable, into: TreeNode | undefined): void {
    const reader = this.#reader;
    while (reader.more()) {
      reader.readTag();
      const field = table.byNumber.get(reader.field);
      if (field === undefined) reader.skip();
      else if (field.isRepeated) this.#repeated(field, into);
      else this.#single(field, into);
    }
  }

  #nested(table: MessageTable, into: TreeNode | undefined): void {
    this.#reading.budget.take(1);
    if (table.isItem) this.items++;
    this.#reader.expect(WIRE_BYTES);
    const outer = this.#reader.enter();
    this.fields(table, into);
    this.#reader.leave(outer);
  }

  #single(field: Field, into: TreeNode | undefined): void {
    if (field.kind === "attributes")
      return this.#keyValue(into?.[field.name] as Attributes | undefined, 0);
    if (field.kind === "message") return this.#singleMessage(field, into);
    const value = this.#scalar(field);
    if (into === undefined) return;
    clearGroup(field, into);
    into[field.name] = value;
  }

  /** A message sent twice is merged, as in protobuf; of a group the last one counts. */
  #singleMessage(field: Field, into: TreeNode | undefined): void {
    if (into === undefined) return this.#nested(field.message!, undefined);
    const known = into[field.name] as TreeNode | undefined;
    clearGroup(field, into);
    const node = known ?? emptyMessage(field.message!);
    into[field.name] = node;
    this.#nested(field.message!, node);
  }

  #repeated(field: Field, into: TreeNode | undefined): void {
    const list = into?.[field.name] as unknown[] | undefined;
    if (field.kind === "message") {
      const node = list === undefined ? undefined : emptyMessage(field.message!);
      list?.push(node);
      return this.#nested(field.message!, node);
    }
    const reader = this.#reader;
    if (field.kind === "string" || reader.wireType !== WIRE_BYTES) {
      this.#reading.budget.take(1);
      const value = this.#scalar(field);
      list?.push(value);
      return;
    }
    const outer = reader.enter();
    reader.wireType = WIRE_TYPES[field.kind];
    while (reader.more()) {
      this.#reading.budget.take(1);
      const value = this.#scalar(field);
      list?.push(value);
    }
    reader.leave(outer);
  }

  #scalar({ kind }: Field): unknown {
    const reader = this.#reader;
    if (kind === "string") return readText(this.#reading);
    if (kind === "value") return this.#value(0, true);
    reader.expect(WIRE_TYPES[kind]);
    switch (kind) {
      case "id":
        return new Uint8Array(reader.readBytes());
      case "bool":
        reader.readVarint64();
        return reader.low !== 0 || reader.high !== 0;
      case "double":
        return readDouble(this.#reading);
      case "fixed64":
        return this.#fixed64();
      case "sfixed64":
        return BigInt.asIntN(64, this.#fixed64());
      case "uint64":
        return reader.readBigInt(false);
      case "uint32":
        return reader.readVarint32();
      case "fixed32":
        return reader.readFixed32();
      case "sint32":
        return reader.readSint64() | 0;
      default:
        return reader.readVarint32() | 0;
    }
  }

  #fixed64(): bigint {
    const low = this.#reader.readFixed32();
    return (BigInt(this.#reader.readFixed32()) << 32n) | BigInt(low);
  }

  #keyValue(into: Attributes | undefined, depth: number): void {
    const reader = this.#reader;
    this.#reading.budget.take(1);
    reader.expect(WIRE_BYTES);
    const outer = reader.enter();
    let key = "";
    let value: AnyValue = null;
    while (reader.more()) {
      reader.readTag();
      if (reader.field === 1) key = readText(this.#reading);
      else if (reader.field === 2) value = this.#value(depth, into !== undefined);
      else reader.skip();
    }
    reader.leave(outer);
    into?.set(key, value);
  }

  /** An `AnyValue`, `depth` values deep in others; of its `oneof` the last one counts. */
  #value(depth: number, isKept: boolean): AnyValue {
    const reader = this.#reader;
    this.#checkDepth(depth);
    this.#reading.budget.take(1);
    reader.expect(WIRE_BYTES);
    const outer = reader.enter();
    let value: AnyValue = null;
    while (reader.more()) {
      reader.readTag();
      switch (reader.field) {
        case 1:
          value = readText(this.#reading);
          break;
        case 2:
          reader.expect(WIRE_VARINT);
          value = reader.readVarint32() !== 0;
          break;
        case 3:
          reader.expect(WIRE_VARINT);
          value = reader.readBigInt(true);
          break;
        case 4:
          reader.expect(WIRE_FIXED64);
          value = reader.readDouble();
          break;
        case 5:
          value = this.#array(depth, isKept);
          break;
        case 6:
          value = this.#map(depth, isKept);
          break;
        case 7:
          reader.expect(WIRE_BYTES);
          value = new Uint8Array(reader.readBytes());
          break;
        default:
          reader.skip();
      }
    }
    reader.leave(outer);
    return value;
  }

  #array(depth: number, isKept: boolean): AnyValue {
    const list: AnyValue[] = [];
    this.#values(() => {
      const value = this.#value(depth + 1, isKept);
      if (isKept) list.push(value);
    });
    return list;
  }

  #map(depth: number, isKept: boolean): AnyValue {
    const map = new Map<string, AnyValue>();
    this.#values(() => this.#keyValue(isKept ? map : undefined, depth + 1));
    return map;
  }

  /** `ArrayValue` and `KeyValueList`: one repeated field. */
  #values(readOne: () => void): void {
    const reader = this.#reader;
    reader.expect(WIRE_BYTES);
    const outer = reader.enter();
    while (reader.more()) {
      reader.readTag();
      if (reader.field === 1) readOne();
      else reader.skip();
    }
    reader.leave(outer);
  }

  #checkDepth(depth: number): void {
    const { valueDepthMax } = this.#reading.limits;
    if (depth >= valueDepthMax)
      throw badBody(
        `an attribute at byte ${this.#reader.position} nests deeper than ${valueDepthMax}`,
      );
  }
}

/** Another field of its `oneof` was set before: the last one counts. */
export function clearGroup(field: Field, into: TreeNode): void {
  for (const name of field.group ?? []) if (name !== field.name) into[name] = undefined;
}
