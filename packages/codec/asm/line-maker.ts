/**
 * Makes lines of a page out of templates and columns of values: `docs/format/log-pages.md`. Twin: `packages/store/src/log-page/line-maker-twin.ts`.
 * Values are decoded as they come: a column is read once, from its first value on. Reads up to 16 bytes behind texts and bodies, writes up to 128 behind lines.
 */

const CONSTANT: u32 = 0;
const DICTIONARY: u32 = 1;
const HEX: u32 = 2;
const UUID: u32 = 3;
const TIME: u32 = 4;
const NUMBER: u32 = 5;
const BYTES: u32 = 6;

const DAY_MS: i64 = 86_400_000;
/** The year 10000. */
const TIME_END: i64 = 253_402_300_800_000;
const NUMBER_END: i64 = 10_000_000_000_000_000;
const SLACK: usize = 128;

const MALFORMED: i32 = -1;
const NO_ROOM: i32 = -2;

/** A column, as `src/line-maker-kernel.ts` lays it out. */
@unmanaged
class Column {
  encoding: u32;
  rows: u32;
  body: u32;
  bodyBytes: u32;
  lengthMax: u32;
  /** Of a dictionary: its values, and where its bounds may be kept. */
  distinct: u32;
  bounds: u32;
  /** Bytes a number, or of packed digits, or of a length. */
  width: u32;
  isDelta: u32;
  decimals: u32;
  digits: u32;
  prefix: u32;
  prefixBytes: u32;
  suffix: u32;
  suffixBytes: u32;
  /** Room for the date of the time before. */
  date: u32;
  base: f64;
  // What follows is the kernel's own.
  value: i64;
  divisor: i64;
  day: i64;
  /** Place of the next value. */
  place: u32;
  /** Of a dictionary the first byte of the values, else that of the next value; where they end. */
  at: u32;
  end: u32;
  unused: u32;
}

/** A template, likewise: `columns` and `textEnds` are words, of each slot and of each text. */
@unmanaged
class Template {
  slots: u32;
  columns: u32;
  textEnds: u32;
  text: u32;
  /** Of its longest line. */
  lineMax: u32;
  unused: u32;
}

/** Puts a column at its beginning; a body that does not fit what is said of it is malformed. */
export function openColumn(address: usize): i32 {
  const column = changetype<Column>(address);
  const encoding = column.encoding;
  const rows = column.rows;
  const bodyBytes = column.bodyBytes;
  const width = column.width;
  column.place = 0;
  column.value = <i64>column.base;
  column.day = -1;
  column.at = column.body;
  column.end = column.body + bodyBytes;
  if (encoding == CONSTANT) return bodyBytes <= column.lengthMax ? 0 : MALFORMED;
  if (encoding == DICTIONARY) return openDictionary(column);
  if (encoding == UUID)
    return <u64>rows * 16 == bodyBytes && column.lengthMax >= 36 ? 0 : MALFORMED;
  if (encoding == HEX) return <u64>width * rows == bodyBytes ? 0 : MALFORMED;
  if (encoding == BYTES) {
    column.at = column.body + width * rows;
    return width > 0 && width <= 4 && <u64>width * rows <= bodyBytes ? 0 : MALFORMED;
  }
  if (encoding > BYTES || width > 7 || <u64>width * rows != bodyBytes) return MALFORMED;
  if (encoding == TIME) return column.lengthMax >= 24 ? 0 : MALFORMED;
  if (column.decimals > 15 || column.digits > 16) return MALFORMED;
  column.divisor = 1;
  for (let i: u32 = 0; i < column.decimals; i++) column.divisor *= 10;
  return 0;
}

