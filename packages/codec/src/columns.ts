/**
 * Columns of numbers as compact bytes: timestamps, sample values, log times. Each is a row count and blocks of 256 rows, each block in the
 * form that fits it. Every double comes back bit for bit, NaN payloads and -0 included. Layout: docs/format/columns.md.
 */
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CodecError } from "./errors.ts";
import { BLOCK_ROWS, INTEGER_MAX, readIntegerBlock, writeIntegerBlock } from "./integer-block.ts";
import { readXorBlock, writeXorBlock } from "./xor-block.ts";

const KIND_CONSTANT = 0;
const KIND_DECIMAL = 1;
const KIND_XOR = 2;
const KIND_OFFSETS = 3;
const KIND_RAW = 4;

/** Digits after the point that a decimal may have; powers of ten up to 10^22 are exact doubles, so division rounds correctly. */
const EXPONENT_MAX = 15;
const POWERS = Float64Array.from({ length: EXPONENT_MAX + 1 }, (_, e) => 10 ** e);

/** Rows that are no short decimals, and the share of them from which the XOR form is tried instead. */
const EXCEPTIONS_SHARE = 8;
const EXCEPTION_BYTES = 9;

const integers = new Float64Array(BLOCK_ROWS);
const exceptions = new Uint32Array(BLOCK_ROWS);

/** Unix milliseconds, or any whole numbers; regular intervals cost nearly nothing. */
export function encodeTimestamps(timestampsMs: Float64Array): Uint8Array {
  return encodeFloats(timestampsMs);
}

export function decodeTimestamps(bytes: Uint8Array): Float64Array {
  return decodeFloats(bytes);
}

/** Doubles as decimals (scaled to integers), or XORed where they are not. */
export function encodeFloats(values: Float64Array): Uint8Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
  const writer = new ByteWriter(64 + values.length * 2);
  writer.writeVarint(values.length);
  for (let from = 0; from < values.length; from += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, values.length - from);
    if (isConstant(words, from, count)) {
      writer.writeByte(KIND_CONSTANT);
      writer.writeUint32(words[2 * from]!);
      writer.writeUint32(words[2 * from + 1]!);
    } else {
      writeFloatBlock(writer, { values, words, from, count });
    }
  }
  return writer.finish();
}

interface FloatBlock {
  readonly values: Float64Array;
  readonly words: Uint32Array;
  readonly from: number;
  readonly count: number;
}

function writeFloatBlock(writer: ByteWriter, block: FloatBlock): void {
  const start = writer.length;
  const exponent = decimalExponent(block.values, block.from, block.count);
  const exceptionCount =
    exponent < 0 ? block.count : scaleToIntegers(block.values, block.from, block.count, exponent);
  const decimal = exceptionCount * EXCEPTIONS_SHARE <= block.count;
  if (decimal) writeDecimalBlock(writer, block, exponent, exceptionCount);
  const decimalBytes = writer.length - start;
  // Integers this wide are noise as likely as not: see whether XOR does better.
  if (decimal && decimalBytes < block.count * 4) return;
  writer.writeByte(KIND_XOR);
  writeXorBlock(writer, block.words, block.from, block.count);
  const xorBytes = writer.length - start - decimalBytes;
  if (!decimal) return;
  if (xorBytes < decimalBytes) writer.bytes.copyWithin(start, start + decimalBytes, writer.length);
  writer.length = start + Math.min(xorBytes, decimalBytes);
}

function isConstant(words: Uint32Array, from: number, count: number): boolean {
  const low = words[2 * from];
  const high = words[2 * from + 1];
  for (let i = from + 1; i < from + count; i++) {
    if (words[2 * i] !== low || words[2 * i + 1] !== high) return false;
  }
  return true;
}

/** The digits after the point that the values need, or -1 when too many of them are no short decimals. */
function decimalExponent(values: Float64Array, from: number, count: number): number {
  let exponent = 0;
  let failures = 0;
  for (let i = from; i < from + count; i++) {
    const value = values[i]!;
    if (isDecimal(value, exponent)) continue;
    let needed = exponent + 1;
    while (needed <= EXPONENT_MAX && !isDecimal(value, needed)) needed++;
    if (needed <= EXPONENT_MAX) exponent = needed;
    else if (++failures * EXCEPTIONS_SHARE > count) return -1;
  }
  return exponent;
}

function isDecimal(value: number, exponent: number): boolean {
  // Adding 0 makes a 0 of -0, which then differs from the value and is kept apart.
  const scaled = Math.round(value * POWERS[exponent]!) + 0;
  return Math.abs(scaled) <= INTEGER_MAX && Object.is(scaled / POWERS[exponent]!, value);
}

/** Fills `integers`, and `exceptions` with the rows that do not fit; those repeat the integer before them. Returns how many. */
function scaleToIntegers(
  values: Float64Array,
  from: number,
  count: number,
  exponent: number,
): number {
  const power = POWERS[exponent]!;
  let exceptionCount = 0;
  let last = 0;
  for (let i = 0; i < count; i++) {
    const value = values[from + i]!;
    const scaled = Math.round(value * power) + 0;
    if (Math.abs(scaled) <= INTEGER_MAX && Object.is(scaled / power, value)) last = scaled;
    else exceptions[exceptionCount++] = i;
    integers[i] = last;
  }
  // Rows before the first decimal take its value rather than 0.
  if (exceptionCount > 0 && exceptions[0] === 0) {
    let lead = 1;
    while (lead < exceptionCount && exceptions[lead] === lead) lead++;
    if (lead < count) integers.fill(integers[lead]!, 0, lead);
  }
  return exceptionCount;
}

