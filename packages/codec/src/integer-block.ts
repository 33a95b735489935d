/**
 * Up to 512 whole numbers in few bits: themselves or their differences (whichever is smaller), less the smallest, divided by the greatest
 * common divisor, bit-packed at the width that most of them need; the few wider ones follow. Layout: docs/format/columns.md.
 */
import { bitWidth, packBits, packedBytes, unpackBits } from "./bit-packing.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { CodecError } from "./errors.ts";

/** Rows of a block; its terms are chosen for it alone. */
export const BLOCK_ROWS = 512;

/** Largest magnitude of a row, a difference, and of a range of either: up to here every step is exact in a double. */
export const INTEGER_MAX = Number.MAX_SAFE_INTEGER;

const WIDTH_MAX = 53;

/** In the first byte of a block, beside its kind. */
export const FLAG_DIFFERENCES = 8;
export const FLAG_DIVISOR = 16;
export const FLAG_OUTLIERS = 32;

/** How a block is written. */
export interface IntegerPlan {
  readonly flags: number;
  /** The packed numbers start with this row: 1 when they are differences. */
  readonly order: number;
  readonly first: number;
  readonly base: number;
  readonly divisor: number;
  readonly width: number;
  /** Bytes of the whole, more or less. */
  readonly bytes: number;
}

const differences = new Float64Array(BLOCK_ROWS);
const packed = new Float64Array(BLOCK_ROWS);
const histogram = new Uint32Array(WIDTH_MAX + 2);

/** The smaller way to write `values[0 … count)`, whole numbers of at most {@link INTEGER_MAX} in magnitude; undefined when there is none. */
export function planIntegers(values: Float64Array, count: number): IntegerPlan | undefined {
  const plain = measure(values, 0, count, values[0]!);
  // Without it the sum of some differences could lose a bit.
  if (plain === undefined || count < 2) return plain;
  for (let i = count - 1; i > 0; i--) differences[i] = values[i]! - values[i - 1]!;
  const steps = measure(differences, 1, count, values[0]!);
  return steps !== undefined && steps.bytes < plain.bytes ? steps : plain;
}

function measure(
  values: Float64Array,
  order: number,
  count: number,
  first: number,
): IntegerPlan | undefined {
  let minimum = values[order]!;
  let maximum = minimum;
  for (let i = order + 1; i < count; i++) {
    const value = values[i]!;
    if (value < minimum) minimum = value;
    else if (value > maximum) maximum = value;
  }
  const range = maximum - minimum;
  if (range > INTEGER_MAX || minimum < -INTEGER_MAX || maximum > INTEGER_MAX) return undefined;
  let divisor = 0;
  for (let i = order; i < count && divisor !== 1; i++) divisor = gcd(values[i]! - minimum, divisor);
  if (divisor === 0) divisor = 1;
  const rows = count - order;
  const { width, bits } = chooseWidth(values, { order, count, minimum, divisor }, range / divisor);
  let flags = order === 0 ? 0 : FLAG_DIFFERENCES;
  if (divisor !== 1) flags |= FLAG_DIVISOR;
  if (width < bitWidth(range / divisor)) flags |= FLAG_OUTLIERS;
  const bytes =
    Math.ceil(bits / 8) +
    zigzagBytes(minimum) +
    (order === 0 ? 0 : zigzagBytes(first)) +
    rows / 512;
  return { flags, order, first, base: minimum, divisor, width, bytes };
}

/** The width that makes packed numbers and outliers smallest together. */
function chooseWidth(
  values: Float64Array,
  terms: {
    readonly order: number;
    readonly count: number;
    readonly minimum: number;
    readonly divisor: number;
  },
  largest: number,
): { readonly width: number; readonly bits: number } {
  const { order, count, minimum, divisor } = terms;
  const widest = bitWidth(largest);
  const rows = count - order;
  if (widest < 2) return { width: widest, bits: widest * rows };
  histogram.fill(0);
  for (let i = order; i < count; i++) histogram[bitWidth((values[i]! - minimum) / divisor)]!++;
  let width = widest;
  let bits = widest * rows;
  let outliers = 0;
  for (let next = widest - 1; next >= 0; next--) {
    outliers += histogram[next + 1]!;
    if (outliers * 4 > rows) break;
    const cost = next * rows + outliers * 8 * (1 + Math.ceil((widest - next) / 7));
    if (cost < bits) {
      width = next;
      bits = cost;
    }
  }
  return { width, bits };
}

