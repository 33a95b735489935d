/** Parts that several messages of the protobuf exposition format share: texts, labels, exemplars. */
import { WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT, type ProtobufReader } from "@finch/codec";

export interface ClientExemplar {
  readonly pairs: readonly string[];
  readonly value: number;
  readonly timestampMs: number | undefined;
}

/** The text of the field the last tag announced. */
export function readText(reader: ProtobufReader): string {
  reader.expect(WIRE_BYTES);
  const bytes = reader.readBytes();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

/** `LabelPair{1 name, 2 value}`. */
export function readLabel(reader: ProtobufReader, pairs: string[]): void {
  reader.expect(WIRE_BYTES);
  const outer = reader.enter();
  let name = "";
  let value = "";
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) name = readText(reader);
    else if (reader.field === 2) value = readText(reader);
    else reader.skip();
  }
  reader.leave(outer);
  pairs.push(name, value);
}

/** `Exemplar{1 label, 2 value, 3 Timestamp{1 seconds, 2 nanos}}`. */
export function readClientExemplar(reader: ProtobufReader): ClientExemplar {
  const outer = reader.enter();
  const pairs: string[] = [];
  let value = 0;
  let timestampMs: number | undefined;
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) readLabel(reader, pairs);
    else if (reader.field === 2 && reader.wireType === WIRE_FIXED64) value = reader.readDouble();
    else if (reader.field === 3 && reader.wireType === WIRE_BYTES)
      timestampMs = readTimestamp(reader);
    else reader.skip();
  }
  reader.leave(outer);
  return { pairs, value, timestampMs };
}

/** Milliseconds; `Timestamp{1 seconds, 2 nanos}`. */
function readTimestamp(reader: ProtobufReader): number {
  const outer = reader.enter();
  let ms = 0;
  while (reader.more()) {
    reader.readTag();
    if (reader.wireType !== WIRE_VARINT) reader.skip();
    else if (reader.field === 1) ms += reader.readInt64() * 1000;
    else if (reader.field === 2) ms += Math.floor(reader.readVarint32() / 1e6);
    else reader.skip();
  }
  reader.leave(outer);
  return ms;
}
