/** Turns the values of a column into the encoding that is smallest for what they are: the twin of codec's kernel `value-column`, which tests hold to it. */
import { ByteWriter } from "@finch/codec";
import type { ColumnValues } from "@finch/codec/kernels";
import {
  BYTE_CLASSES,
  BYTES,
  CONSTANT,
  DASHES,
  DICTIONARY,
  DIGITS,
  HEX,
  HEX_LETTERS,
  NUMBER,
  TIME,
  UUID,
} from "./column-format.ts";
import type { ColumnHead, NumberText, Planes } from "./column-format.ts";

export interface EncodedColumn {
  readonly head: ColumnHead;
  /** Not compressed; a copy. */
  readonly body: Uint8Array;
  /** Whether compressing it would be in vain. */
  readonly isDense: boolean;
}

const DICTIONARY_MAX = 256;
const TABLE_SIZE = 1024;
const table = new Int16Array(TABLE_SIZE);
const dictionaryRows = new Uint32Array(DICTIONARY_MAX);
const dictionaryHashes = new Int32Array(DICTIONARY_MAX);

/** Numbers of the column at hand. */
let numbers = new Float64Array(4096);
let ids = new Uint8Array(4096);

function reserveRows(rows: number): void {
  if (rows <= numbers.length) return;
  numbers = new Float64Array(2 * rows);
  ids = new Uint8Array(2 * rows);
}

export function encodeColumn(bytes: Uint8Array, refs: ColumnValues): EncodedColumn {
  reserveRows(refs.count);
  const distinct = fillDictionary(bytes, refs);
  const summary = summarize(bytes, refs, distinct);
  if (distinct === 1) {
    const body = bytes.slice(refs.starts[0], refs.ends[0]);
    return { head: { ...summary, encoding: CONSTANT }, body, isDense: false };
  }
  if (distinct > 0) return encodeDictionary(bytes, refs, { ...summary, distinct });
  return (
    encodeHex(bytes, refs, summary) ??
    encodeTimes(bytes, refs, summary) ??
    encodeNumbers(bytes, refs, summary) ??
    encodeBytes(bytes, refs, summary)
  );
}

/** How many values there are, with the number of each row's in `ids`; 0 when there are too many for a dictionary. */
function fillDictionary(bytes: Uint8Array, { count, starts, ends }: ColumnValues): number {
  const max = Math.min(DICTIONARY_MAX, (count >> 1) + 1);
  table.fill(-1);
  let distinct = 0;
  let last = -1;
  for (let row = 0; row < count; row++) {
    const start = starts[row]!;
    const end = ends[row]!;
    // What a row has, the next often has too.
    if (
      last >= 0 &&
      isSame(bytes, start, end, starts[dictionaryRows[last]!]!, ends[dictionaryRows[last]!]!)
    ) {
      ids[row] = last;
      continue;
    }
    let hash = end - start;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    let slot = (hash ^ (hash >>> 15)) & (TABLE_SIZE - 1);
    let found = -1;
    for (let id = table[slot]!; id >= 0; id = table[slot]!) {
      const first = dictionaryRows[id]!;
      if (
        dictionaryHashes[id] === hash &&
        isSame(bytes, start, end, starts[first]!, ends[first]!)
      ) {
        found = id;
        break;
      }
      slot = (slot + 1) & (TABLE_SIZE - 1);
    }
    if (found < 0) {
      if (distinct >= max) return 0;
      found = distinct++;
      dictionaryRows[found] = row;
      dictionaryHashes[found] = hash;
      table[slot] = found;
    }
    ids[row] = found;
    last = found;
  }
  return distinct;
}

function isSame(bytes: Uint8Array, start: number, end: number, from: number, to: number): boolean {
  if (end - start !== to - from) return false;
  for (let i = start, k = from; i < end; i++, k++) if (bytes[i] !== bytes[k]) return false;
  return true;
}

