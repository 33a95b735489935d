/**
 * Encodes column blocks of doubles (`docs/format/columns.md`), byte for byte as its twin `src/float-block.ts` does: where the twin chooses, this
 * chooses the same.
 */

const DECIMAL_SCALES: i32 = 16;
const SCALES: i32 = 256;
const INTEGER_MAX: f64 = 9007199254740991;
const FLAG_DIFFERENCES: u32 = 8;
const FLAG_DIVISOR: u32 = 16;
const FLAG_OUTLIERS: u32 = 32;
const FLAG_PATCHES: u32 = 64;

/** Scratch: whole numbers, their differences, numbers to be packed, rows that are no whole numbers, and a count for each width. */
const COLUMN_BYTES: usize = 8 * 520;
let integers: usize = 0;
let differences: usize = 0;
let packed: usize = 0;
let patches: usize = 0;
let histogram: usize = 0;

/** Where the next byte goes. */
let to: usize = 0;
let patchCount: i32 = 0;

/** What was planned last: flags, order, base, divisor, width and bytes. */
let planFlags: u32 = 0;
let planOrder: i32 = 0;
let planBase: f64 = 0;
let planDivisor: f64 = 1;
let planWidth: i32 = 0;
let planBytes: f64 = 0;

/** Encodes `count` rows (1 to 512) to `target`, where 8 KiB must be free; returns how many bytes. `scratch` is room for 2200 doubles. */
export function encodeFloatBlock(
  source: usize,
  count: i32,
  target: usize,
  factors: usize,
  scratch: usize,
): i32 {
  integers = scratch;
  differences = integers + COLUMN_BYTES;
  packed = differences + COLUMN_BYTES;
  patches = packed + COLUMN_BYTES;
  histogram = patches + COLUMN_BYTES / 2;
  to = target;
  if (isConstant(source, count)) {
    writeConstant(source, factors);
    return <i32>(to - target);
  }
  const scale = findScale(source, count, factors);
  const isPlanned = scale >= 0 && planIntegers(count);
  const scaledBytes = isPlanned ? 2 + planBytes + <f64>patchCount * 10 : Infinity;
  if (scaledBytes < <f64>count * 3 || scaledBytes < <f64>xorBytes(source, count))
    writeScaled(source, count, scale);
  else writeXor(source, count);
  return <i32>(to - target);
}

function isConstant(source: usize, count: i32): bool {
  const first = load<u64>(source);
  for (let i = 1; i < count; i++) if (load<u64>(source + ((<usize>i) << 3)) != first) return false;
  return true;
}

function writeConstant(source: usize, factors: usize): void {
  const value = load<f64>(source);
  for (let scale = 0; scale < DECIMAL_SCALES; scale++) {
    const scaled = scaleOf(value, load<f64>(factors + ((<usize>scale) << 3)));
    if (scaled != scaled) continue;
    if (Math.abs(scaled) > 1099511627776) break;
    store<u8>(to++, 1);
    store<u8>(to++, <u8>scale);
    writeZigzag(scaled);
    return;
  }
  store<u8>(to++, 0);
  store<f64>(to, value);
  to += 8;
}

/** `value * factor` when that is whole and leads back to the very same double, else NaN. */
function scaleOf(value: f64, factor: f64): f64 {
  // Adding 0 makes a 0 of -0, which then differs from the value.
  const scaled = nearest(value * factor) + 0;
  return abs(scaled) <= INTEGER_MAX && reinterpret<u64>(scaled / factor) == reinterpret<u64>(value)
    ? scaled
    : NaN;
}

function findScale(source: usize, count: i32, factors: usize): i32 {
  let fewest = count / 8 + 1;
  let found = -1;
  for (let scale = 0; scale < DECIMAL_SCALES && fewest > 0; scale++) {
    const failures = countFailures(
      source,
      count,
      load<f64>(factors + ((<usize>scale) << 3)),
      fewest,
    );
    if (failures >= fewest) continue;
    fewest = failures;
    found = scale;
  }
  if (found < 0) found = binaryScale(source, count);
  if (found < 0) return -1;
  fillIntegers(source, count, load<f64>(factors + ((<usize>found) << 3)));
  return patchCount * 8 <= count ? found : -1;
}

function countFailures(source: usize, count: i32, factor: f64, limit: i32): i32 {
  let failures = 0;
  for (let i = 0; i < count && failures < limit; i++) {
    const scaled = scaleOf(load<f64>(source + ((<usize>i) << 3)), factor);
    if (scaled != scaled) failures++;
  }
  return failures;
}

