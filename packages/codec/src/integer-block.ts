/**
 * A block of up to 256 whole numbers: themselves, their differences or the differences of those (whichever is narrowest), less the smallest,
 * divided by the greatest common divisor, bit-packed. Layout: docs/format/columns.md.
 */
import { bitWidth, packBits, packedBytes, unpackBits } from "./bit-packing.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { CodecError } from "./errors.ts";

/** Rows of a block; an outlier costs width in its own block only. */
export const BLOCK_ROWS = 256;

/** Largest magnitude: second differences then stay below 2^52, so every step is exact in a double. */
export const INTEGER_MAX = 2 ** 50;

const WIDTH_MAX = 53;

const scratch = new Float64Array(BLOCK_ROWS);
const best = new Float64Array(BLOCK_ROWS);

interface Shape {
  base: number;
  divisor: number;
  width: number;
}

/** Writes `values[0 … count)`, whole numbers of at most {@link INTEGER_MAX} in magnitude; `count` is from 1 to {@link BLOCK_ROWS}. */
export function writeIntegerBlock(writer: ByteWriter, values: Float64Array, count: number): void {
  let order = 0;
  let chosen = measure(values, 0, count);
  best.set(values.subarray(0, count));
  scratch.set(values.subarray(0, count));
  for (let next = 1; next <= 2 && next < count; next++) {
    for (let i = count - 1; i >= next; i--) scratch[i] = scratch[i]! - scratch[i - 1]!;
    const shape = measure(scratch, next, count);
    if (shape.width < chosen.width) {
      chosen = shape;
      order = next;
      best.set(scratch.subarray(0, count));
    }
  }
  writer.writeByte(order);
  writer.writeByte(chosen.width);
  for (let i = 0; i < order; i++) writer.writeZigzag(best[i]!);
  writer.writeZigzag(chosen.base);
  writer.writeVarint(chosen.divisor);
  for (let i = order; i < count; i++) best[i] = (best[i]! - chosen.base) / chosen.divisor;
  const size = packedBytes(count - order, chosen.width);
  writer.reserve(size);
  writer.bytes.fill(0, writer.length, writer.length + size);
  packBits(writer.bytes, writer.length, {
    values: best,
    from: order,
    count: count - order,
    width: chosen.width,
  });
  writer.length += size;
}

function measure(values: Float64Array, from: number, count: number): Shape {
  let minimum = values[from]!;
  let maximum = minimum;
  for (let i = from + 1; i < count; i++) {
    const value = values[i]!;
    if (value < minimum) minimum = value;
    else if (value > maximum) maximum = value;
  }
  let divisor = 0;
  for (let i = from; i < count && divisor !== 1; i++) divisor = gcd(values[i]! - minimum, divisor);
  if (divisor === 0) divisor = 1;
  return { base: minimum, divisor, width: bitWidth((maximum - minimum) / divisor) };
}

function gcd(a: number, b: number): number {
  let x = a;
  let y = b;
  while (y !== 0) {
    const rest = x % y;
    x = y;
    y = rest;
  }
  return x;
}

/** Reads a block of `count` numbers into `values` at `from`. */
export function readIntegerBlock(
  reader: ByteReader,
  values: Float64Array,
  from: number,
  count: number,
): void {
  const start = reader.position;
  const order = reader.readByte();
  const width = reader.readByte();
  if (order > 2 || order > count || width > WIDTH_MAX) {
    throw new CodecError("malformed", start, `a column block of order ${order} and width ${width}`);
  }
  const first = order > 0 ? reader.readZigzag() : 0;
  const firstDifference = order > 1 ? reader.readZigzag() : 0;
  const base = reader.readZigzag();
  const divisor = reader.readVarint();
  const packed = count - order;
  const at = reader.take(packedBytes(packed, width));
  unpackBits(reader.bytes, at, { values, from: from + order, count: packed, width });
  const end = from + count;
  if (order === 0) scale(values, from, end, base, divisor);
  else if (order === 1) sumOnce(values, from, end, { first, base, divisor });
  else sumTwice(values, from, end, { first, firstDifference, base, divisor });
}

function scale(
  values: Float64Array,
  from: number,
  end: number,
  base: number,
  divisor: number,
): void {
  for (let i = from; i < end; i++) values[i] = base + values[i]! * divisor;
}

function sumOnce(
  values: Float64Array,
  from: number,
  end: number,
  terms: { readonly first: number; readonly base: number; readonly divisor: number },
): void {
  const { base, divisor } = terms;
  let value = terms.first;
  values[from] = value;
  for (let i = from + 1; i < end; i++) {
    value += base + values[i]! * divisor;
    values[i] = value;
  }
}

function sumTwice(
  values: Float64Array,
  from: number,
  end: number,
  terms: {
    readonly first: number;
    readonly firstDifference: number;
    readonly base: number;
    readonly divisor: number;
  },
): void {
  const { base, divisor } = terms;
  let difference = terms.firstDifference;
  let value = terms.first;
  values[from] = value;
  value += difference;
  values[from + 1] = value;
  for (let i = from + 2; i < end; i++) {
    difference += base + values[i]! * divisor;
    value += difference;
    values[i] = value;
  }
}
