/** Which values of a column equal, begin with, end with or contain a text. Most columns are ruled out by what their heads say of them. */
import { classesOf, HEX, NUMBER, TIME } from "./column-format.ts";
import type { ColumnHead } from "./column-format.ts";
import { canBeTime, hasDigits, isBeyond, seekNumbers } from "./number-search.ts";
import { BytesColumn, HexColumn, NumberColumn } from "./value-column.ts";
import type { ValueColumn } from "./value-column.ts";

export type MatchKind = "equals" | "begins" | "ends" | "contains";

export interface ValueMatch {
  readonly kind: MatchKind;
  /** At least one byte unless the kind is `equals`. */
  readonly text: Uint8Array;
}

/** Whether a column with this head can have a value that matches. */
export function canMatch(head: ColumnHead, match: ValueMatch): boolean {
  const { kind, text } = match;
  if (text.length > head.lengthMax) return false;
  if (kind === "equals" && text.length < head.lengthMin) return false;
  if ((classesOf(text) & ~head.classes) !== 0) return false;
  if (head.encoding === TIME) return canBeTime(match);
  if (head.encoding !== NUMBER) return true;
  const sought = seekNumbers(head.text!, match);
  return typeof sought !== "object" ? sought !== "none" : !isBeyond(head, sought);
}

/** One byte a value: 1 where it matches; undefined when none does. */
export function matchValues(column: ValueColumn, match: ValueMatch): Uint8Array | undefined {
  const { head, dictionary } = column;
  if (dictionary !== undefined) return matchDictionary(column, match);
  if (column instanceof BytesColumn)
    return match.kind === "contains"
      ? findInBytes(column, match.text)
      : matchInBytes(column, match);
  if (column instanceof HexColumn && head.encoding === HEX && match.text.length >= HEX_SEARCH_MIN)
    return findInHex(column, match);
  if (column instanceof NumberColumn) return matchNumbers(column, match);
  return matchEach(column, match);
}

function matchDictionary(
  { head, dictionary }: ValueColumn,
  match: ValueMatch,
): Uint8Array | undefined {
  const { bytes, bounds, ids } = dictionary!;
  const hits = new Uint8Array(bounds.length - 1);
  let any = false;
  for (let id = 0; id < hits.length; id++) {
    if (!isMatch(bytes, bounds[id]!, bounds[id + 1]!, match)) continue;
    hits[id] = 1;
    any = true;
  }
  if (!any) return undefined;
  const found = new Uint8Array(head.rows);
  if (ids === undefined) return found.fill(1);
  for (let row = 0; row < found.length; row++) found[row] = hits[ids[row]!]!;
  return found;
}

function findInBytes(column: BytesColumn, text: Uint8Array): Uint8Array | undefined {
  const bytes = Buffer.from(column.bytes.buffer, column.bytes.byteOffset, column.bytes.length);
  let at = bytes.indexOf(text);
  if (at < 0) return undefined;
  const { bounds } = column;
  let found: Uint8Array | undefined;
  let row = 0;
  while (at >= 0) {
    row = rowAt(bounds, at, row);
    if (at + text.length <= bounds[row + 1]!) {
      (found ??= new Uint8Array(column.head.rows))[row] = 1;
      at = bytes.indexOf(text, bounds[row + 1]);
    } else at = bytes.indexOf(text, at + 1);
  }
  return found;
}

/** The row whose bytes hold place `at`, not before `from`; rows without bytes are passed over. */
function rowAt(bounds: Uint32Array, at: number, from: number): number {
  let low = from;
  let high = bounds.length - 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bounds[middle + 1]! <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

const HEX_SEARCH_MIN = 4;

/** Looks for whole bytes of the text, from its first digit on and from its second: one of the two is how it stands in the packed digits. */
function findInHex(column: HexColumn, match: ValueMatch): Uint8Array | undefined {
  const width = column.head.lengthMax >> 1;
  const { packed } = column;
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.length);
  let found: Uint8Array | undefined;
  const scratch = new Uint8Array(2 * width);
  const last = match.kind === "equals" ? 0 : 1;
  for (let shift = 0; shift <= last; shift++) {
    const inner = packDigits(match.text, shift);
    for (let at = bytes.indexOf(inner); at >= 0; at = bytes.indexOf(inner, at + 1)) {
      const row = Math.floor(at / width);
      if (found?.[row] === 1) continue;
      column.copy(row, scratch, 0);
      if (isMatch(scratch, 0, scratch.length, match))
        (found ??= new Uint8Array(column.head.rows))[row] = 1;
    }
  }
  return found;
}

function packDigits(text: Uint8Array, from: number): Uint8Array {
  const packed = new Uint8Array((text.length - from) >> 1);
  for (let i = 0; i < packed.length; i++)
    packed[i] = (digitOf(text[from + 2 * i]!) << 4) | digitOf(text[from + 2 * i + 1]!);
  return packed;
}

function digitOf(c: number): number {
  return c < 58 ? c - 48 : c - 87;
}

function matchNumbers(column: NumberColumn, match: ValueMatch): Uint8Array | undefined {
  const { head, numbers } = column;
  const sought = seekNumbers(head.text!, match);
  if (sought === "none") return undefined;
  if (sought === "all") return new Uint8Array(head.rows).fill(1);
  if (sought === undefined) return matchEach(column, match);
  let found: Uint8Array | undefined;
  for (const digits of sought)
    for (let row = 0; row < numbers.length; row++)
      if (hasDigits(numbers[row]!, digits)) (found ??= new Uint8Array(head.rows))[row] = 1;
  return found;
}

function matchInBytes(column: BytesColumn, match: ValueMatch): Uint8Array | undefined {
  const { head, bytes, bounds } = column;
  let found: Uint8Array | undefined;
  for (let row = 0; row < head.rows; row++)
    if (isMatch(bytes, bounds[row]!, bounds[row + 1]!, match))
      (found ??= new Uint8Array(head.rows))[row] = 1;
  return found;
}

function matchEach(column: ValueColumn, match: ValueMatch): Uint8Array | undefined {
  const { head } = column;
  const scratch = new Uint8Array(head.lengthMax);
  let found: Uint8Array | undefined;
  for (let row = 0; row < head.rows; row++) {
    const end = column.copy(row, scratch, 0);
    if (isMatch(scratch, 0, end, match)) (found ??= new Uint8Array(head.rows))[row] = 1;
  }
  return found;
}

/** Whether `bytes[start … end)` matches. */
function isMatch(
  bytes: Uint8Array,
  start: number,
  end: number,
  { kind, text }: ValueMatch,
): boolean {
  const length = end - start;
  if (text.length > length || (kind === "equals" && text.length !== length)) return false;
  if (kind !== "contains") return isAt(bytes, kind === "ends" ? end - text.length : start, text);
  for (let from = start; from + text.length <= end; from++)
    if (isAt(bytes, from, text)) return true;
  return false;
}

function isAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}
