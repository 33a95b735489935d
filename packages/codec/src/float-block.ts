/**
 * Up to 512 doubles in few bytes, bit for bit: a constant, whole numbers over a power of ten or of two, or XORed with the row before.
 * The twin of the kernel `asm/float-block.ts`, which reads the same bytes. Layout: docs/format/columns.md.
 */
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { CodecError } from "./errors.ts";
import {
  BLOCK_ROWS,
  INTEGER_MAX,
  planIntegers,
  readIntegers,
  writeIntegers,
} from "./integer-block.ts";
import type { IntegerPlan } from "./integer-block.ts";

/** The low three bits of a block's first byte. */
const KIND_MASK = 7;
const KIND_CONSTANT = 0;
const KIND_SCALED_CONSTANT = 1;
const KIND_SCALED = 2;
const KIND_XOR = 3;
const FLAG_PATCHES = 64;

/** Scales below this are powers of ten, exact doubles, so that a division rounds correctly; the others are powers of two. */
const DECIMAL_SCALES = 16;
const SCALES = 256;
const FACTORS = Float64Array.from({ length: SCALES }, (_, scale) =>
  scale < DECIMAL_SCALES ? 10 ** scale : 2 ** (scale - DECIMAL_SCALES + 1),
);

/** One row in this many may be no such number and is kept apart. */
const PATCH_SHARE = 8;
const PATCH_BYTES = 10;

const integers = new Float64Array(BLOCK_ROWS);
const patches = new Uint32Array(BLOCK_ROWS);

/** Columns with their 32-bit words, low first, over the same memory. */
export interface Doubles {
  readonly values: Float64Array;
  readonly words: Uint32Array;
}

/** Divisors by scale, for the kernel. */
export function scaleFactors(): Float64Array {
  return FACTORS.slice();
}

/** Appends the block of rows `from … from + count`; `count` is from 1 to {@link BLOCK_ROWS}. */
export function writeFloatBlock(
  writer: ByteWriter,
  column: Doubles,
  from: number,
  count: number,
): void {
  if (isConstant(column.words, from, count)) {
    writeConstant(writer, column, from);
    return;
  }
  const scale = findScale(column, from, count);
  const plan = scale < 0 ? undefined : planIntegers(integers, count);
  const scaledBytes = plan === undefined ? Infinity : 2 + plan.bytes + patchCount * PATCH_BYTES;
  // Integers this wide are noise as likely as not: see whether XOR does better.
  if (scaledBytes < count * 3 || scaledBytes < xorBytes(column.words, from, count))
    writeScaled(writer, column, { from, count, scale }, plan!);
  else writeXor(writer, column.words, from, count);
}

function isConstant(words: Uint32Array, from: number, count: number): boolean {
  const low = words[2 * from];
  const high = words[2 * from + 1];
  for (let i = from + 1; i < from + count; i++)
    if (words[2 * i] !== low || words[2 * i + 1] !== high) return false;
  return true;
}

function writeConstant(writer: ByteWriter, { values, words }: Doubles, from: number): void {
  const value = values[from]!;
  for (let scale = 0; scale < DECIMAL_SCALES; scale++) {
    const scaled = scaleOf(value, FACTORS[scale]!);
    if (Number.isNaN(scaled)) continue;
    // Longer than the double itself.
    if (Math.abs(scaled) > 2 ** 40) break;
    writer.writeByte(KIND_SCALED_CONSTANT);
    writer.writeByte(scale);
    writer.writeZigzag(scaled);
    return;
  }
  writer.writeByte(KIND_CONSTANT);
  writer.writeUint32(words[2 * from]!);
  writer.writeUint32(words[2 * from + 1]!);
}

/** `value * factor` when that is whole and leads back to the very same double, else NaN. */
function scaleOf(value: number, factor: number): number {
  // Adding 0 makes a 0 of -0, which then differs from the value and is kept apart.
  const scaled = roundToEven(value * factor) + 0;
  return Math.abs(scaled) <= INTEGER_MAX && Object.is(scaled / factor, value) ? scaled : Number.NaN;
}

