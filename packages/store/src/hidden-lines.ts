/**
 * Log lines that no reader is to see although they stand in a block or a head: deleted ones, and those of streams that are kept less long than the
 * others. Taken out of the pages of each block by itself, before pages are merged: what came after a delete is there although it may be equal to what was
 * deleted. Merges leave out the same.
 */
import type { Labels, LogColumns, Matcher } from "@finch/model";
import type { BlockMeta } from "./block-format.ts";
import { concerns } from "./deletes.ts";
import type { DeletedLines, RowSelection } from "./deletes.ts";
import type { HiddenRows } from "./hidden-rows.ts";
import { pickRows, sliceColumns } from "./log-columns.ts";

const NS_PER_MS = 1_000_000n;

/** Answers what takes the hidden lines out of a stream's pages, whose rows ascend by time; undefined for a stream that has none. */
export type HidingOf = (labels: Labels) => HideLines | undefined;

/** A page without its hidden lines: the page itself when there are none in it. */
export type HideLines = (entries: LogColumns) => LogColumns;

/** Undefined when nothing of the block is hidden. */
export function hidingInBlock(hidden: HiddenRows, meta: BlockMeta): HidingOf | undefined {
  const deleted = hidden.deletes
    .filter((entry) => entry.lines !== undefined && concerns(entry, meta))
    .map(({ matchers, lines }) => ({ matchers, lines: lines! }));
  return hidingOf(deleted, expiredIn(hidden, meta.minMs));
}

/** Undefined when nothing is hidden. Heads have no deleted lines: what is deleted is sealed first. */
export function hidingInHead(hidden: HiddenRows, minMs: number): HidingOf | undefined {
  return hidingOf([], expiredIn(hidden, minMs));
}

function expiredIn({ expired }: HiddenRows, minMs: number): readonly RowSelection[] {
  return expired.filter(({ endMs }) => minMs <= endMs);
}

interface DeletedOfStreams {
  readonly matchers: readonly Matcher[];
  readonly lines: DeletedLines;
}

function hidingOf(
  deleted: readonly DeletedOfStreams[],
  expired: readonly RowSelection[],
): HidingOf | undefined {
  if (deleted.length === 0 && expired.length === 0) return undefined;
  return (labels) => {
    const isMeant = ({ matchers }: { readonly matchers: readonly Matcher[] }) =>
      matchers.every(({ name, matches }) => matches(labels.get(name)));
    const lines = deleted.filter(isMeant).map((entry) => entry.lines);
    const expiredMs = Math.max(...expired.filter(isMeant).map(({ endMs }) => endMs));
    if (lines.length === 0 && expiredMs === -Infinity) return undefined;
    return (entries) => hideDeleted(labels, hideExpired(entries, expiredMs), lines);
  };
}

/** Without the rows up to the end of that millisecond. */
function hideExpired(entries: LogColumns, expiredMs: number): LogColumns {
  if (expiredMs === -Infinity) return entries;
  const first = firstRowFrom(entries, (BigInt(Math.floor(expiredMs)) + 1n) * NS_PER_MS);
  return sliceColumns(entries, first, entries.count);
}

function hideDeleted(
  labels: Labels,
  entries: LogColumns,
  deleted: readonly DeletedLines[],
): LogColumns {
  /** 1 for rows that go; made when the first does. */
  let gone: Uint8Array | undefined;
  for (const { startNs, endNs, rows } of deleted) {
    const from = firstRowFrom(entries, startNs);
    const to = firstRowFrom(entries, endNs + 1n);
    if (from >= to) continue;
    const found = rows?.({ labels, entries: sliceColumns(entries, from, to) });
    if (found?.length === 0) continue;
    gone ??= new Uint8Array(entries.count);
    if (found === undefined) gone.fill(1, from, to);
    else for (const row of found) gone[from + row] = 1;
  }
  if (gone === undefined) return entries;
  const kept = new Uint32Array(entries.count);
  let count = 0;
  for (let row = 0; row < entries.count; row++) if (gone[row] === 0) kept[count++] = row;
  return pickRows(entries, kept.subarray(0, count));
}

function firstRowFrom({ timestampsNs, count }: LogColumns, wantedNs: bigint): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (timestampsNs[middle]! < wantedNs) low = middle + 1;
    else high = middle;
  }
  return low;
}
