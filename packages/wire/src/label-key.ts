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

/** Appends one label whose name and value stand in `bytes`. */
export function writeLabelBytes(
  out: ByteWriter,
  bytes: Uint8Array,
  at: {
    readonly nameStart: number;
    readonly nameEnd: number;
    readonly valueStart: number;
    readonly valueEnd: number;
  },
): void {
  const nameLength = at.nameEnd - at.nameStart;
  const valueLength = at.valueEnd - at.valueStart;
  beginLabel(out, nameLength, valueLength);
  writeFieldHead(out, TAG_NAME, nameLength);
  copyBytes(out, bytes, at.nameStart, at.nameEnd);
  writeFieldHead(out, TAG_VALUE, valueLength);
  copyBytes(out, bytes, at.valueStart, at.valueEnd);
}

/** Appends the labels of a set. */
export function writeLabelKey(out: ByteWriter, labels: Labels): void {
  const { pairs } = labels;
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i]!;
    const value = pairs[i + 1]!;
    const nameLength = utf8Length(name);
    const valueLength = utf8Length(value);
    beginLabel(out, nameLength, valueLength);
    writeFieldHead(out, TAG_NAME, nameLength);
    writeText(out, name, nameLength);
    writeFieldHead(out, TAG_VALUE, valueLength);
    writeText(out, value, valueLength);
  }
}

/** Bytes of the text; most texts are short and ASCII, which is not worth a call out of JavaScript. */
function utf8Length(text: string): number {
  if (text.length > 64) return Buffer.byteLength(text);
  for (let i = 0; i < text.length; i++)
    if (text.charCodeAt(i) >= 0x80) return Buffer.byteLength(text);
  return text.length;
}

function writeText(out: ByteWriter, text: string, byteLength: number): void {
  out.reserve(byteLength);
  const { bytes } = out;
  let to = out.length;
  if (byteLength === text.length && byteLength <= 64)
    for (let i = 0; i < byteLength; i++) bytes[to++] = text.charCodeAt(i);
  else ENCODER.encodeInto(text, bytes.subarray(to));
  out.length += byteLength;
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

function beginLabel(out: ByteWriter, nameLength: number, valueLength: number): void {
  out.writeByte(TAG_LABEL);
  out.writeVarint(2 + varintSize(nameLength) + varintSize(valueLength) + nameLength + valueLength);
}

function writeFieldHead(out: ByteWriter, tag: number, length: number): void {
  out.writeByte(tag);
  out.writeVarint(length);
}

function copyBytes(out: ByteWriter, bytes: Uint8Array, start: number, end: number): void {
  out.reserve(end - start);
  const target = out.bytes;
  let to = out.length;
  if (end - start > 48) target.set(bytes.subarray(start, end), to);
  else for (let i = start; i < end; i++) target[to++] = bytes[i]!;
  out.length += end - start;
}

const ENCODER = new TextEncoder();
