/**
 * Turns the values of a column into the encoding that is smallest for what they are: `docs/format/log-pages.md`, columns of values. Twin:
 * `packages/store/src/log-page/column-encoder.ts`. Reads up to 64 bytes behind values, writes up to 16 behind a body.
 */
import { isSame } from "./same-bytes";
import {
  classes,
  distinct,
  lengthMax,
  lengthMin,
  rowOf,
  summarizeValues,
  totalBytes,
} from "./value-summary";

const CONSTANT: i32 = 0;
const DICTIONARY: i32 = 1;
const HEX: i32 = 2;
const UUID: i32 = 3;
const TIME: i32 = 4;
const NUMBER: i32 = 5;
const BYTES: i32 = 6;

const DIGITS: u32 = 1;
const HEX_LETTERS: u32 = 2;
const DASHES: u32 = 32;

const HEX_WIDTH_MIN: u32 = 8;
const UUID_WIDTH: u32 = 36;
const TIME_LENGTH: u32 = 24;
const NUMBER_DIGITS_MAX: u32 = 15;
const PREFIX_MAX: u32 = 32;
const SUFFIX_MAX: u32 = 16;

/** The column at hand. */
let base: usize = 0;
let startsAt: usize = 0;
let endsAt: usize = 0;
let rows: usize = 0;
let numbersAt: usize = 0;
let bodyTo: usize = 0;

/** What `encodeColumn` found: planes, and the text of numbers. */
let width: u32 = 0;
let isDelta = false;
let planeBase: i64 = 0;
let decimals: u32 = 0;
let digits: u32 = 0;
let prefix: u32 = 0;
let suffix: u32 = 0;

/**
 * Looks at `count` values, between `lines + starts[i]` and `lines + ends[i]`; returns how many bytes their body may take. `work`: 1536 words, `ids`: a byte a
 * value, both for {@link encodeColumn}, which must come next.
 */
export function summarizeColumn(
  lines: usize,
  starts: usize,
  ends: usize,
  count: u32,
  work: usize,
  ids: usize,
): f64 {
  base = lines;
  startsAt = starts;
  endsAt = ends;
  rows = count;
  summarizeValues(lines, starts, ends, count, work, ids);
  return totalBytes + 8 * <f64>count + 1280;
}

/**
 * Writes the body of the column that was summarized to `body`, and to `result` in words: its length, classes, shortest and longest length, values of
 * the dictionary, bytes a number, whether these are differences, decimals, digits, length of prefix and of suffix, nothing, then the base as a double. Returns
 * the encoding. `numbers`: 8 bytes a value, for its own use.
 */
export function encodeColumn(
  work: usize,
  ids: usize,
  numbers: usize,
  body: usize,
  result: usize,
): i32 {
  numbersAt = numbers;
  bodyTo = body;
  width = decimals = digits = prefix = suffix = 0;
  isDelta = false;
  planeBase = 0;
  const encoding = chooseEncoding(work, ids);
  store<u32>(result, <u32>(bodyTo - body));
  store<u32>(result, classes, 4);
  store<u32>(result, lengthMin, 8);
  store<u32>(result, lengthMax, 12);
  store<u32>(result, distinct, 16);
  store<u32>(result, width, 20);
  store<u32>(result, u32(isDelta), 24);
  store<u32>(result, decimals, 28);
  store<u32>(result, digits, 32);
  store<u32>(result, prefix, 36);
  store<u32>(result, suffix, 40);
  store<f64>(result, <f64>planeBase, 48);
  return encoding;
}

function chooseEncoding(work: usize, ids: usize): i32 {
  if (distinct == 1) {
    putValue(0);
    return CONSTANT;
  }
  if (distinct > 0) {
    putDictionary(work, ids);
    return DICTIONARY;
  }
  if (lengthMin == lengthMax) {
    const isHex = (classes & ~(DIGITS | HEX_LETTERS)) == 0 && (lengthMin & 1) == 0;
    // Digits alone are better off as numbers.
    if (
      isHex &&
      lengthMin >= HEX_WIDTH_MIN &&
      (classes != DIGITS || lengthMin > NUMBER_DIGITS_MAX)
    ) {
      putHex(lengthMin);
      return HEX;
    }
    if (
      lengthMin == UUID_WIDTH &&
      (classes & ~(DIGITS | HEX_LETTERS | DASHES)) == 0 &&
      areUuids()
    ) {
      putUuids();
      return UUID;
    }
    if (lengthMin == TIME_LENGTH && readTimes()) {
      putNumbers();
      return TIME;
    }
  }
  if ((classes & DIGITS) != 0 && readNumbers()) {
    putNumbers();
    return NUMBER;
  }
  decimals = digits = prefix = suffix = 0;
  putBytes();
  return BYTES;
}