function writeDecimalBlock(
  writer: ByteWriter,
  block: FloatBlock,
  exponent: number,
  exceptionCount: number,
): void {
  writer.writeByte(KIND_DECIMAL);
  writer.writeByte(exponent);
  writer.writeVarint(exceptionCount);
  writeIntegerBlock(writer, integers, block.count);
  for (let i = 0; i < exceptionCount; i++) {
    const row = exceptions[i]!;
    writer.writeByte(row);
    writer.writeUint32(block.words[2 * (block.from + row)]!);
    writer.writeUint32(block.words[2 * (block.from + row) + 1]!);
  }
}

/** The column that {@link encodeFloats} wrote; anything else is a CodecError, never more memory than 256 rows a byte. */
export function decodeFloats(bytes: Uint8Array): Float64Array {
  const reader = new ByteReader(bytes);
  const values = new Float64Array(readRowCount(reader));
  const words = new Uint32Array(values.buffer);
  for (let from = 0; from < values.length; from += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, values.length - from);
    const start = reader.position;
    const kind = reader.readByte();
    if (kind === KIND_CONSTANT) readConstant(reader, words, from, count);
    else if (kind === KIND_DECIMAL) readDecimalBlock(reader, values, words, { from, count });
    else if (kind === KIND_XOR) readXorBlock(reader, words, from, count);
    else throw new CodecError("malformed", start, `unknown kind ${kind} of column block`);
  }
  mustEnd(reader);
  return values;
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

function readConstant(reader: ByteReader, words: Uint32Array, from: number, count: number): void {
  const low = reader.readUint32();
  const high = reader.readUint32();
  for (let i = from; i < from + count; i++) {
    words[2 * i] = low;
    words[2 * i + 1] = high;
  }
}

function readDecimalBlock(
  reader: ByteReader,
  values: Float64Array,
  words: Uint32Array,
  rows: { readonly from: number; readonly count: number },
): void {
  const { from, count } = rows;
  const start = reader.position;
  const exponent = reader.readByte();
  const exceptionCount = reader.readVarint();
  if (exponent > EXPONENT_MAX || exceptionCount > count) {
    throw new CodecError(
      "malformed",
      start,
      `a decimal block of exponent ${exponent} with ${exceptionCount} exceptions`,
    );
  }
  readIntegerBlock(reader, values, from, count);
  const power = POWERS[exponent]!;
  if (exponent > 0) for (let i = from; i < from + count; i++) values[i] = values[i]! / power;
  const at = reader.take(exceptionCount * EXCEPTION_BYTES);
  const exceptionReader = new ByteReader(reader.bytes, at, reader.position);
  for (let i = 0; i < exceptionCount; i++) {
    const row = exceptionReader.readByte();
    if (row >= count)
      throw new CodecError(
        "malformed",
        exceptionReader.position - 1,
        `an exception in row ${row} of ${count}`,
      );
    words[2 * (from + row)] = exceptionReader.readUint32();
    words[2 * (from + row) + 1] = exceptionReader.readUint32();
  }
}

/** Signed 64-bit numbers such as Unix nanoseconds, as offsets from the first of each block; raw where they spread over more than 13 days of ns. */
export function encodeInt64Deltas(values: BigInt64Array): Uint8Array {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  const writer = new ByteWriter(64 + values.length * 4);
  writer.writeVarint(values.length);
  for (let from = 0; from < values.length; from += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, values.length - from);
    const fits = fillOffsets(words, from, count);
    writer.writeByte(fits ? KIND_OFFSETS : KIND_RAW);
    const rawRows = fits ? 1 : count;
    for (let i = 2 * from; i < 2 * (from + rawRows); i++) writer.writeUint32(words[i]!);
    if (fits) writeIntegerBlock(writer, integers, count);
  }
  return writer.finish();
}

/** Fills `integers` with the distances from the first row; false when one is beyond {@link INTEGER_MAX}. */
function fillOffsets(words: Int32Array, from: number, count: number): boolean {
  const low = words[2 * from]! >>> 0;
  const high = words[2 * from + 1]!;
  for (let i = 0; i < count; i++) {
    const offset =
      (words[2 * (from + i) + 1]! - high) * 2 ** 32 + ((words[2 * (from + i)]! >>> 0) - low);
    if (!(Math.abs(offset) <= INTEGER_MAX)) return false;
    integers[i] = offset;
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
    const kind = reader.readByte();
    if (kind === KIND_OFFSETS) {
      const low = reader.readUint32();
      const high = reader.readUint32();
      readIntegerBlock(reader, integers, 0, count);
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
    const low = base.low + integers[i]!;
    words[2 * (from + i)] = low;
    words[2 * (from + i) + 1] = base.high + Math.floor(low / 2 ** 32);
  }
}