/** Classes and lengths of the values; of those of the dictionary alone when there is one. */
function summarize(bytes: Uint8Array, refs: ColumnValues, distinct: number): ColumnHead {
  const { count, starts, ends } = refs;
  const values = distinct > 0 ? distinct : count;
  let classes = 0;
  let lengthMin = Infinity;
  let lengthMax = 0;
  for (let value = 0; value < values; value++) {
    const row = distinct > 0 ? dictionaryRows[value]! : value;
    const start = starts[row]!;
    const end = ends[row]!;
    for (let i = start; i < end; i++) classes |= BYTE_CLASSES[bytes[i]!]!;
    if (end - start < lengthMin) lengthMin = end - start;
    if (end - start > lengthMax) lengthMax = end - start;
  }
  const head = { encoding: BYTES, rows: count, classes, lengthMin, lengthMax } as const;
  return { ...head, distinct: 0, planes: undefined, text: undefined };
}

function encodeDictionary(
  bytes: Uint8Array,
  refs: ColumnValues,
  summary: ColumnHead,
): EncodedColumn {
  const { starts, ends, count } = refs;
  const { distinct } = summary;
  const writer = new ByteWriter(distinct * (summary.lengthMax + 2) + count);
  for (let id = 0; id < distinct; id++) {
    const row = dictionaryRows[id]!;
    writer.writeVarint(ends[row]! - starts[row]!);
  }
  for (let id = 0; id < distinct; id++) {
    const row = dictionaryRows[id]!;
    writer.writeBytes(bytes.subarray(starts[row], ends[row]));
  }
  writer.writeBytes(ids.subarray(0, count));
  return { head: { ...summary, encoding: DICTIONARY }, body: writer.finish(), isDense: false };
}

const HEX_WIDTH_MIN = 8;
const UUID_WIDTH = 36;

function encodeHex(
  bytes: Uint8Array,
  refs: ColumnValues,
  summary: ColumnHead,
): EncodedColumn | undefined {
  const { classes, lengthMin: width, lengthMax } = summary;
  if (width !== lengthMax) return undefined;
  const isHex = (classes & ~(DIGITS | HEX_LETTERS)) === 0 && width % 2 === 0;
  const isUuid = width === UUID_WIDTH && (classes & ~(DIGITS | HEX_LETTERS | DASHES)) === 0;
  // Digits alone are better off as numbers.
  if (isHex && width >= HEX_WIDTH_MIN && (classes !== DIGITS || width > NUMBER_DIGITS_MAX)) {
    const body = packHex(bytes, refs, width, false);
    return { head: { ...summary, encoding: HEX }, body, isDense: true };
  }
  if (!isUuid || !refsAreUuids(bytes, refs)) return undefined;
  const body = packHex(bytes, refs, width, true);
  return { head: { ...summary, encoding: UUID }, body, isDense: true };
}

function refsAreUuids(bytes: Uint8Array, { count, starts }: ColumnValues): boolean {
  for (let row = 0; row < count; row++) {
    const at = starts[row]!;
    for (let i = 0; i < UUID_WIDTH; i++) {
      const isDash = i === 8 || i === 13 || i === 18 || i === 23;
      if ((bytes[at + i] === 45) !== isDash) return false;
    }
  }
  return true;
}

function packHex(
  bytes: Uint8Array,
  { count, starts }: ColumnValues,
  width: number,
  hasDashes: boolean,
): Uint8Array {
  const out = new Uint8Array((count * (hasDashes ? 32 : width)) / 2);
  let at = 0;
  for (let row = 0; row < count; row++) {
    const end = starts[row]! + width;
    for (let i = starts[row]!; i < end; i += 2) {
      if (hasDashes && bytes[i] === 45) i++;
      const high = bytes[i]!;
      const low = bytes[i + 1]!;
      // `a` is 97 = 64 + 33, so that 9 more than its low bits.
      out[at++] = (((high & 15) + 9 * (high >> 6)) << 4) | ((low & 15) + 9 * (low >> 6));
    }
  }
  return out;
}