function openDictionary(column: Column): i32 {
  let at = <usize>column.body;
  const end = <usize>column.end;
  let total: u32 = 0;
  for (let id: u32 = 0; id < column.distinct; id++) {
    store<u32>(<usize>column.bounds + 4 * id, total);
    let length: u32 = 0;
    for (let shift: u32 = 0; ; shift += 7) {
      if (at >= end || shift > 21) return MALFORMED;
      const byte: u32 = load<u8>(at++);
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if (length > column.lengthMax) return MALFORMED;
    total += length;
  }
  store<u32>(<usize>column.bounds + 4 * column.distinct, total);
  column.at = <u32>at;
  return <u64>total + column.rows == <u64>(end - at) ? 0 : MALFORMED;
}

/**
 * Makes the lines of rows `0 … rows - 1`, of those alone whose byte at `wanted` is not 0 unless `wanted` is 0, behind each other from `out` on, and writes to `bounds` where each
 * ends, from `out`. `templateOf`: 16 bits a row, 0 when all have template 0. Returns the length of all; columns must be opened first.
 */
export function makeLines(
  rows: u32,
  templateOf: usize,
  templates: usize,
  columns: usize,
  wanted: usize,
  out: usize,
  outEnd: usize,
  bounds: usize,
): i32 {
  let to = out;
  for (let row: u32 = 0; row < rows; row++) {
    const number: usize = templateOf == 0 ? 0 : load<u16>(templateOf + 2 * row);
    const template = changetype<Template>(templates + number * offsetof<Template>());
    const numbers = <usize>template.columns;
    const slots = template.slots;
    if (wanted != 0 && load<u8>(wanted + row) == 0) {
      for (let slot: u32 = 0; slot < slots; slot++)
        if (!skipValue(columnAt(columns, numbers, slot))) return MALFORMED;
      continue;
    }
    if (to + template.lineMax + SLACK > outEnd) return NO_ROOM;
    let from: u32 = 0;
    for (let slot: u32 = 0; ; slot++) {
      const end = load<u32>(<usize>template.textEnds + 4 * slot);
      to = copy(<usize>template.text + from, end - from, to);
      from = end;
      if (slot == slots) break;
      to = putValue(columnAt(columns, numbers, slot), to);
      if (to == 0) return MALFORMED;
    }
    store<u32>(bounds, <u32>(to - out));
    bounds += 4;
  }
  return <i32>(to - out);
}

function columnAt(columns: usize, numbers: usize, slot: u32): Column {
  return changetype<Column>(columns + load<u32>(numbers + 4 * slot) * offsetof<Column>());
}

/** Copies sixteen bytes at a time, and so up to fifteen too many. */
function copy(from: usize, length: u32, to: usize): usize {
  v128.store(to, v128.load(from));
  for (let done: u32 = 16; done < length; done += 16) v128.store(to + done, v128.load(from + done));
  return to + length;
}

function skipValue(column: Column): bool {
  const place = column.place;
  const encoding = column.encoding;
  if (place >= column.rows) return false;
  column.place = place + 1;
  if (encoding == BYTES) {
    const length = readPlanes(column, place);
    if (length > column.end - column.at) return false;
    column.at += <u32>length;
  } else if ((encoding == NUMBER || encoding == TIME) && column.isDelta != 0)
    nextNumber(column, place);
  return true;
}

/** Writes the next value; returns where it ends, 0 when it is malformed. */
function putValue(column: Column, to: usize): usize {
  const place = column.place;
  const encoding = column.encoding;
  if (place >= column.rows) return 0;
  column.place = place + 1;
  if (encoding == DICTIONARY) {
    const id = <u32>load<u8>(<usize>column.end - column.rows + place);
    if (id >= column.distinct) return 0;
    const bounds = <usize>column.bounds + 4 * id;
    const start = load<u32>(bounds);
    return copy(<usize>column.at + start, load<u32>(bounds, 4) - start, to);
  }
  if (encoding == BYTES) {
    const length = readPlanes(column, place);
    if (length > column.end - column.at || length > column.lengthMax) return 0;
    const from = <usize>column.at;
    column.at += <u32>length;
    return copy(from, <u32>length, to);
  }
  if (encoding == NUMBER) return putNumber(column, nextNumber(column, place), to);
  if (encoding == CONSTANT) return copy(column.body, column.bodyBytes, to);
  if (encoding == HEX) return putHex(<usize>column.body + place * column.width, column.width, to);
  if (encoding == TIME) return putTime(column, nextNumber(column, place), to);
  return putUuid(<usize>column.body + 16 * place, to);
}

/** What stands of row `place` in planes. */
function readPlanes(column: Column, place: u32): u64 {
  const rows = column.rows;
  const width = column.width;
  let at = <usize>column.body + place;
  let value: u64 = 0;
  for (let plane: u32 = 0; plane < width; plane++, at += rows)
    value |= (<u64>load<u8>(at)) << (8 * plane);
  return value;
}

function nextNumber(column: Column, place: u32): i64 {
  const read = readPlanes(column, place);
  if (column.isDelta == 0) return <i64>column.base + <i64>read;
  column.value += <i64>(read >>> 1) ^ -(<i64>(read & 1));
  return column.value;
}

function putNumber(column: Column, value: i64, to: usize): usize {
  if (<u64>value >= <u64>NUMBER_END) return 0;
  const start = to;
  to = copy(column.prefix, column.prefixBytes, to);
  const decimals = column.decimals;
  const digits = column.digits;
  let whole = <u64>value;
  let fraction: u64 = 0;
  if (decimals > 0) {
    whole = <u64>value / <u64>column.divisor;
    fraction = <u64>value - whole * <u64>column.divisor;
  }
  to = putDigits(whole, digits > 0 ? digits : digitsOf(whole), to);
  if (decimals > 0) {
    store<u8>(to, 46);
    to = putDigits(fraction, decimals, to + 1);
  }
  to = copy(column.suffix, column.suffixBytes, to);
  return to - start <= column.lengthMax ? to : 0;
}

function digitsOf(value: u64): u32 {
  let count: u32 = 1;
  for (let power: u64 = 10; count < 16 && value >= power; power *= 10) count++;
  return count;
}

/** The last `count` digits of the value, zeros in front; at most 16. */
function putDigits(value: u64, count: u32, to: usize): usize {
  if (count <= 8) {
    store<u64>(to, eightDigits(value % 100_000_000) >>> (8 * (8 - count)));
    return to + count;
  }
  const high = value / 100_000_000;
  store<u64>(to, eightDigits(high % 100_000_000) >>> (8 * (16 - count)));
  store<u64>(to + count - 8, eightDigits(value - high * 100_000_000));
  return to + count;
}

/** Eight digits as text, the first in the lowest byte: halves, quarters and digits are divided side by side. */
function eightDigits(value: u64): u64 {
  const high = value / 10_000;
  const fours = high | ((value - high * 10_000) << 32);
  const hundreds = ((fours * 10_486) >>> 20) & 0x0000_007f_0000_007f;
  const twos = hundreds | ((fours - hundreds * 100) << 16);
  const tens = ((twos * 103) >>> 10) & 0x000f_000f_000f_000f;
  return tens | ((twos - tens * 10) << 8) | 0x3030_3030_3030_3030;
}

/** Digits of eight packed bytes at a time. */
function putHex(from: usize, width: u32, to: usize): usize {
  for (let done: u32 = 0; done < width; done += 8) v128.store(to + 2 * done, hexOf(from + done));
  return to + 2 * width;
}

function hexOf(from: usize): v128 {
  const packed = v128.load64_zero(from);
  const high = i8x16.shr_u(packed, 4);
  const low = v128.and(packed, i8x16.splat(15));
  const digits = v128.shuffle<u8>(
    high,
    low,
    0,
    16,
    1,
    17,
    2,
    18,
    3,
    19,
    4,
    20,
    5,
    21,
    6,
    22,
    7,
    23,
  );
  const letters = v128.and(i8x16.gt_u(digits, i8x16.splat(9)), i8x16.splat(39));
  return i8x16.add(i8x16.add(digits, i8x16.splat(48)), letters);
}

function putUuid(from: usize, to: usize): usize {
  const first = hexOf(from);
  const second = hexOf(from + 8);
  store<u64>(to, v128.extract_lane<u64>(first, 0));
  store<u8>(to, 45, 8);
  const middle = v128.extract_lane<u64>(first, 1);
  store<u32>(to, <u32>middle, 9);
  store<u8>(to, 45, 13);
  store<u32>(to, <u32>(middle >>> 32), 14);
  store<u8>(to, 45, 18);
  store<u32>(to, v128.extract_lane<u32>(second, 0), 19);
  store<u8>(to, 45, 23);
  store<u32>(to, v128.extract_lane<u32>(second, 1), 24);
  store<u64>(to, v128.extract_lane<u64>(second, 1), 28);
  return to + 36;
}

function putTime(column: Column, value: i64, to: usize): usize {
  if (<u64>value >= <u64>TIME_END) return 0;
  const day = value / DAY_MS;
  if (day != column.day) {
    column.day = day;
    putDate(<i32>day, column.date);
  }
  copy(column.date, 11, to);
  const ms = <u32>(value - day * DAY_MS);
  putTwo(ms / 3_600_000, to + 11);
  store<u8>(to, 58, 13);
  putTwo((ms / 60_000) % 60, to + 14);
  store<u8>(to, 58, 16);
  putTwo((ms / 1000) % 60, to + 17);
  store<u8>(to, 46, 19);
  store<u8>(to, <u8>(48 + ((ms / 100) % 10)), 20);
  putTwo(ms % 100, to + 21);
  store<u8>(to, 90, 23);
  return to + 24;
}

function putTwo(value: u32, to: usize): void {
  const tens = value / 10;
  store<u8>(to, <u8>(48 + tens));
  store<u8>(to, <u8>(48 + value - 10 * tens), 1);
}

/** `YYYY-MM-DDT` of a day since 1970: years begin in March, so that the leap day is the last of one. */
function putDate(day: i32, to: usize): void {
  const days = day + 719_468;
  const era = days / 146_097;
  const ofEra = days - era * 146_097;
  const yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365;
  const ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const march = (5 * ofYear + 2) / 153;
  const month = march < 10 ? march + 3 : march - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  putTwo(year / 100, to);
  putTwo(year % 100, to + 2);
  store<u8>(to, 45, 4);
  putTwo(month, to + 5);
  store<u8>(to, 45, 7);
  putTwo(ofYear - (153 * march + 2) / 5 + 1, to + 8);
  store<u8>(to, 84, 10);
}
