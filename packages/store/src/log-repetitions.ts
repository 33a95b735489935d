/** Whether entries that come in order repeat each other: the same time and line. Most senders give times of a millisecond, so that neighbours often share one. */
import { hash32 } from "@finch/codec";
import type { LogColumns } from "@finch/model";
import { isBefore } from "./log-head-page.ts";

/** Neighbours of one time that are held against each other; with more the hashes of their lines decide. */
const NEIGHBOURS_MAX = 16;

/** `none` when times ascend and no two rows are the same; `maybe` when two may be; `unsorted` when a row is older than the one before. */
export function findRepetitions({
  timestampsNs,
  lines,
  lineBounds,
  count,
}: LogColumns): "none" | "maybe" | "unsorted" {
  const words = new Int32Array(timestampsNs.buffer, timestampsNs.byteOffset, 2 * count);
  let hashes: Set<number> | undefined;
  let result: "none" | "maybe" = "none";
  for (let row = 1, first = 0; row < count; row++) {
    if (isBefore(words, row - 1, row)) {
      first = row;
      hashes = undefined;
      continue;
    }
    if (isBefore(words, row, row - 1)) return "unsorted";
    if (row - first < NEIGHBOURS_MAX) {
      for (let other = first; other < row; other++)
        if (isSameLine(lines, lineBounds, row, other)) result = "maybe";
      continue;
    }
    if (hashes === undefined) {
      hashes = new Set();
      for (let other = first; other < row; other++)
        hashes.add(hash32(lines, lineBounds[other]!, lineBounds[other + 1]!));
    }
    const before = hashes.size;
    hashes.add(hash32(lines, lineBounds[row]!, lineBounds[row + 1]!));
    if (hashes.size === before) result = "maybe";
  }
  return result;
}

function isSameLine(lines: Uint8Array, bounds: Uint32Array, one: number, other: number): boolean {
  const end = bounds[one + 1]!;
  let at = bounds[one]!;
  let from = bounds[other]!;
  if (end - at !== bounds[other + 1]! - from) return false;
  for (; at < end; at++, from++) if (lines[at] !== lines[from]) return false;
  return true;
}