const TIME_LENGTH = 24;
const DAY_MS = 86_400_000;

function encodeTimes(
  bytes: Uint8Array,
  refs: ColumnValues,
  summary: ColumnHead,
): EncodedColumn | undefined {
  if (summary.lengthMin !== TIME_LENGTH || summary.lengthMax !== TIME_LENGTH) return undefined;
  const { count, starts } = refs;
  let day = -1;
  let dayMs = 0;
  for (let row = 0; row < count; row++) {
    const at = starts[row]!;
    if (!isTimeShaped(bytes, at)) return undefined;
    const date =
      digitsAt(bytes, at, 4) * 10_000 +
      digitsAt(bytes, at + 5, 2) * 100 +
      digitsAt(bytes, at + 8, 2);
    if (date !== day) {
      const parsed = parseDay(bytes, at);
      if (parsed === undefined) return undefined;
      dayMs = parsed;
      day = date;
    }
    const hours = digitsAt(bytes, at + 11, 2);
    const minutes = digitsAt(bytes, at + 14, 2);
    const seconds = digitsAt(bytes, at + 17, 2);
    if (hours > 23 || minutes > 59 || seconds > 59) return undefined;
    numbers[row] =
      dayMs + hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + digitsAt(bytes, at + 20, 3);
  }
  const { planes, body } = packNumbers(count);
  return { head: { ...summary, encoding: TIME, planes }, body, isDense: false };
}

/** What stands in the place of each digit and mark. */
const TIME_MARKS = new TextEncoder().encode("0000-00-00T00:00:00.000Z");

function isTimeShaped(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < TIME_LENGTH; i++) {
    const mark = TIME_MARKS[i]!;
    const c = bytes[at + i]!;
    if (mark === 48 ? c < 48 || c > 57 : c !== mark) return false;
  }
  return true;
}

function digitsAt(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value = value * 10 + bytes[at + i]! - 48;
  return value;
}

function parseDay(bytes: Uint8Array, at: number): number | undefined {
  const dayMs = Date.UTC(
    digitsAt(bytes, at, 4),
    digitsAt(bytes, at + 5, 2) - 1,
    digitsAt(bytes, at + 8, 2),
  );
  // A day that is not on the calendar would come back as another.
  const text = new Date(dayMs).toISOString();
  for (let i = 0; i < 10; i++) if (text.charCodeAt(i) !== bytes[at + i]) return undefined;
  return dayMs >= 0 && dayMs % DAY_MS === 0 ? dayMs : undefined;
}

const NUMBER_DIGITS_MAX = 15;
const PREFIX_MAX = 32;
const SUFFIX_MAX = 16;

function encodeNumbers(
  bytes: Uint8Array,
  refs: ColumnValues,
  summary: ColumnHead,
): EncodedColumn | undefined {
  const { starts, ends, count } = refs;
  if ((summary.classes & DIGITS) === 0) return undefined;
  const start = starts[0]!;
  const end = ends[0]!;
  const prefix = bytes.slice(start, start + prefixLength(bytes, start, end));
  const suffix = bytes.slice(end - suffixLength(bytes, start + prefix.length, end), end);
  const affixes = prefix.length + suffix.length;
  if (summary.lengthMin <= affixes) return undefined;
  const isFixed = summary.lengthMin === summary.lengthMax;
  let decimals = -1;
  let isPadded = false;
  for (let row = 0; row < count; row++) {
    const from = starts[row]! + prefix.length;
    const to = ends[row]! - suffix.length;
    if (!startsWith(bytes, starts[row]!, prefix) || !startsWith(bytes, to, suffix))
      return undefined;
    let value = 0;
    let fraction = -1;
    for (let i = from; i < to; i++) {
      const digit = bytes[i]! - 48;
      if (digit >= 0 && digit <= 9) {
        value = value * 10 + digit;
        if (fraction >= 0) fraction++;
      } else if (bytes[i] === 46 && fraction < 0 && i > from) fraction = 0;
      else return undefined;
    }
    if (to - from - (fraction >= 0 ? 1 : 0) > NUMBER_DIGITS_MAX || fraction === 0) return undefined;
    if (bytes[from] === 48 && to - from > 1 && bytes[from + 1] !== 46) isPadded = true;
    if (fraction < 0) fraction = 0;
    if (decimals < 0) decimals = fraction;
    else if (decimals !== fraction) return undefined;
    numbers[row] = value;
  }
  if (isPadded && !(isFixed && decimals === 0)) return undefined;
  const digits = isPadded ? summary.lengthMin - affixes : 0;
  const { planes, body } = packNumbers(count);
  const text: NumberText = { decimals, digits, prefix, suffix };
  return { head: { ...summary, encoding: NUMBER, planes, text }, body, isDense: false };
}

