/**
 * Columns of numbers as compact bytes: timestamps, sample values, log times. Each is a row count and blocks of 512 rows, each block in the
 * form that fits it. Every double comes back bit for bit, NaN payloads and -0 included. Layout: docs/format/columns.md.
 */
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CodecError } from "./errors.ts";
import { readFloatBlock, writeFloatBlock } from "./float-block.ts";
import type { Doubles } from "./float-block.ts";
import { BLOCK_ROWS, planIntegers, readIntegers, writeIntegers } from "./integer-block.ts";

/** Kinds of blocks of 64-bit integers. */
const KIND_OFFSETS = 0;
const KIND_RAW = 1;

/** Largest distance from the first row of a block: their sum with 32 bits stays exact. */
const OFFSET_MAX = 2 ** 52;

const offsets = new Float64Array(BLOCK_ROWS);

/** Unix milliseconds, or any whole numbers; regular intervals cost nearly nothing. */
export function encodeTimestamps(timestampsMs: Float64Array): Uint8Array {
  return encodeFloats(timestampsMs);
}

export function decodeTimestamps(bytes: Uint8Array): Float64Array {
  return decodeFloats(bytes);
}

/** Doubles as decimals (scaled to integers), or XORed where they are not. */
export function encodeFloats(values: Float64Array): Uint8Array {
  const column = doublesOf(values);
  const writer = new ByteWriter(64 + values.length * 2);
  writer.writeVarint(values.length);
  for (let from = 0; from < values.length; from += BLOCK_ROWS)
    writeFloatBlock(writer, column, from, Math.min(BLOCK_ROWS, values.length - from));
  return writer.finish();
}

/** The column that {@link encodeFloats} wrote; anything else is a CodecError, never more memory than 512 rows a byte. */
export function decodeFloats(bytes: Uint8Array): Float64Array {
  const reader = new ByteReader(bytes);
  const values = new Float64Array(readRowCount(reader));
  const column = doublesOf(values);
  for (let from = 0; from < values.length; from += BLOCK_ROWS)
    readFloatBlock(reader, column, from, Math.min(BLOCK_ROWS, values.length - from));
  mustEnd(reader);
  return values;
}

function doublesOf(values: Float64Array): Doubles {
  return { values, words: new Uint32Array(values.buffer, values.byteOffset, values.length * 2) };
}

function readRowCount(reader: ByteReader): number {
  const count = reader.readVarint();
  if (count > reader.bytes.length * BLOCK_ROWS) {
    throw new CodecError(
      "malformed",
      0,
      `a column of ${count} rows in ${reader.bytes.length} bytes`,
    );
  }
  return count;
}

function mustEnd(reader: ByteReader): void {
  if (reader.position !== reader.end)
    throw new CodecError("malformed", reader.position, "bytes behind the last column block");
}

/** Signed 64-bit numbers such as Unix nanoseconds, as offsets from the first of each block; raw where they spread over more than 52 days of ns. */
export function encodeInt64Deltas(values: BigInt64Array): Uint8Array {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  const writer = new ByteWriter(64 + values.length * 4);
  writer.writeVarint(values.length);
  for (let from = 0; from < values.length; from += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, values.length - from);
    const plan = fillOffsets(words, from, count) ? planIntegers(offsets, count) : undefined;
    writer.writeByte(plan === undefined ? KIND_RAW : KIND_OFFSETS | plan.flags);
    const rawRows = plan === undefined ? count : 1;
    for (let i = 2 * from; i < 2 * (from + rawRows); i++) writer.writeUint32(words[i]!);
    if (plan !== undefined) writeIntegers(writer, offsets, count, plan);
  }
  return writer.finish();
}

/** Fills `offsets` with the distances from the first row; false when one is beyond {@link OFFSET_MAX}. */
function fillOffsets(words: Int32Array, from: number, count: number): boolean {
  const low = words[2 * from]! >>> 0;
  const high = words[2 * from + 1]!;
  for (let i = 0; i < count; i++) {
    const offset =
      (words[2 * (from + i) + 1]! - high) * 2 ** 32 + ((words[2 * (from + i)]! >>> 0) - low);
    if (!(Math.abs(offset) <= OFFSET_MAX)) return false;
    offsets[i] = offset;
  }
  return true;
}

/** The column that {@link encodeInt64Deltas} wrote; anything else is a CodecError. */
export function decodeInt64Deltas(bytes: Uint8Array): BigInt64Array {
  const reader = new ByteReader(bytes);
  const values = new BigInt64Array(readRowCount(reader));
  const words = new Uint32Array(values.buffer);
  for (let from = 0; from < values.length; from += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, values.length - from);
    const start = reader.position;
    const tag = reader.readByte();
    const kind = tag & 7;
    if (kind === KIND_OFFSETS) {
      const low = reader.readUint32();
      const high = reader.readUint32();
      readIntegers(reader, tag, offsets, { from: 0, count });
      addOffsets(words, from, count, { low, high });
    } else if (kind === KIND_RAW) {
      for (let i = 2 * from; i < 2 * (from + count); i++) words[i] = reader.readUint32();
    } else {
      throw new CodecError("malformed", start, `unknown kind ${kind} of column block`);
    }
  }
  mustEnd(reader);
  return values;
}

function addOffsets(
  words: Uint32Array,
  from: number,
  count: number,
  base: { readonly low: number; readonly high: number },
): void {
  for (let i = 0; i < count; i++) {
    const low = base.low + offsets[i]!;
    words[2 * (from + i)] = low;
    words[2 * (from + i) + 1] = base.high + Math.floor(low / 2 ** 32);
  }
}
