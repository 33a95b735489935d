/**
 * Decodes column blocks of doubles (`docs/format/columns.md`), four rows a step. Twin: `src/float-block.ts`, which the caller runs on whatever
 * this refuses, to name what is wrong. Reads up to 16 bytes behind the input and writes up to 32 behind the rows: leave that much room.
 */

export { isRising } from "./rising";

/** Rows of a block at most. */
const ROWS_MAX: i32 = 512;
const KIND_CONSTANT: u32 = 0;
const KIND_SCALED_CONSTANT: u32 = 1;
const KIND_SCALED: u32 = 2;
const KIND_XOR: u32 = 3;
const FLAG_DIFFERENCES: u32 = 8;
const FLAG_DIVISOR: u32 = 16;
const FLAG_OUTLIERS: u32 = 32;
const FLAG_PATCHES: u32 = 64;
const INTEGER_MAX: u64 = 9007199254740991;

/** Where the reader stands, and the end of the input; 0 for the first after a fault. */
let at: usize = 0;
let end: usize = 0;

/**
 * Decodes `count` rows (1 to 512) from the bytes `source … limit` to `target`; returns where the block ends, or 0 when it makes no sense.
 * `factors` are 256 doubles, by scale; `scratch` is room for 520 doubles.
 */
export function decodeFloatBlock(
  source: usize,
  limit: usize,
  target: usize,
  count: i32,
  factors: usize,
  scratch: usize,
): usize {
  at = source;
  end = limit;
  if (count < 1 || count > ROWS_MAX || at >= end) return 0;
  const tag = <u32>load<u8>(at++);
  const kind = tag & 7;
  if (kind == KIND_CONSTANT) {
    if (end - at < 8) return 0;
    fill(target, count, load<f64>(at));
    return at + 8;
  }
  if (kind == KIND_SCALED_CONSTANT) {
    if (end - at < 2) return 0;
    const factor = load<f64>(factors + ((<usize>load<u8>(at++)) << 3));
    const value = readZigzag();
    if (at == 0) return 0;
    fill(target, count, value / factor);
    return at;
  }
  if (kind == KIND_SCALED) return decodeScaled(tag, target, count, factors, scratch);
  if (kind == KIND_XOR) return decodeXor(target, count);
  return 0;
}

function fill(target: usize, count: i32, value: f64): void {
  const pair = f64x2.splat(value);
  const last = target + ((<usize>count) << 3);
  for (let to = target; to < last; to += 16) v128.store(to, pair);
}

/** LEB128 of at most 2^53, in eight bytes; `at` is 0 after a fault. */
function readVarint(): u64 {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 56; shift += 7) {
    if (at >= end) break;
    const byte = <u64>load<u8>(at++);
    value |= (byte & 127) << shift;
    if (byte >= 128) continue;
    if (value > INTEGER_MAX + 1) break;
    return value;
  }
  end = 0;
  at = 0;
  return 0;
}

function readZigzag(): f64 {
  if (at >= end) {
    end = 0;
    at = 0;
    return 0;
  }
  const low = <u64>load<u8>(at++);
  const magnitude = ((low & 127) >> 1) + 64 * (low < 128 ? 0 : readVarint());
  if (magnitude > INTEGER_MAX) {
    end = 0;
    at = 0;
  }
  return (low & 1) != 0 ? -(<f64>magnitude) - 1 : <f64>magnitude;
}

function decodeScaled(tag: u32, target: usize, count: i32, factors: usize, scratch: usize): usize {
  if (end - at < 2) return 0;
  const factor = load<f64>(factors + ((<usize>load<u8>(at++)) << 3));
  const width = <u32>load<u8>(at++);
  if (width > 53) return 0;
  const order: i32 = (tag & FLAG_DIFFERENCES) != 0 ? 1 : 0;
  const first = order == 1 ? readZigzag() : 0;
  const base = readZigzag();
  const divisor: f64 = (tag & FLAG_DIVISOR) != 0 ? <f64>readVarint() : 1;
  if (at == 0) return 0;
  const outliersAt = at;
  let outliers: u64 = 0;
  if ((tag & FLAG_OUTLIERS) != 0) {
    outliers = readVarint();
    if (outliers > <u64>count) return 0;
    for (let i: u64 = 0; i < outliers * 2; i++) readVarint();
  }
  if (at == 0) return 0;
  const numbers = count - order;
  const bytes = <usize>((<u32>numbers * width + 7) >> 3);
  if (bytes > end - at) return 0;
  const packed = at;
  const isNarrow = width <= 32 && outliers == 0;
  if (isNarrow) unpackNarrow(packed, numbers, width, scratch);
  else {
    unpackWide(packed, numbers, width, scratch);
    if (outliers > 0 && !addOutliers(outliersAt, numbers, width, scratch)) return 0;
  }
  at = packed + bytes;
  if (order == 0) {
    if (isNarrow) scaleNarrow(scratch, target, numbers, base, divisor, factor);
    else scaleWide(scratch, target, numbers, base, divisor, factor);
  } else {
    store<f64>(target, first / factor);
    if (isNarrow) sumNarrow(scratch, target + 8, numbers, first, base, divisor, factor);
    else sumWide(scratch, target + 8, numbers, first, base, divisor, factor);
  }
  if ((tag & FLAG_PATCHES) != 0 && !applyPatches(target, count)) return 0;
  return at;
}