function prefixLength(bytes: Uint8Array, start: number, end: number): number {
  let length = 0;
  while (
    start + length < end &&
    length < PREFIX_MAX &&
    BYTE_CLASSES[bytes[start + length]!] !== DIGITS
  )
    length++;
  return length;
}

function suffixLength(bytes: Uint8Array, start: number, end: number): number {
  let length = 0;
  while (
    end - length > start &&
    length < SUFFIX_MAX &&
    BYTE_CLASSES[bytes[end - 1 - length]!] !== DIGITS
  )
    length++;
  return length;
}

function startsWith(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false;
  return true;
}

/** `numbers` as planes of offsets from the smallest, or of differences where these need fewer bytes. */
function packNumbers(count: number): { readonly planes: Planes; readonly body: Uint8Array } {
  let min = numbers[0]!;
  let max = min;
  let step = 0;
  for (let row = 1; row < count; row++) {
    const value = numbers[row]!;
    if (value < min) min = value;
    if (value > max) max = value;
    const distance = Math.abs(value - numbers[row - 1]!);
    if (distance > step) step = distance;
  }
  const isDelta = widthOf(2 * step + 1) < widthOf(max - min);
  const width = isDelta ? widthOf(2 * step + 1) : widthOf(max - min);
  const base = isDelta ? numbers[0]! : min;
  const body = new Uint8Array(width * count);
  let previous = base;
  for (let row = 0; row < count; row++) {
    const value = numbers[row]!;
    let rest = value - base;
    if (isDelta) {
      rest = value - previous;
      rest = rest < 0 ? -2 * rest - 1 : 2 * rest;
      previous = value;
    }
    for (let at = row, left = width; left > 0; left--, at += count) {
      body[at] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }
  return { planes: { width, base, isDelta }, body };
}

function widthOf(largest: number): number {
  let width = 0;
  for (let bound = 1; bound <= largest; bound *= 256) width++;
  return width;
}

function encodeBytes(bytes: Uint8Array, refs: ColumnValues, summary: ColumnHead): EncodedColumn {
  const { starts, ends, count } = refs;
  const width = lengthWidth(summary.lengthMax);
  let total = 0;
  for (let row = 0; row < count; row++) total += ends[row]! - starts[row]!;
  const body = new Uint8Array(width * count + total);
  let at = width * count;
  for (let row = 0; row < count; row++) {
    const start = starts[row]!;
    const length = ends[row]! - start;
    for (let plane = 0; plane < width; plane++) body[plane * count + row] = length >>> (8 * plane);
    if (length > 64) body.set(bytes.subarray(start, start + length), at);
    else for (let i = 0; i < length; i++) body[at + i] = bytes[start + i]!;
    at += length;
  }
  return { head: summary, body, isDense: false };
}

/** Bytes that the lengths of a column take. */
export function lengthWidth(lengthMax: number): number {
  return lengthMax < 2 ** 8 ? 1 : lengthMax < 2 ** 16 ? 2 : 4;
}