function binaryScale(source: usize, count: i32): i32 {
  let digits = 1;
  for (let i = 0; i < count; i++) {
    const bits = load<u64>(source + ((<usize>i) << 3));
    const mantissa = bits & 0xfffffffffffff;
    const exponent = <i32>((bits >> 52) & 0x7ff);
    if (exponent == 0x7ff || (exponent == 0 && mantissa == 0)) continue;
    const trailing = mantissa != 0 ? <i32>ctz(mantissa) : 52;
    digits = max(digits, 1075 - exponent - trailing);
  }
  const scale = DECIMAL_SCALES - 1 + digits;
  return scale < SCALES ? scale : -1;
}

function fillIntegers(source: usize, count: i32, factor: f64): void {
  patchCount = 0;
  let last: f64 = 0;
  for (let i = 0; i < count; i++) {
    const scaled = scaleOf(load<f64>(source + ((<usize>i) << 3)), factor);
    if (scaled != scaled) {
      store<u32>(patches + ((<usize>patchCount) << 2), i);
      patchCount++;
    } else last = scaled;
    store<f64>(integers + ((<usize>i) << 3), last);
  }
  if (patchCount == 0 || load<u32>(patches) != 0) return;
  let lead = 1;
  while (lead < patchCount && load<u32>(patches + ((<usize>lead) << 2)) == <u32>lead) lead++;
  if (lead >= count) return;
  const value = load<f64>(integers + ((<usize>lead) << 3));
  for (let i = 0; i < lead; i++) store<f64>(integers + ((<usize>i) << 3), value);
}

/** Plans `integers` or their differences, whichever is smaller; false when neither can be written. */
function planIntegers(count: i32): bool {
  if (!measure(integers, 0, count)) return false;
  if (count < 2) return true;
  const flags = planFlags;
  const base = planBase;
  const divisor = planDivisor;
  const width = planWidth;
  const bytes = planBytes;
  for (let i = count - 1; i > 0; i--) {
    const at = integers + ((<usize>i) << 3);
    store<f64>(differences + ((<usize>i) << 3), load<f64>(at) - load<f64>(at - 8));
  }
  if (measure(differences, 1, count) && planBytes < bytes) return true;
  planFlags = flags;
  planOrder = 0;
  planBase = base;
  planDivisor = divisor;
  planWidth = width;
  planBytes = bytes;
  return true;
}

function measure(values: usize, order: i32, count: i32): bool {
  let minimum = load<f64>(values + ((<usize>order) << 3));
  let maximum = minimum;
  for (let i = order + 1; i < count; i++) {
    const value = load<f64>(values + ((<usize>i) << 3));
    minimum = min(minimum, value);
    maximum = max(maximum, value);
  }
  const range = maximum - minimum;
  if (range > INTEGER_MAX || minimum < -INTEGER_MAX || maximum > INTEGER_MAX) return false;
  let divisor: u64 = 0;
  for (let i = order; i < count && divisor != 1; i++)
    divisor = gcd(<u64>(load<f64>(values + ((<usize>i) << 3)) - minimum), divisor);
  if (divisor == 0) divisor = 1;
  const step = <f64>divisor;
  const rows = count - order;
  const widest = bitWidth(range / step);
  let width = widest;
  let bits = widest * rows;
  if (widest >= 2) {
    memory.fill(histogram, 0, 56 * 4);
    for (let i = order; i < count; i++) {
      const number = (load<f64>(values + ((<usize>i) << 3)) - minimum) / step;
      const at = histogram + ((<usize>bitWidth(number)) << 2);
      store<u32>(at, load<u32>(at) + 1);
    }
    let outliers: i32 = 0;
    for (let next = widest - 1; next >= 0; next--) {
      outliers += <i32>load<u32>(histogram + ((<usize>(next + 1)) << 2));
      if (outliers * 4 > rows) break;
      const cost = next * rows + outliers * 8 * (1 + (widest - next + 6) / 7);
      if (cost < bits) {
        width = next;
        bits = cost;
      }
    }
  }
  planFlags = order == 0 ? 0 : FLAG_DIFFERENCES;
  if (divisor != 1) planFlags |= FLAG_DIVISOR;
  if (width < widest) planFlags |= FLAG_OUTLIERS;
  planOrder = order;
  planBase = minimum;
  planDivisor = step;
  planWidth = width;
  const first = order == 0 ? 0 : zigzagBytes(load<f64>(integers));
  planBytes = <f64>((bits + 7) / 8) + <f64>zigzagBytes(minimum) + <f64>first + <f64>rows / 512;
  return true;
}

function gcd(a: u64, b: u64): u64 {
  let x = a;
  let y = b;
  while (y != 0) {
    const rest = x % y;
    x = y;
    y = rest;
  }
  return x;
}