/** Writes what was planned for just these values. The first byte of the block, with `plan.flags`, is the caller's. */
export function writeIntegers(
  writer: ByteWriter,
  values: Float64Array,
  count: number,
  plan: IntegerPlan,
): void {
  const { order, base, divisor, width } = plan;
  writer.writeByte(width);
  if (order === 1) writer.writeZigzag(plan.first);
  writer.writeZigzag(base);
  if ((plan.flags & FLAG_DIVISOR) !== 0) writer.writeVarint(divisor);
  const limit = 2 ** width;
  let outliers = 0;
  for (let i = order; i < count; i++) {
    const value = order === 0 ? values[i]! : values[i]! - values[i - 1]!;
    packed[i] = (value - base) / divisor;
    if (packed[i]! >= limit) outliers++;
  }
  if ((plan.flags & FLAG_OUTLIERS) !== 0) writeOutliers(writer, { order, count, limit, outliers });
  const size = packedBytes(count - order, width);
  writer.reserve(size);
  writer.bytes.fill(0, writer.length, writer.length + size);
  packBits(writer.bytes, writer.length, {
    values: packed,
    from: order,
    count: count - order,
    width,
  });
  writer.length += size;
}

/** Count, then for each the rows since the one before and what its packed bits lack; leaves only those bits in `packed`. */
function writeOutliers(
  writer: ByteWriter,
  rows: {
    readonly order: number;
    readonly count: number;
    readonly limit: number;
    readonly outliers: number;
  },
): void {
  writer.writeVarint(rows.outliers);
  let last = rows.order;
  for (let i = rows.order; i < rows.count; i++) {
    if (packed[i]! < rows.limit) continue;
    const high = Math.floor(packed[i]! / rows.limit);
    writer.writeVarint(i - last);
    writer.writeVarint(high);
    packed[i] = packed[i]! - high * rows.limit;
    last = i;
  }
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

function zigzagBytes(value: number): number {
  return Math.ceil((bitWidth(Math.abs(value)) + 1) / 7);
}

/** Reads a block of `count` numbers, whose first byte was `flags`, into `values` at `from`. */
export function readIntegers(
  reader: ByteReader,
  flags: number,
  values: Float64Array,
  rows: { readonly from: number; readonly count: number },
): void {
  const { from, count } = rows;
  const start = reader.position;
  const width = reader.readByte();
  const order = (flags & FLAG_DIFFERENCES) === 0 ? 0 : 1;
  if (order > count || width > WIDTH_MAX)
    throw new CodecError("malformed", start, `${count} numbers of width ${width}`);
  const first = order === 1 ? reader.readZigzag() : 0;
  const base = reader.readZigzag();
  const divisor = (flags & FLAG_DIVISOR) === 0 ? 1 : reader.readVarint();
  const outliersAt = reader.position;
  const outliers = (flags & FLAG_OUTLIERS) === 0 ? 0 : reader.readVarint();
  if (outliers > count) throw new CodecError("malformed", outliersAt, `${outliers} outliers`);
  for (let i = 0; i < 2 * outliers; i++) reader.readVarint();
  const at = reader.take(packedBytes(count - order, width));
  unpackBits(reader.bytes, at, { values, from: from + order, count: count - order, width });
  if (outliers > 0) {
    const end = reader.position;
    reader.position = outliersAt;
    addOutliers(reader, values, { from, end: from + count, order, factor: 2 ** width });
    reader.position = end;
  }
  const end = from + count;
  if (order === 0) {
    for (let i = from; i < end; i++) values[i] = base + values[i]! * divisor;
  } else {
    let value = first;
    values[from] = value;
    for (let i = from + 1; i < end; i++) {
      value += base + values[i]! * divisor;
      values[i] = value;
    }
  }
}

function addOutliers(
  reader: ByteReader,
  values: Float64Array,
  rows: {
    readonly from: number;
    readonly end: number;
    readonly order: number;
    readonly factor: number;
  },
): void {
  let row = rows.from + rows.order;
  for (let left = reader.readVarint(); left > 0; left--) {
    row += reader.readVarint();
    if (row >= rows.end)
      throw new CodecError("malformed", reader.position, "an outlier behind the last row");
    values[row] = values[row]! + reader.readVarint() * rows.factor;
  }
}