/** As IEEE 754 rounds, and the kernel: from 2^51 on a product may be a half off, and the even neighbour leads back more often. */
function roundToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** How many of `patches` the last {@link fillIntegers} filled. */
let patchCount = 0;

/**
 * The smallest scale with which most rows are whole numbers, or -1; fills `integers`, and `patches` with the rows that are none. Decimals come
 * first: what people measure has few digits. Sums of such numbers have all bits, and are whole over a power of two.
 */
function findScale(column: Doubles, from: number, count: number): number {
  let fewest = Math.floor(count / PATCH_SHARE) + 1;
  let found = -1;
  for (let scale = 0; scale < DECIMAL_SCALES && fewest > 0; scale++) {
    const failures = countFailures(column.values, from, count, FACTORS[scale]!, fewest);
    if (failures >= fewest) continue;
    fewest = failures;
    found = scale;
  }
  if (found < 0) found = binaryScale(column.words, from, count);
  if (found >= 0) fillIntegers(column.values, from, count, FACTORS[found]!);
  return found >= 0 && patchCount * PATCH_SHARE <= count ? found : -1;
}

/** Rows that are no whole numbers, counted up to `limit`. */
function countFailures(
  values: Float64Array,
  from: number,
  count: number,
  factor: number,
  limit: number,
): number {
  let failures = 0;
  for (let i = from; i < from + count && failures < limit; i++)
    if (Number.isNaN(scaleOf(values[i]!, factor))) failures++;
  return failures;
}