/** Numbers of up to 32 bits to words; up to 7 words more are written. */
function unpackNarrow(source: usize, count: i32, width: u32, target: usize): void {
  const last = target + ((<usize>count) << 2);
  if (width == 0) {
    memory.fill(target, 0, ((<usize>count) << 2) + 16);
    return;
  }
  const mask: u64 = ((<u64>1) << width) - 1;
  let from = source;
  if (width <= 7) {
    for (let to = target; to < last; to += 32) {
      // Eight numbers in `width` bytes.
      const w = <u64>width;
      const word = load<u64>(from);
      from += width;
      store<u32>(to, <u32>(word & mask));
      store<u32>(to, <u32>((word >> w) & mask), 4);
      store<u32>(to, <u32>((word >> (2 * w)) & mask), 8);
      store<u32>(to, <u32>((word >> (3 * w)) & mask), 12);
      store<u32>(to, <u32>((word >> (4 * w)) & mask), 16);
      store<u32>(to, <u32>((word >> (5 * w)) & mask), 20);
      store<u32>(to, <u32>((word >> (6 * w)) & mask), 24);
      store<u32>(to, <u32>((word >> (7 * w)) & mask), 28);
    }
    return;
  }
  if (width <= 14) {
    const w = <u64>width;
    const half = <usize>(width >> 1);
    const shift: u64 = (width & 1) != 0 ? 4 : 0;
    for (let to = target; to < last; to += 32) {
      const low = load<u64>(from);
      const high = load<u64>(from + half) >> shift;
      from += width;
      store<u32>(to, <u32>(low & mask));
      store<u32>(to, <u32>((low >> w) & mask), 4);
      store<u32>(to, <u32>((low >> (2 * w)) & mask), 8);
      store<u32>(to, <u32>((low >> (3 * w)) & mask), 12);
      store<u32>(to, <u32>(high & mask), 16);
      store<u32>(to, <u32>((high >> w) & mask), 20);
      store<u32>(to, <u32>((high >> (2 * w)) & mask), 24);
      store<u32>(to, <u32>((high >> (3 * w)) & mask), 28);
    }
    return;
  }
  let bit: u32 = 0;
  for (let to = target; to < last; to += 4) {
    store<u32>(to, <u32>((load<u64>(source + <usize>(bit >> 3)) >> <u64>(bit & 7)) & mask));
    bit += width;
  }
}

/** Numbers of up to 53 bits to doubles. */
function unpackWide(source: usize, count: i32, width: u32, target: usize): void {
  const mask: u64 = ((<u64>1) << width) - 1;
  const last = target + ((<usize>count) << 3);
  let bit: u32 = 0;
  for (let to = target; to < last; to += 8) {
    const number = (load<u64>(source + <usize>(bit >> 3)) >> <u64>(bit & 7)) & mask;
    store<f64>(to, <f64>(<i64>number));
    bit += width;
  }
}

function addOutliers(source: usize, numbers: i32, width: u32, scratch: usize): bool {
  at = source;
  const factor = <f64>((<u64>1) << width);
  let row: u64 = 0;
  for (let left = readVarint(); left > 0; left--) {
    row += readVarint();
    const high = readVarint();
    if (row >= <u64>numbers) return false;
    const to = scratch + ((<usize>row) << 3);
    store<f64>(to, load<f64>(to) + <f64>high * factor);
  }
  return true;
}

