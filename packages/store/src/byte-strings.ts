/** Strings and byte runs with a varint length before them, and doubles, as our records and indexes hold them. */
import { ByteWriter, CodecError } from "@finch/codec";
import type { ByteReader } from "@finch/codec";
import { Labels } from "@finch/model";
import { growUint32 } from "./number-columns.ts";

const encoder = new TextEncoder();
// A byte order mark is text like any other.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Longer strings have a longer varint, and are left to the encoder. */
const SHORT_MAX = 127;

export function writeString(writer: ByteWriter, text: string): void {
  if (text.length <= SHORT_MAX && writeAscii(writer, text)) return;
  const bytes = encoder.encode(text);
  writer.writeVarint(bytes.length);
  writer.writeBytes(bytes);
}

/** Names are short, and most are ASCII: an array for each would cost more than its bytes. Answers false, with nothing written, when it is not. */
function writeAscii(writer: ByteWriter, text: string): boolean {
  writer.reserve(1 + text.length);
  const { bytes, length } = writer;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return false;
    bytes[length + 1 + i] = code;
  }
  bytes[length] = text.length;
  writer.length = length + 1 + text.length;
  return true;
}

export function readString(reader: ByteReader): string {
  return decoder.decode(readBytes(reader, reader.readVarint()));
}

/** A view of the next `count` bytes. */
export function readBytes(reader: ByteReader, count: number): Uint8Array {
  const start = reader.take(count);
  return reader.bytes.subarray(start, start + count);
}

export function writeLabels(writer: ByteWriter, labels: Labels): void {
  writer.writeVarint(labels.size);
  for (const text of labels.pairs) writeString(writer, text);
}

/** Labels keep the empty values they were written with. */
export function readLabels(reader: ByteReader): Labels {
  const size = reader.readVarint();
  if (size > reader.bytes.length)
    throw new CodecError("malformed", reader.position, `a label set of ${size} labels`);
  const pairs: string[] = [];
  for (let i = 0; i < 2 * size; i++) pairs.push(readString(reader));
  return Labels.raw(pairs);
}

const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);

/** Which NaN it is may be lost; columns of values are copied as bytes instead. */
export function writeDouble(writer: ByteWriter, value: number): void {
  double[0] = value;
  writer.writeUint32(doubleWords[0]!);
  writer.writeUint32(doubleWords[1]!);
}

export function readDouble(reader: ByteReader): number {
  doubleWords[0] = reader.readUint32();
  doubleWords[1] = reader.readUint32();
  return double[0]!;
}

/** Byte runs behind each other in one memory: an array of arrays takes a hundred bytes for each. */
export class ByteRuns {
  #count = 0;
  readonly #bytes = new ByteWriter(4096);
  /** Run `i` ends before byte `#ends[i]`. */
  #ends = new Uint32Array(64) as Uint32Array;

  add(bytes: Uint8Array): void {
    this.#bytes.writeBytes(bytes);
    this.#ends = growUint32(this.#ends, this.#count + 1);
    this.#ends[this.#count++] = this.#bytes.length;
  }

  /** A view of run `at`, until the next is added. */
  get(at: number): Uint8Array {
    return this.#bytes.bytes.subarray(at === 0 ? 0 : this.#ends[at - 1], this.#ends[at]);
  }
}
