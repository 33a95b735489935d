/**
 * Short runs of doubles as compact bytes, for samples that still live in memory: decimals scaled to integers, then the integers or their
 * differences bit-packed; XORed bytes where values are no decimals. Bit for bit. Twin and layout: `src/value-chunk.ts`.
 */

/** Values of one chunk at most. */
export const VALUES_MAX: i32 = 32;
/** Bytes of one chunk at most: what XOR takes for values that share nothing. */
export const CHUNK_BYTES_MAX: usize = 2 + 8 + 31 * 8;

const KIND_CONSTANT: u8 = 0;
const KIND_INTEGERS: u8 = 1;
const KIND_DIFFERENCES: u8 = 2;
const KIND_XOR: u8 = 3;

export const EXPONENT_MAX: u8 = 10;
/** No exponent fits: the hint that says so. */
export const NO_EXPONENT: u8 = 15;
const INTEGER_MAX: f64 = 1125899906842624.0; // 2^50
const NEGATIVE_ZERO: i64 = i64.MIN_VALUE;

/** The exponent that the last {@link encodeValues} used: a hint for the next chunk of the series. */
export let lastExponent: u8 = 0;

/** 10 to the power of `exponent`, exact. */
function power(exponent: u8): f64 {
  let result: f64 = 1;
  for (let i: u8 = 0; i < exponent; i++) result *= 10;
  return result;
}

/**
 * Encodes `count` (1 to 32) doubles at `source` to `target`; returns the bytes written. `scratch` has room for 512 bytes; up to 8 bytes more than
 * the largest chunk are written.
 */
export function encodeValues(
  source: usize,
  count: i32,
  target: usize,
  hint: u8,
  scratch: usize,
): usize {
  const first = load<u64>(source);
  let differing: u64 = 0;
  for (let i = 1; i < count; i++) differing |= load<u64>(source + ((<usize>i) << 3)) ^ first;
  if (differing == 0) {
    store<u8>(target, KIND_CONSTANT);
    store<u64>(target, first, 1);
    lastExponent = hint;
    return 9;
  }
  let exponent = hint;
  let isDecimal = hint <= EXPONENT_MAX && scale(source, count, power(hint), scratch);
  if (!isDecimal) {
    for (exponent = 0; exponent <= EXPONENT_MAX; exponent++) {
      if (exponent == hint || !scale(source, count, power(exponent), scratch)) continue;
      isDecimal = true;
      break;
    }
  }
  if (!isDecimal) {
    lastExponent = NO_EXPONENT;
    return encodeXor(source, count, target);
  }
  lastExponent = exponent;
  const length = encodeIntegers(scratch, count, target, exponent);
  return length > 0 ? length : encodeXor(source, count, target);
}

/** Whether all values times `factor` are whole numbers up to 2^50 that lead back to them; puts those at `target`. */
function scale(source: usize, count: i32, factor: f64, target: usize): bool {
  for (let i = 0; i < count; i++) {
    const at = (<usize>i) << 3;
    const value = load<f64>(source + at);
    const scaled = nearest(value * factor);
    if (!(abs(scaled) <= INTEGER_MAX)) return false;
    if (reinterpret<i64>(scaled / factor) != reinterpret<i64>(value)) return false;
    if (reinterpret<i64>(value) == NEGATIVE_ZERO) return false;
    store<i64>(target + at, <i64>scaled);
  }
  return true;
}

/** Returns 0 when the packed numbers would be wider than XOR's. */
function encodeIntegers(integers: usize, count: i32, target: usize, exponent: u8): usize {
  let previous = load<i64>(integers);
  let least = previous;
  let most = previous;
  let leastStep: i64 = i64.MAX_VALUE;
  let mostStep: i64 = i64.MIN_VALUE;
  for (let i = 1; i < count; i++) {
    const value = load<i64>(integers + ((<usize>i) << 3));
    const step = value - previous;
    least = min(least, value);
    most = max(most, value);
    leastStep = min(leastStep, step);
    mostStep = max(mostStep, step);
    previous = value;
  }
  const isSteps = mostStep - leastStep < most - least;
  const base = isSteps ? leastStep : least;
  // Numbers to pack: what is above the base.
  let bits: u64 = 0;
  const from = isSteps ? 1 : 0;
  for (let i = count - 1; i >= from; i--) {
    const at = integers + ((<usize>i) << 3);
    const number = <u64>((isSteps ? load<i64>(at) - load<i64>(at - 8) : load<i64>(at)) - base);
    store<u64>(scratchOf(integers, i), number);
    bits |= number;
  }
  const shift = bits == 0 ? 0 : <u64>ctz(bits);
  const width = bits == 0 ? 0 : 64 - <u64>clz(bits) - shift;
  if (width > 48) return 0;
  store<u8>(target, (isSteps ? KIND_DIFFERENCES : KIND_INTEGERS) | (exponent << 4));
  store<u8>(target, <u8>width, 1);
  let to = target + 2;
  if (width > 0) store<u8>(to++, <u8>shift);
  to = writeZigzag(to, base);
  if (isSteps) to = writeZigzag(to, load<i64>(integers));
  return packNumbers(integers, from, count, to, width, shift) - target;
}