function scaleNarrow(
  from: usize,
  target: usize,
  count: i32,
  base: f64,
  divisor: f64,
  factor: f64,
): void {
  const bases = f64x2.splat(base);
  const divisors = f64x2.splat(divisor);
  const factors = f64x2.splat(factor);
  const last = target + ((<usize>count) << 3);
  for (let to = target; to < last; to += 32) {
    const words = v128.load(from);
    from += 16;
    const low = f64x2.convert_low_i32x4_u(words);
    const high = f64x2.convert_low_i32x4_u(v128.shuffle<u64>(words, words, 1, 1));
    v128.store(to, f64x2.div(f64x2.add(f64x2.mul(low, divisors), bases), factors));
    v128.store(to, f64x2.div(f64x2.add(f64x2.mul(high, divisors), bases), factors), 16);
  }
}

function scaleWide(
  from: usize,
  target: usize,
  count: i32,
  base: f64,
  divisor: f64,
  factor: f64,
): void {
  const last = target + ((<usize>count) << 3);
  for (let to = target; to < last; to += 8) {
    store<f64>(to, (base + load<f64>(from) * divisor) / factor);
    from += 8;
  }
}

/** Every sum is a difference of two rows, so that no order of adding loses a bit. */
function sumNarrow(
  from: usize,
  target: usize,
  count: i32,
  first: f64,
  base: f64,
  divisor: f64,
  factor: f64,
): void {
  const bases = f64x2.splat(base);
  const divisors = f64x2.splat(divisor);
  const factors = f64x2.splat(factor);
  const zeros = i64x2.splat(0);
  const isScaled = factor != 1;
  let carry = f64x2.splat(first);
  const last = target + ((<usize>count) << 3);
  for (let to = target; to < last; to += 32) {
    const words = v128.load(from);
    from += 16;
    const low = f64x2.convert_low_i32x4_u(words);
    const high = f64x2.convert_low_i32x4_u(v128.shuffle<u64>(words, words, 1, 1));
    const lowSteps = f64x2.add(f64x2.mul(low, divisors), bases);
    const highSteps = f64x2.add(f64x2.mul(high, divisors), bases);
    const lowSums = f64x2.add(lowSteps, v128.shuffle<u64>(zeros, lowSteps, 0, 2));
    const highSums = f64x2.add(highSteps, v128.shuffle<u64>(zeros, highSteps, 0, 2));
    let lowRows = f64x2.add(lowSums, carry);
    let highRows = f64x2.add(highSums, v128.shuffle<u64>(lowRows, lowRows, 1, 1));
    carry = v128.shuffle<u64>(highRows, highRows, 1, 1);
    if (isScaled) {
      lowRows = f64x2.div(lowRows, factors);
      highRows = f64x2.div(highRows, factors);
    }
    v128.store(to, lowRows);
    v128.store(to, highRows, 16);
  }
}

function sumWide(
  from: usize,
  target: usize,
  count: i32,
  first: f64,
  base: f64,
  divisor: f64,
  factor: f64,
): void {
  const last = target + ((<usize>count) << 3);
  let row = first;
  for (let to = target; to < last; to += 8) {
    row += base + load<f64>(from) * divisor;
    from += 8;
    store<f64>(to, row / factor);
  }
}

function applyPatches(target: usize, count: i32): bool {
  let row: u64 = 0;
  for (let left = readVarint(); left > 0; left--) {
    row += readVarint();
    if (at == 0 || row >= <u64>count || end - at < 8) return false;
    store<u64>(target + ((<usize>row) << 3), load<u64>(at));
    at += 8;
  }
  return at != 0;
}

function decodeXor(target: usize, count: i32): usize {
  if (end - at < 9) return 0;
  const width = <usize>load<u8>(at++);
  if (width > 8) return 0;
  let bits = load<u64>(at);
  at += 8;
  const map = at;
  const mapBytes = <usize>((count + 7) >> 3);
  if (mapBytes > end - at) return 0;
  at += mapBytes;
  const mask: u64 = width == 8 ? <u64>0xffffffffffffffff : ((<u64>1) << ((<u64>width) << 3)) - 1;
  store<u64>(target, bits);
  for (let i = 1; i < count; i++) {
    if ((<u32>load<u8>(map + <usize>(i >> 3)) & ((<u32>1) << (<u32>i & 7))) != 0) {
      if (width > end - at) return 0;
      bits ^= load<u64>(at) & mask;
      at += width;
    }
    store<u64>(target + ((<usize>i) << 3), bits);
  }
  return at;
}