function startOf(row: usize): usize {
  return base + load<u32>(startsAt + (row << 2));
}

function endOf(row: usize): usize {
  return base + load<u32>(endsAt + (row << 2));
}

function putValue(row: usize): void {
  const start = startOf(row);
  const length = endOf(row) - start;
  if (length <= 16) v128.store(bodyTo, v128.load(start));
  else memory.copy(bodyTo, start, length);
  bodyTo += length;
}

function putDictionary(work: usize, ids: usize): void {
  for (let id: u32 = 0; id < distinct; id++) {
    const row = <usize>rowOf(work, id);
    let length = endOf(row) - startOf(row);
    for (; length > 127; length >>= 7) store<u8>(bodyTo++, <u8>(length | 128));
    store<u8>(bodyTo++, <u8>length);
  }
  for (let id: u32 = 0; id < distinct; id++) putValue(<usize>rowOf(work, id));
  memory.copy(bodyTo, ids, rows);
  bodyTo += rows;
}

function putHex(length: u32): void {
  for (let row: usize = 0; row < rows; row++) {
    let at = startOf(row);
    const end = at + length;
    for (; at + 16 <= end; at += 16, bodyTo += 8) {
      const bytes = v128.load(at);
      const halves = i8x16.add(
        v128.and(bytes, i8x16.splat(15)),
        v128.and(i8x16.gt_s(bytes, i8x16.splat(57)), i8x16.splat(9)),
      );
      // The first digit of each two is in the low byte of a lane.
      const pairs = v128.or(
        i16x8.shl(v128.and(halves, i16x8.splat(255)), 4),
        i16x8.shr_u(halves, 8),
      );
      store<i64>(bodyTo, i64x2.extract_lane(i8x16.narrow_i16x8_u(pairs, pairs), 0));
    }
    for (; at < end; at += 2) putPair(at);
  }
}

function putPair(at: usize): void {
  store<u8>(bodyTo++, <u8>((halfOf(load<u8>(at)) << 4) | halfOf(load<u8>(at, 1))));
}

/** `a` is 97 = 64 + 33, so that 9 more than its low bits. */
function halfOf(digit: u32): u32 {
  return (digit & 15) + 9 * (digit >> 6);
}

function areUuids(): bool {
  for (let row: usize = 0; row < rows; row++) {
    const at = startOf(row);
    for (let i: usize = 0; i < UUID_WIDTH; i++) {
      const isDash = i == 8 || i == 13 || i == 18 || i == 23;
      if ((load<u8>(at + i) == 45) != isDash) return false;
    }
  }
  return true;
}

function putUuids(): void {
  for (let row: usize = 0; row < rows; row++) {
    const end = startOf(row) + UUID_WIDTH;
    for (let at = end - UUID_WIDTH; at < end; at += 2) {
      if (load<u8>(at) == 45) at++;
      putPair(at);
    }
  }
}

function readTimes(): bool {
  let dayMs: i64 = 0;
  for (let row: usize = 0; row < rows; row++) {
    const at = startOf(row);
    if (!isTimeShaped(at)) return false;
    if (row == 0 || !isSame(at, startOf(row - 1), 10)) {
      dayMs = parseDay(at);
      if (dayMs < 0) return false;
    }
    const hours = twoDigits(at + 11);
    const minutes = twoDigits(at + 14);
    const seconds = twoDigits(at + 17);
    if (hours > 23 || minutes > 59 || seconds > 59) return false;
    const ms = (<u32>load<u8>(at, 20) - 48) * 100 + twoDigits(at + 21);
    const inDay = ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms;
    store<i64>(numbersAt + (row << 3), dayMs + <i64>inDay);
  }
  return true;
}