/** Where number `i` waits to be packed: behind the integers, which are still needed. */
function scratchOf(integers: usize, i: i32): usize {
  return integers + 256 + ((<usize>i) << 3);
}

function packNumbers(
  integers: usize,
  from: i32,
  count: i32,
  target: usize,
  width: u64,
  shift: u64,
): usize {
  if (width == 0) return target;
  let to = target;
  let pending: u64 = 0;
  let filled: u64 = 0;
  for (let i = from; i < count; i++) {
    // At most 7 bits wait, and a number has 48 at most.
    pending |= (load<u64>(scratchOf(integers, i)) >> shift) << filled;
    filled += width;
    store<u64>(to, pending);
    to += <usize>(filled >> 3);
    pending >>= filled & ~(<u64>7);
    filled &= 7;
  }
  return filled > 0 ? to + 1 : to;
}

function writeZigzag(target: usize, value: i64): usize {
  let rest = <u64>((value << 1) ^ (value >> 63));
  let to = target;
  while (rest >= 128) {
    store<u8>(to++, <u8>(rest | 128));
    rest >>= 7;
  }
  store<u8>(to, <u8>rest);
  return to + 1;
}

function encodeXor(source: usize, count: i32, target: usize): usize {
  let any: u64 = 0;
  for (let i = 1; i < count; i++) {
    const at = source + ((<usize>i) << 3);
    any |= load<u64>(at) ^ load<u64>(at - 8);
  }
  const low = <usize>(ctz(any) >> 3);
  const bytes = 8 - <usize>(clz(any) >> 3) - low;
  store<u8>(target, KIND_XOR);
  store<u8>(target, <u8>((low << 4) | bytes), 1);
  store<u64>(target, load<u64>(source), 2);
  let to = target + 10;
  for (let i = 1; i < count; i++) {
    const at = source + ((<usize>i) << 3);
    store<u64>(to, (load<u64>(at) ^ load<u64>(at - 8)) >> ((<u64>low) << 3));
    to += bytes;
  }
  return to - target;
}

/** Decodes `count` doubles of the chunk at `source` to `target`. Chunks are made in this memory, so their bytes are believed. */
export function decodeValues(source: usize, count: i32, target: usize): void {
  const kind = load<u8>(source) & 15;
  if (kind == KIND_CONSTANT) {
    const value = load<u64>(source, 1);
    for (let i = 0; i < count; i++) store<u64>(target + ((<usize>i) << 3), value);
  } else if (kind == KIND_XOR) decodeXor(source, count, target);
  else decodeIntegers(source, count, target, kind == KIND_DIFFERENCES);
}

function decodeIntegers(source: usize, count: i32, target: usize, isSteps: bool): void {
  const factor = power(load<u8>(source) >> 4);
  const width = <u64>load<u8>(source, 1);
  let from = source + 2;
  const shift: u64 = width > 0 ? <u64>load<u8>(from++) : 0;
  const base = readZigzag(from);
  from += zigzagBytes(from);
  let value = base;
  let row = 0;
  if (isSteps) {
    value = readZigzag(from);
    from += zigzagBytes(from);
    store<f64>(target, <f64>value / factor);
    row = 1;
  }
  const mask: u64 = ((<u64>1) << width) - 1;
  let bit: u64 = 0;
  for (; row < count; row++) {
    const word = load<u64>(from + <usize>(bit >> 3)) >> (bit & 7);
    const number = base + <i64>((word & mask) << shift);
    value = isSteps ? value + number : number;
    store<f64>(target + ((<usize>row) << 3), <f64>value / factor);
    bit += width;
  }
}

function readZigzag(source: usize): i64 {
  let bits: u64 = 0;
  for (let shift: u64 = 0, at = source; ; shift += 7) {
    const byte = <u64>load<u8>(at++);
    bits |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  return <i64>(bits >> 1) ^ -(<i64>(bits & 1));
}

function zigzagBytes(source: usize): usize {
  let at = source;
  while (load<u8>(at++) >= 128) {}
  return at - source;
}

function decodeXor(source: usize, count: i32, target: usize): void {
  const sizes = <usize>load<u8>(source, 1);
  const low = (<u64>(sizes >> 4)) << 3;
  const bytes = sizes & 15;
  const mask: u64 = bytes == 8 ? u64.MAX_VALUE : ((<u64>1) << ((<u64>bytes) << 3)) - 1;
  let value = load<u64>(source, 2);
  let from = source + 10;
  store<u64>(target, value);
  for (let i = 1; i < count; i++) {
    value ^= (load<u64>(from) & mask) << low;
    from += bytes;
    store<u64>(target + ((<usize>i) << 3), value);
  }
}