/** The power of two that makes every finite row whole, or -1. */
function binaryScale(words: Uint32Array, from: number, count: number): number {
  let digits = 1;
  for (let i = from; i < from + count; i++) {
    const low = words[2 * i]!;
    const high = words[2 * i + 1]! & 0xfffff;
    const exponent = (words[2 * i + 1]! >>> 20) & 0x7ff;
    if (exponent === 0x7ff || (exponent === 0 && low === 0 && high === 0)) continue;
    const trailing = low !== 0 ? trailingZeros(low) : high !== 0 ? 32 + trailingZeros(high) : 52;
    digits = Math.max(digits, 1075 - exponent - trailing);
  }
  const scale = DECIMAL_SCALES - 1 + digits;
  return scale < SCALES ? scale : -1;
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/** Rows that are no whole number repeat the one before. */
function fillIntegers(values: Float64Array, from: number, count: number, factor: number): void {
  patchCount = 0;
  let last = 0;
  for (let i = 0; i < count; i++) {
    const scaled = scaleOf(values[from + i]!, factor);
    if (Number.isNaN(scaled)) patches[patchCount++] = i;
    else last = scaled;
    integers[i] = last;
  }
  if (patchCount === 0 || patches[0] !== 0) return;
  // Rows before the first whole number take its value rather than 0.
  let lead = 1;
  while (lead < patchCount && patches[lead] === lead) lead++;
  if (lead < count) integers.fill(integers[lead]!, 0, lead);
}

function writeScaled(
  writer: ByteWriter,
  { words }: Doubles,
  block: { readonly from: number; readonly count: number; readonly scale: number },
  plan: IntegerPlan,
): void {
  writer.writeByte(KIND_SCALED | plan.flags | (patchCount > 0 ? FLAG_PATCHES : 0));
  writer.writeByte(block.scale);
  writeIntegers(writer, integers, block.count, plan);
  if (patchCount === 0) return;
  writer.writeVarint(patchCount);
  for (let i = 0; i < patchCount; i++) {
    const row = patches[i]!;
    writer.writeVarint(row - (patches[i - 1] ?? 0));
    writer.writeUint32(words[2 * (block.from + row)]!);
    writer.writeUint32(words[2 * (block.from + row) + 1]!);
  }
}

/** Bytes that differ between neighbours, counted from the low end. */
function xorWidth(words: Uint32Array, from: number, count: number): number {
  let low = 0;
  let high = 0;
  for (let i = from + 1; i < from + count; i++) {
    low |= words[2 * i]! ^ words[2 * i - 2]!;
    high |= words[2 * i + 1]! ^ words[2 * i - 1]!;
  }
  const bits = high === 0 ? 32 - Math.clz32(low) : 64 - Math.clz32(high);
  return Math.ceil(bits / 8);
}

function xorBytes(words: Uint32Array, from: number, count: number): number {
  let changes = 0;
  for (let i = from + 1; i < from + count; i++)
    if (words[2 * i] !== words[2 * i - 2] || words[2 * i + 1] !== words[2 * i - 1]) changes++;
  return 10 + Math.ceil(count / 8) + changes * xorWidth(words, from, count);
}

function writeXor(writer: ByteWriter, words: Uint32Array, from: number, count: number): void {
  const width = xorWidth(words, from, count);
  const mapBytes = Math.ceil(count / 8);
  writer.writeByte(KIND_XOR);
  writer.writeByte(width);
  writer.writeUint32(words[2 * from]!);
  writer.writeUint32(words[2 * from + 1]!);
  writer.reserve(mapBytes + count * 8);
  const map = writer.length;
  writer.bytes.fill(0, map, map + mapBytes);
  writer.length += mapBytes;
  for (let i = 1; i < count; i++) {
    const row = 2 * (from + i);
    const low = words[row]! ^ words[row - 2]!;
    const high = words[row + 1]! ^ words[row - 1]!;
    if (low === 0 && high === 0) continue;
    writer.bytes[map + (i >>> 3)]! |= 1 << (i & 7);
    for (let byte = 0; byte < width; byte++)
      writer.bytes[writer.length++] = byte < 4 ? low >>> (8 * byte) : high >>> (8 * byte - 32);
  }
}

/** Reads a block into rows `from … from + count`; anything but what {@link writeFloatBlock} wrote is a CodecError or other doubles. */
export function readFloatBlock(
  reader: ByteReader,
  column: Doubles,
  from: number,
  count: number,
): void {
  const start = reader.position;
  const tag = reader.readByte();
  const kind = tag & KIND_MASK;
  const { values, words } = column;
  if (kind === KIND_CONSTANT) {
    const low = reader.readUint32();
    const high = reader.readUint32();
    for (let i = from; i < from + count; i++) {
      words[2 * i] = low;
      words[2 * i + 1] = high;
    }
  } else if (kind === KIND_SCALED_CONSTANT) {
    const factor = FACTORS[reader.readByte()]!;
    values.fill(reader.readZigzag() / factor, from, from + count);
  } else if (kind === KIND_SCALED) {
    const factor = FACTORS[reader.readByte()]!;
    readIntegers(reader, tag, values, { from, count });
    if (factor !== 1) for (let i = from; i < from + count; i++) values[i] = values[i]! / factor;
    if ((tag & FLAG_PATCHES) !== 0) readPatches(reader, words, from, count);
  } else if (kind === KIND_XOR) {
    readXor(reader, words, from, count);
  } else {
    throw new CodecError("malformed", start, `unknown kind ${kind} of column block`);
  }
}

function readPatches(reader: ByteReader, words: Uint32Array, from: number, count: number): void {
  let row = 0;
  for (let left = reader.readVarint(); left > 0; left--) {
    const at = reader.position;
    row += reader.readVarint();
    if (row >= count) throw new CodecError("malformed", at, `a patch of row ${row} of ${count}`);
    words[2 * (from + row)] = reader.readUint32();
    words[2 * (from + row) + 1] = reader.readUint32();
  }
}

function readXor(reader: ByteReader, words: Uint32Array, from: number, count: number): void {
  const start = reader.position;
  const width = reader.readByte();
  if (width > 8) throw new CodecError("malformed", start, `XOR results of ${width} bytes`);
  let low = reader.readUint32();
  let high = reader.readUint32();
  const map = reader.take(Math.ceil(count / 8));
  words[2 * from] = low;
  words[2 * from + 1] = high;
  for (let i = 1; i < count; i++) {
    if ((reader.bytes[map + (i >>> 3)]! & (1 << (i & 7))) !== 0) {
      const at = reader.take(width);
      for (let byte = 0; byte < width; byte++) {
        if (byte < 4) low ^= reader.bytes[at + byte]! << (8 * byte);
        else high ^= reader.bytes[at + byte]! << (8 * byte - 32);
      }
    }
    words[2 * (from + i)] = low;
    words[2 * (from + i) + 1] = high;
  }
}
