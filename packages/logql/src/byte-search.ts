/**
 * Substring search over the line column of a page: one sweep of the native search over all bytes, hits mapped to rows. Lines are laid
 * end to end, so a hit counts only when it ends inside the row it starts in.
 */
import type { LogColumns } from "@finch/model";
import { bytesOf } from "./row.ts";
import type { Selection } from "./line-filter.ts";

/** Sets `marks[row] = 1` for the selected rows whose line contains the needle. */
export function markRows(
  entries: LogColumns,
  selection: Selection,
  needle: Uint8Array,
  marks: Uint8Array,
): void {
  sweep(bytesOf(entries), entries.lineBounds, selection, Buffer.from(needle), marks);
}

function sweep(
  bytes: Buffer,
  bounds: Uint32Array,
  selection: Selection,
  needle: Buffer,
  marks: Uint8Array,
): void {
  const { rows, count } = selection;
  const size = needle.length;
  if (size === 0) {
    for (let i = 0; i < count; i++) marks[rows[i]!] = 1;
    return;
  }
  // `hit` is the first occurrence at or behind the rows looked at so far.
  let hit = -1;
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
    const begin = bounds[row]!;
    if (hit < begin) {
      hit = bytes.indexOf(needle, begin);
      if (hit < 0) return;
    }
    if (hit + size <= bounds[row + 1]!) marks[row] = 1;
    else if (hit >= bounds[row + 1]!) {
      i = firstEndingBehind(bounds, rows, i, count, hit) - 1;
    }
  }
}

/** The first selected row from `from` on whose line ends behind `position`: the rows between cannot match. */
function firstEndingBehind(
  bounds: Uint32Array,
  rows: Uint32Array,
  from: number,
  count: number,
  position: number,
): number {
  let low = from;
  let step = 1;
  while (low + step < count && bounds[rows[low + step]! + 1]! <= position) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step, count);
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (bounds[rows[middle]! + 1]! <= position) low = middle;
    else high = middle;
  }
  return high;
}

const LOWER = new Uint8Array(256);
for (let i = 0; i < 256; i++) LOWER[i] = i >= 65 && i <= 90 ? i + 32 : i;

/** The Kelvin sign and the long s, which fold into k and s. */
const FOLDING_LETTERS = [Uint8Array.of(0xe2, 0x84, 0xaa), Uint8Array.of(0xc5, 0xbf)];

/**
 * As {@link markRows}, ASCII letters in either case; the needle is lower case ASCII. Answers false, having marked nothing, when the page
 * holds letters beyond ASCII that fold into ASCII ones, which bytes alone cannot settle.
 */
export function markFoldedRows(
  entries: LogColumns,
  selection: Selection,
  needle: Uint8Array,
  marks: Uint8Array,
): boolean {
  const { lineBounds, count } = entries;
  const bytes = bytesOf(entries);
  if (FOLDING_LETTERS.some((letter) => bytes.includes(letter))) return false;
  const end = lineBounds[count]!;
  const folded = Buffer.allocUnsafe(end);
  foldCase(bytes, folded, end);
  sweep(folded, lineBounds, selection, Buffer.from(needle), marks);
  return true;
}

function foldCase(from: Uint8Array, to: Uint8Array, end: number): void {
  for (let i = 0; i < end; i++) to[i] = LOWER[from[i]!]!;
}
