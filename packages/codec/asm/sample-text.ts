/**
 * Samples as JSON text: `[1795132800,"0.25"],[1795132815.5,"+Inf"]`, as Prometheus' API writes them. A double is the shortest digits that read back
 * to it, of those the nearest: Raffaello Giulietti's Schubfach, with powers of ten of 128 bits that the caller lays out. Twin:
 * `src/sample-text.ts`.
 */

/** Exponents of the powers of ten at `powers`: 16 bytes each, the low half first, rounded up to 128 bits. */
const POWER_MIN: i32 = -292;
const SIGNIFICAND_BITS: u64 = 52;
const HIDDEN_BIT: u64 = 1 << SIGNIFICAND_BITS;
const EXPONENT_BIAS: i32 = 1075;

const COMMA: u8 = 0x2c;
const MINUS: u8 = 0x2d;
const DOT: u8 = 0x2e;
const ZERO: u8 = 0x30;

/**
 * Writes `count` samples; returns how many bytes they take, 64 a sample at most, or -1 when a time is not a whole number of milliseconds from 0
 * to 2^53. Up to 8 bytes behind the text are written to.
 */
export function writeSamples(
  timestampsMs: usize,
  values: usize,
  count: i32,
  target: usize,
  powers: usize,
): i32 {
  let at = target;
  for (let i = 0; i < count; i++) {
    const timeMs = load<f64>(timestampsMs + ((<usize>i) << 3));
    if (!(timeMs >= 0 && timeMs <= 9007199254740992.0) || floor(timeMs) != timeMs) return -1;
    if (i > 0) store<u8>(at++, COMMA);
    store<u8>(at++, 0x5b);
    at = writeTime(<u64>timeMs, at);
    store<u16>(at, 0x222c);
    at = writeValue(load<f64>(values + ((<usize>i) << 3)), at + 2, powers);
    store<u16>(at, 0x5d22);
    at += 2;
  }
  return <i32>(at - target);
}

/** Seconds; with three decimals unless whole. */
function writeTime(ms: u64, target: usize): usize {
  const seconds = ms / 1000;
  const rest = <u32>(ms - seconds * 1000);
  let at = writeWhole(seconds, target);
  if (rest == 0) return at;
  store<u8>(at, DOT);
  store<u8>(at, ZERO + <u8>(rest / 100), 1);
  store<u8>(at, ZERO + <u8>((rest / 10) % 10), 2);
  store<u8>(at, ZERO + <u8>(rest % 10), 3);
  return at + 4;
}

function writeValue(value: f64, target: usize, powers: usize): usize {
  const bits = reinterpret<u64>(value);
  const exponent = <i32>((bits >> SIGNIFICAND_BITS) & 0x7ff);
  const significand = bits & (HIDDEN_BIT - 1);
  let at = target;
  if (exponent == 0x7ff) return writeSpecial(significand != 0, <i64>bits < 0, at);
  if (<i64>bits < 0) store<u8>(at++, MINUS);
  const magnitude = abs(value);
  if (magnitude < 9007199254740992.0 && magnitude == floor(magnitude))
    return writeWhole(<u64>magnitude, at);
  return writeShortest(significand, exponent, at, powers);
}

/** `NaN`, `+Inf`, `-Inf`. */
function writeSpecial(isNaN: bool, isNegative: bool, at: usize): usize {
  if (isNaN) {
    store<u32>(at, 0x004e614e);
    return at + 3;
  }
  store<u32>(at, isNegative ? 0x666e492d : 0x666e492b);
  return at + 4;
}

function writeWhole(value: u64, target: usize): usize {
  const end = target + countDigits(value);
  writeDigits(value, end);
  return end;
}

function countDigits(value: u64): usize {
  let count: usize = 1;
  let rest = value;
  if (rest >= 100_000_000) {
    rest /= 100_000_000;
    count += 8;
  }
  if (rest >= 100_000_000) {
    rest /= 100_000_000;
    count += 8;
  }
  if (rest >= 10_000) {
    rest /= 10_000;
    count += 4;
  }
  if (rest >= 100) {
    rest /= 100;
    count += 2;
  }
  return rest >= 10 ? count + 1 : count;
}

/** Writes the digits so that they end in front of `end`. */
function writeDigits(value: u64, end: usize): void {
  let at = end;
  let rest = value;
  while (rest >= 100_000_000) {
    const high = rest / 100_000_000;
    let low = <u32>(rest - high * 100_000_000);
    rest = high;
    for (let i = 0; i < 4; i++) {
      at -= 2;
      storePair(at, low % 100);
      low /= 100;
    }
  }
  let word = <u32>rest;
  while (word >= 100) {
    at -= 2;
    storePair(at, word % 100);
    word /= 100;
  }
  if (word >= 10) {
    at -= 2;
    storePair(at, word);
  } else store<u8>(--at, ZERO + <u8>word);
}

