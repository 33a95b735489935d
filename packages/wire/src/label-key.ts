/**
 * The bytes that stand for the labels of a series in a batch: label messages as remote write 1.0 has them (`Label{1 name, 2 value}`, each under
 * field 1). Every protocol writes them so, sorted by the bytes of the names and without empty values, so that a series is found under the same
 * bytes however it came.
 */
import type { ByteWriter } from "@finch/codec";
import { ProtobufReader, WIRE_BYTES } from "@finch/codec";
import { Labels } from "@finch/model";
import { bufferOver } from "./text-bytes.ts";

const TAG_LABEL = (1 << 3) | WIRE_BYTES;
const TAG_NAME = (1 << 3) | WIRE_BYTES;
const TAG_VALUE = (2 << 3) | WIRE_BYTES;

/** A part of some bytes: `bytes[start … end)`. */
export interface ByteRange {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Appends one label. */
export function writeLabelBytes(out: ByteWriter, name: ByteRange, value: ByteRange): void {
  const nameLength = name.end - name.start;
  const valueLength = value.end - value.start;
  out.writeByte(TAG_LABEL);
  out.writeVarint(2 + varintSize(nameLength) + varintSize(valueLength) + nameLength + valueLength);
  writeField(out, TAG_NAME, name);
  writeField(out, TAG_VALUE, value);
}

/** Appends the labels of a set. */
export function writeLabelKey(out: ByteWriter, labels: Labels): void {
  for (const [name, value] of labels) {
    const nameBytes = Buffer.from(name);
    const valueBytes = Buffer.from(value);
    writeLabelBytes(
      out,
      { bytes: nameBytes, start: 0, end: nameBytes.length },
      { bytes: valueBytes, start: 0, end: valueBytes.length },
    );
  }
}

/** Reads the labels back; fields between them are passed over. */
export function readLabelKey({ bytes, start, end }: ByteRange): Labels {
  const buffer = bufferOver(bytes);
  const reader = new ProtobufReader(bytes, start, end);
  const pairs: string[] = [];
  while (reader.more()) {
    if (reader.readTag() !== TAG_LABEL) {
      reader.skip();
      continue;
    }
    const outer = reader.enter();
    let name = "";
    let value = "";
    while (reader.more()) {
      const tag = reader.readTag();
      if (tag === TAG_NAME) name = readString(reader, buffer);
      else if (tag === TAG_VALUE) value = readString(reader, buffer);
      else reader.skip();
    }
    reader.leave(outer);
    pairs.push(name, value);
  }
  return Labels.fromPairs(pairs);
}

function readString(reader: ProtobufReader, buffer: Buffer): string {
  const at = reader.readSpan();
  return buffer.toString("utf8", at, reader.position);
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest >>>= 7) size++;
  return size;
}

function writeField(out: ByteWriter, tag: number, range: ByteRange): void {
  const { bytes, start, end } = range;
  const length = end - start;
  out.writeByte(tag);
  out.writeVarint(length);
  if (length > 48) {
    out.writeBytes(bytes.subarray(start, end));
    return;
  }
  out.reserve(length);
  const target = out.bytes;
  for (let i = start, to = out.length; i < end; i++) target[to++] = bytes[i]!;
  out.length += length;
}