/** Bits of a whole number from 0 to 2^53. */
function bitWidth(value: f64): i32 {
  return 64 - <i32>clz(<u64>value);
}

function zigzagBytes(value: f64): i32 {
  return (bitWidth(abs(value)) + 7) / 7;
}

function writeScaled(source: usize, count: i32, scale: i32): void {
  store<u8>(to++, <u8>(2 | planFlags | (patchCount > 0 ? FLAG_PATCHES : 0)));
  store<u8>(to++, <u8>scale);
  store<u8>(to++, <u8>planWidth);
  if (planOrder == 1) writeZigzag(load<f64>(integers));
  writeZigzag(planBase);
  if ((planFlags & FLAG_DIVISOR) != 0) writeVarint(<u64>planDivisor);
  const values = planOrder == 0 ? integers : differences;
  const limit: u64 = (<u64>1) << (<u64>planWidth);
  let outliers: u64 = 0;
  for (let i = planOrder; i < count; i++) {
    const at = (<usize>i) << 3;
    const number = <u64>((load<f64>(values + at) - planBase) / planDivisor);
    store<u64>(packed + at, number);
    if (number >= limit) outliers++;
  }
  if ((planFlags & FLAG_OUTLIERS) != 0) writeOutliers(count, limit, outliers);
  pack(count);
  if (patchCount == 0) return;
  writeVarint(patchCount);
  let last: u32 = 0;
  for (let i = 0; i < patchCount; i++) {
    const row = load<u32>(patches + ((<usize>i) << 2));
    writeVarint(row - last);
    last = row;
    store<u64>(to, load<u64>(source + ((<usize>row) << 3)));
    to += 8;
  }
}

function writeOutliers(count: i32, limit: u64, outliers: u64): void {
  writeVarint(outliers);
  let last = planOrder;
  for (let i = planOrder; i < count; i++) {
    const at = packed + ((<usize>i) << 3);
    const number = load<u64>(at);
    if (number < limit) continue;
    writeVarint(<u64>(i - last));
    writeVarint(number >> <u64>planWidth);
    store<u64>(at, number & (limit - 1));
    last = i;
  }
}

/** Packs what `packed` has from the plan's order on, least significant bit first; the last byte is padded. */
function pack(count: i32): void {
  const width = <u64>planWidth;
  if (width == 0) return;
  let pending: u64 = 0;
  let bits: u64 = 0;
  for (let i = planOrder; i < count; i++) {
    const number = load<u64>(packed + ((<usize>i) << 3));
    // At most 7 bits wait, so that 53 more have room.
    pending |= number << bits;
    bits += width;
    store<u64>(to, pending);
    const whole = bits >> 3;
    to += <usize>whole;
    pending = whole == 8 ? 0 : pending >> (whole << 3);
    bits &= 7;
  }
  if (bits > 0) store<u8>(to++, <u8>pending);
}

function xorWidth(source: usize, count: i32): i32 {
  let changed: u64 = 0;
  for (let i = 1; i < count; i++) {
    const at = source + ((<usize>i) << 3);
    changed |= load<u64>(at) ^ load<u64>(at - 8);
  }
  return (71 - <i32>clz(changed)) / 8;
}

function xorBytes(source: usize, count: i32): i32 {
  let changes = 0;
  for (let i = 1; i < count; i++) {
    const at = source + ((<usize>i) << 3);
    if (load<u64>(at) != load<u64>(at - 8)) changes++;
  }
  return 10 + (count + 7) / 8 + changes * xorWidth(source, count);
}

function writeXor(source: usize, count: i32): void {
  const width = xorWidth(source, count);
  store<u8>(to++, 3);
  store<u8>(to++, <u8>width);
  store<u64>(to, load<u64>(source));
  to += 8;
  const map = to;
  const mapBytes = <usize>((count + 7) / 8);
  memory.fill(map, 0, mapBytes);
  to += mapBytes;
  for (let i = 1; i < count; i++) {
    const at = source + ((<usize>i) << 3);
    const change = load<u64>(at) ^ load<u64>(at - 8);
    if (change == 0) continue;
    const byte = map + <usize>(i >> 3);
    store<u8>(byte, <u8>(<u32>load<u8>(byte) | ((<u32>1) << (<u32>i & 7))));
    store<u64>(to, change);
    to += width;
  }
}

function writeVarint(value: u64): void {
  let rest = value;
  while (rest >= 128) {
    store<u8>(to++, <u8>(rest | 128));
    rest >>= 7;
  }
  store<u8>(to++, <u8>rest);
}

function writeZigzag(value: f64): void {
  writeVarint(value < 0 ? ((<u64>(-value - 1)) << 1) | 1 : (<u64>value) << 1);
}