function storePair(at: usize, pair: u32): void {
  const tens = pair / 10;
  store<u16>(at, <u16>(0x3030 + tens + ((pair - tens * 10) << 8)));
}

/** A positive double that is not a whole number below 2^53. */
function writeShortest(significand: u64, exponent: i32, target: usize, powers: usize): usize {
  const isNormal = exponent != 0;
  const c = isNormal ? HIDDEN_BIT | significand : significand;
  const q = (isNormal ? exponent : 1) - EXPONENT_BIAS;
  const isEven = (c & 1) == 0;
  const isLowerCloser = significand == 0 && exponent > 1;
  // Floor of the decimal logarithm of the distance to the next double.
  const k = (q * 1262611 - (isLowerCloser ? 524031 : 0)) >> 22;
  const shift = <u64>(q + ((-k * 1741647) >> 19) + 1);
  const power = powers + ((<usize>(-k - POWER_MIN)) << 4);
  const low = load<u64>(power);
  const high = load<u64>(power, 8);
  const lower = roundToOdd(low, high, (4 * c - 2 + u64(isLowerCloser)) << shift) + u64(!isEven);
  const middle = roundToOdd(low, high, (4 * c) << shift);
  const upper = roundToOdd(low, high, (4 * c + 2) << shift) - u64(!isEven);
  const s = middle >> 2;
  if (s >= 10) {
    const tens = s / 10;
    const isBelowInside = lower <= 40 * tens;
    const isAboveInside = 40 * tens + 40 <= upper;
    if (isBelowInside != isAboveInside)
      return writeDecimal(tens + u64(isAboveInside), k + 1, target);
  }
  const isBelowInside = lower <= 4 * s;
  const isAboveInside = 4 * s + 4 <= upper;
  if (isBelowInside != isAboveInside) return writeDecimal(s + u64(isAboveInside), k, target);
  const half = 4 * s + 2;
  const isUp = middle > half || (middle == half && (s & 1) != 0);
  return writeDecimal(s + u64(isUp), k, target);
}

/** The high bits of the product of a power of ten and a number, the last bit set when anything was cut off. */
function roundToOdd(low: u64, high: u64, factor: u64): u64 {
  const carry = highProduct(low, factor);
  const bottom = high * factor;
  const sum = bottom + carry;
  const top = highProduct(high, factor) + u64(sum < bottom);
  return top | u64(sum > 1);
}

function highProduct(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const cross = aHigh * bLow + ((aLow * bLow) >> 32);
  const other = aLow * bHigh + (cross & 0xffffffff);
  return aHigh * bHigh + (cross >> 32) + (other >> 32);
}

/** `digits * 10^exponent` without zeros at the end: an exponent below 1e-6 and from 1e21 on. */
function writeDecimal(digits: u64, exponent: i32, target: usize): usize {
  const count = countDigits(digits);
  /** Digits in front of the point. */
  const point = <i32>count + exponent;
  if (point > 0 || point < -5) {
    // Where they stand when one of them is in front of the point.
    writeDigits(digits, target + 1 + count);
    const length = <i32>(withoutZeros(target + 1 + count) - (target + 1));
    if (point > 21 || point < -5) return writeScientific(length, point - 1, target);
    return writePoint(length, point, target);
  }
  store<u64>(target, 0x3030303030302e30);
  const start = target + 2 - point;
  writeDigits(digits, start + count);
  return withoutZeros(start + count);
}

/** The end of digits that end at `end`, without zeros there; not all of them are. */
function withoutZeros(end: usize): usize {
  while (load<u8>(end - 1) == ZERO) end--;
  return end;
}

/** Puts the point behind `point` of the `length` digits at `target + 1`, or as many zeros as are missing. */
function writePoint(length: i32, point: i32, target: usize): usize {
  for (let i = 0; i < min(length, point); i++) store<u8>(target + i, load<u8>(target + i, 1));
  for (let i = length; i < point; i++) store<u8>(target + i, ZERO);
  if (length <= point) return target + point;
  store<u8>(target + point, DOT);
  return target + 1 + length;
}

/** Makes the `length` digits at `target + 1` a number with an exponent of two digits at least. */
function writeScientific(length: i32, exponent: i32, target: usize): usize {
  store<u8>(target, load<u8>(target, 1));
  let at = target + 1;
  if (length > 1) {
    store<u8>(at, DOT);
    at += length;
  }
  store<u16>(at, exponent < 0 ? 0x2d65 : 0x2b65);
  at += 2;
  let rest = <u32>abs(exponent);
  if (rest >= 100) {
    store<u8>(at++, ZERO + <u8>(rest / 100));
    rest %= 100;
  }
  storePair(at, rest);
  return at + 2;
}