/** Whether it is `0000-00-00T00:00:00.000Z` with any digits. */
function isTimeShaped(at: usize): bool {
  const first = v128.load(at);
  const rest = i64x2(load<i64>(at, 16), 0);
  return (
    isShaped(
      first,
      i8x16(48, 48, 48, 48, 45, 48, 48, 45, 48, 48, 84, 48, 48, 58, 48, 48),
      i8x16(9, 9, 9, 9, 0, 9, 9, 0, 9, 9, 0, 9, 9, 0, 9, 9),
    ) &&
    isShaped(
      rest,
      i8x16(58, 48, 48, 46, 48, 48, 48, 90, 0, 0, 0, 0, 0, 0, 0, 0),
      i8x16(0, 9, 9, 0, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    )
  );
}

/** Whether no byte is more than `room` above its mark, or below it. */
function isShaped(bytes: v128, marks: v128, room: v128): bool {
  return i8x16.all_true(i8x16.le_u(i8x16.sub(bytes, marks), room));
}

function twoDigits(at: usize): u32 {
  return <u32>load<u8>(at) * 10 + <u32>load<u8>(at, 1) - 528;
}

/** Milliseconds of the beginning of a day on the calendar from 1970 on; else -1. */
function parseDay(at: usize): i64 {
  const year = twoDigits(at) * 100 + twoDigits(at + 2);
  const month = twoDigits(at + 5);
  const day = twoDigits(at + 8);
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return -1;
  // Years begin in March.
  const shifted = month < 3 ? year - 1 : year;
  const dayOfYear = (153 * (month < 3 ? month + 9 : month - 3) + 2) / 5 + day - 1;
  const days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear;
  return <i64>(days - 719468) * 86_400_000;
}

function daysOf(year: u32, month: u32): u32 {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

function readNumbers(): bool {
  const first = startOf(0);
  const firstEnd = endOf(0);
  while (first + prefix < firstEnd && prefix < PREFIX_MAX && !isDigit(first + prefix)) prefix++;
  while (
    firstEnd - suffix > first + prefix &&
    suffix < SUFFIX_MAX &&
    !isDigit(firstEnd - suffix - 1)
  )
    suffix++;
  const affixes = prefix + suffix;
  if (lengthMin <= affixes) return false;
  let places: u32 = 0xffffffff;
  let isPadded = false;
  for (let row: usize = 0; row < rows; row++) {
    const from = startOf(row) + prefix;
    const to = endOf(row) - suffix;
    if (!isSame(from - prefix, first, prefix) || !isSame(to, firstEnd - suffix, suffix))
      return false;
    let value: i64 = 0;
    let point: usize = 0;
    for (let at = from; at < to; at++) {
      const digit = <u32>load<u8>(at) - 48;
      if (digit <= 9) value = value * 10 + <i64>digit;
      else if (load<u8>(at) == 46 && point == 0 && at > from) point = at;
      else return false;
    }
    const length = <u32>(to - from);
    if (length - u32(point != 0) > NUMBER_DIGITS_MAX) return false;
    const fraction = point == 0 ? 0 : <u32>(to - point - 1);
    if (point != 0 && fraction == 0) return false;
    if (load<u8>(from) == 48 && length > 1 && load<u8>(from, 1) != 46) isPadded = true;
    if (row == 0) places = fraction;
    else if (places != fraction) return false;
    store<i64>(numbersAt + (row << 3), value);
  }
  if (isPadded && !(lengthMin == lengthMax && places == 0)) return false;
  decimals = places;
  digits = isPadded ? lengthMin - affixes : 0;
  return true;
}

function isDigit(at: usize): bool {
  return <u32>load<u8>(at) - 48 < 10;
}

/** The numbers as planes of offsets from the smallest, or of differences where these need fewer bytes. */
function putNumbers(): void {
  let least = load<i64>(numbersAt);
  let most = least;
  let step: i64 = 0;
  let before = least;
  for (let row: usize = 1; row < rows; row++) {
    const value = load<i64>(numbersAt + (row << 3));
    least = min(least, value);
    most = max(most, value);
    step = max(step, abs(value - before));
    before = value;
  }
  const deltaWidth = widthOf(2 * step + 1);
  width = widthOf(most - least);
  isDelta = deltaWidth < width;
  if (isDelta) width = deltaWidth;
  planeBase = isDelta ? load<i64>(numbersAt) : least;
  let previous = planeBase;
  for (let row: usize = 0; row < rows; row++) {
    const value = load<i64>(numbersAt + (row << 3));
    let rest = value - previous;
    if (isDelta) {
      rest = rest < 0 ? -2 * rest - 1 : 2 * rest;
      previous = value;
    }
    for (let at = bodyTo + row, left = width; left > 0; left--, at += rows, rest >>= 8)
      store<u8>(at, <u8>rest);
  }
  bodyTo += width * rows;
}

function widthOf(largest: i64): u32 {
  return (71 - <u32>clz(largest)) >> 3;
}

function putBytes(): void {
  const bytes: usize = lengthMax < 256 ? 1 : lengthMax < 65536 ? 2 : 4;
  for (let row: usize = 0; row < rows; row++) {
    const length = endOf(row) - startOf(row);
    for (let plane: usize = 0; plane < bytes; plane++)
      store<u8>(bodyTo + plane * rows + row, <u8>(length >> (8 * plane)));
  }
  bodyTo += bytes * rows;
  for (let row: usize = 0; row < rows; row++) putValue(row);
}
