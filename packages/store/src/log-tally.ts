/** Counts the rows of a page by what they have in common and by bins of time. */
import type { LogTally } from "@finch/model";
import { binEndNs } from "./log-page/time-bins.ts";
import type { TimeBins } from "./log-page/time-bins.ts";
import type { PieceRows } from "./log-wish.ts";

/** Kinds of rows that are counted: where there are more, rows are looked at one by one. */
const KINDS_MAX = 256;
/** Counts of a page: they are remembered. */
const COUNTS_MAX = 16_384;
/** Combinations of metadata and values of fields, of which kinds are those that come. */
const COMBINATIONS_MAX = 16_384;

/**
 * Rows of a page as kinds and how many there are of each in each bin, or, without bins, at `timeNs`; undefined where fields are not known or kinds are too many.
 * Rows ascend by time.
 */
export function tallyRows(
  rows: PieceRows,
  bins: TimeBins | undefined,
  timeNs: bigint,
): PieceRows | undefined {
  const { count } = rows.entries;
  const kinds = findKinds(rows);
  const ends = bins?.ends ?? Uint32Array.of(count);
  if (kinds === undefined || kinds.firstRows.length * ends.length > COUNTS_MAX) return undefined;
  const { of, firstRows } = kinds;
  const counts = new (count < 65_536 ? Uint16Array : Uint32Array)(firstRows.length * ends.length);
  for (let bin = 0, row = 0; bin < ends.length; bin++)
    for (; row < ends[bin]!; row++) counts[of[row]! * ends.length + bin]!++;
  return pickKinds(rows, firstRows, {
    entries: count,
    bins: ends.length,
    firstNs: bins === undefined ? timeNs : binEndNs(bins.first, bins.unitNs),
    unitNs: bins?.unitNs ?? 0,
    counts,
  });
}

/** Memory that a page of kinds takes: an estimate. */
export function sizeOfTally({ tally, fields }: PieceRows): number {
  const { counts, keys } = tally!;
  const characters = keys.reduce((sum, { length }) => sum + length, 0);
  const values = fields?.columns.reduce((sum, column) => sum + column.values.length, 0) ?? 0;
  // Of each kind its key, its labels, and numbers in columns.
  return 600 + counts.byteLength + 160 * keys.length + 4 * characters + 60 * values;
}

interface Kinds {
  /** Kind of each row. */
  readonly of: Uint16Array;
  readonly firstRows: readonly number[];
}

/** Kinds + 1 by combination; all zeros between two calls. */
const kindOf = new Uint16Array(COMBINATIONS_MAX);

function findKinds({ entries, fields }: PieceRows): Kinds | undefined {
  if (fields?.areAllKnown === false) return undefined;
  const of = new Uint16Array(entries.count);
  let combinations = 1;
  const combine = (size: number, numbers: () => Uint32Array): void => {
    const base = combinations;
    combinations *= size;
    if (size === 1 || combinations > COMBINATIONS_MAX) return;
    const some = numbers();
    for (let row = 0; row < of.length; row++) of[row]! += base * some[row]!;
  };
  combine(entries.metadataSets.length, () => entries.metadataOf);
  for (const column of fields?.columns ?? []) combine(column.values.length + 1, () => column.of);
  if (combinations > COMBINATIONS_MAX) return undefined;
  const firstRows: number[] = [];
  const found: number[] = [];
  for (let row = 0; row < of.length && firstRows.length <= KINDS_MAX; row++) {
    const combination = of[row]!;
    if (kindOf[combination] === 0) {
      kindOf[combination] = firstRows.push(row);
      found.push(combination);
    }
    of[row] = kindOf[combination]! - 1;
  }
  for (const combination of found) kindOf[combination] = 0;
  return firstRows.length > KINDS_MAX ? undefined : { of, firstRows };
}

/** The first row of each kind, as a page. */
function pickKinds(
  { entries, fields }: PieceRows,
  rows: readonly number[],
  tally: Omit<LogTally, "keys">,
): PieceRows {
  const columns = fields?.columns.map(({ label, values, of }) => ({
    label,
    values,
    of: Uint32Array.from(rows, (row) => of[row]!),
  }));
  const metadataOf = Uint32Array.from(rows, (row) => entries.metadataOf[row]!);
  const keys = rows.map((_, kind) => {
    const parts = [entries.metadataSets[metadataOf[kind]!]!.key];
    for (const { label, values, of } of columns ?? [])
      if (of[kind]! > 0) parts.push(label, values[of[kind]! - 1]!);
    return JSON.stringify(parts);
  });
  return {
    entries: {
      ...entries,
      count: rows.length,
      timestampsNs: new BigInt64Array(0),
      metadataOf,
      lines: new Uint8Array(0),
      lineBounds: new Uint32Array(rows.length + 1),
    },
    fields: fields && {
      isKnown: new Uint8Array(rows.length).fill(1),
      areAllKnown: true,
      columns: columns!,
    },
    tally: { ...tally, keys },
  };
}
