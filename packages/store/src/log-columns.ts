/** Rows of one stream: clipping, merging and deduplicating columns of log entries. */
import { hash32 } from "@finch/codec";
import { Labels } from "@finch/model";
import type { LogColumns } from "@finch/model";
import { ascending } from "./number-columns.ts";

/** Columns and whether their rows ascend by time and repeat nothing. */
export interface LogRun {
  readonly columns: LogColumns;
  readonly isSorted: boolean;
}

/** Rows with `startNs <= time < endNs` of sorted columns; shares memory. */
export function clipColumns(columns: LogColumns, startNs: bigint, endNs: bigint): LogColumns {
  const from = lowerBoundNs(columns.timestampsNs, columns.count, startNs);
  const to = lowerBoundNs(columns.timestampsNs, columns.count, endNs);
  return sliceColumns(columns, from, Math.max(from, to));
}

/** Rows `from … to - 1`; shares memory. */
export function sliceColumns(columns: LogColumns, from: number, to: number): LogColumns {
  if (from === 0 && to === columns.count) return columns;
  const { lineBounds } = columns;
  const base = lineBounds[from]!;
  return {
    count: to - from,
    timestampsNs: columns.timestampsNs.subarray(from, to),
    lines: columns.lines.subarray(base, lineBounds[to]),
    lineBounds:
      base === 0
        ? lineBounds.subarray(from, to + 1)
        : lineBounds.slice(from, to + 1).map((bound) => bound - base),
    metadataSets: columns.metadataSets,
    metadataOf: columns.metadataOf.subarray(from, to),
  };
}

/** A copy of the rows `rows`, in that order. */
export function pickRows(columns: LogColumns, rows: Uint32Array): LogColumns {
  const words = new Int32Array(
    columns.timestampsNs.buffer,
    columns.timestampsNs.byteOffset,
    2 * columns.count,
  );
  return gather(
    {
      runs: [{ columns, isSorted: false }],
      runOf: new Uint32Array(columns.count),
      rowOf: ascending(columns.count),
      words,
    },
    rows,
  );
}

/** The first of the ascending times that is not before `wanted`. */
export function lowerBoundNs(sorted: BigInt64Array, count: number, wanted: bigint): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * One sorted run out of several, without repetition: of rows with the same time and line the first stays. Rows of the same time keep the order
 * of the runs, and of the rows within.
 */
export function mergeRuns(runs: readonly LogRun[]): LogColumns {
  if (runs.length === 1 && runs[0]!.isSorted) return runs[0]!.columns;
  let total = 0;
  for (const { columns } of runs) total += columns.count;
  const all: AllRows = {
    runs,
    runOf: new Uint32Array(total),
    rowOf: new Uint32Array(total),
    words: new Int32Array(2 * total),
  };
  let at = 0;
  for (const [run, { columns }] of runs.entries()) {
    const words = new Int32Array(
      columns.timestampsNs.buffer,
      columns.timestampsNs.byteOffset,
      2 * columns.count,
    );
    all.words.set(words, 2 * at);
    for (let row = 0; row < columns.count; row++, at++) {
      all.runOf[at] = run;
      all.rowOf[at] = row;
    }
  }
  const order = ascending(total);
  const { words } = all;
  order.sort(
    (a, b) =>
      words[2 * a + 1]! - words[2 * b + 1]! ||
      (words[2 * a]! >>> 0) - (words[2 * b]! >>> 0) ||
      a - b,
  );
  return gather(all, dropRepetitions(all, order));
}

/** The rows of runs of which each begins where the one before has ended. */
export function concatColumns(runs: readonly LogColumns[]): LogColumns {
  if (runs.length === 1) return runs[0]!;
  const count = runs.reduce((sum, run) => sum + run.count, 0);
  const bytes = runs.reduce((sum, run) => sum + run.lineBounds[run.count]!, 0);
  const timestampsNs = new BigInt64Array(count);
  const lines = new Uint8Array(bytes);
  const lineBounds = new Uint32Array(count + 1);
  const metadataOf = new Uint32Array(count);
  const sets = new MetadataSets();
  let at = 0;
  let length = 0;
  for (const run of runs) {
    timestampsNs.set(run.timestampsNs.subarray(0, run.count), at);
    lines.set(run.lines.subarray(0, run.lineBounds[run.count]), length);
    /** Set here + 1, by the set there. */
    const numbers = new Uint32Array(run.metadataSets.length);
    for (let row = 0; row < run.count; row++) {
      lineBounds[at + row + 1] = length + run.lineBounds[row + 1]!;
      const set = run.metadataOf[row]!;
      if (set === 0) continue;
      if (numbers[set] === 0) numbers[set] = sets.numberOf(run.metadataSets[set]!) + 1;
      metadataOf[at + row] = numbers[set]! - 1;
    }
    at += run.count;
    length += run.lineBounds[run.count]!;
  }
  return { count, timestampsNs, lines, lineBounds, metadataSets: sets.sets, metadataOf };
}

interface AllRows {
  readonly runs: readonly LogRun[];
  readonly runOf: Uint32Array;
  readonly rowOf: Uint32Array;
  /** Timestamps, low word first. */
  readonly words: Int32Array;
}

function dropRepetitions(all: AllRows, order: Uint32Array): Uint32Array {
  const { words } = all;
  let kept = 0;
  for (let from = 0; from < order.length;) {
    const first = order[from]!;
    let to = from + 1;
    while (
      to < order.length &&
      words[2 * order[to]!] === words[2 * first] &&
      words[2 * order[to]! + 1] === words[2 * first + 1]
    )
      to++;
    if (to - from === 1) {
      order[kept++] = first;
      from = to;
      continue;
    }
    /** Rows of this time by the hash of their line. */
    const seen = new Map<number, number[]>();
    for (; from < to; from++) {
      const row = order[from]!;
      const line = lineOf(all, row);
      const hash = hash32(line);
      const same = seen.get(hash);
      if (same === undefined) seen.set(hash, [row]);
      else if (same.some((other) => equalBytes(lineOf(all, other), line))) continue;
      else same.push(row);
      order[kept++] = row;
    }
  }
  return order.subarray(0, kept);
}

function lineOf(all: AllRows, row: number): Uint8Array {
  const { columns } = all.runs[all.runOf[row]!]!;
  const at = all.rowOf[row]!;
  return columns.lines.subarray(columns.lineBounds[at], columns.lineBounds[at + 1]);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function gather(all: AllRows, order: Uint32Array): LogColumns {
  const count = order.length;
  const lineBounds = new Uint32Array(count + 1);
  const timestampsNs = new BigInt64Array(count);
  const timeWords = new Int32Array(timestampsNs.buffer);
  const metadataOf = new Uint32Array(count);
  const sets = new MetadataSets();
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    const row = order[i]!;
    const { columns } = all.runs[all.runOf[row]!]!;
    const at = all.rowOf[row]!;
    timeWords[2 * i] = all.words[2 * row]!;
    timeWords[2 * i + 1] = all.words[2 * row + 1]!;
    const set = columns.metadataOf[at]!;
    metadataOf[i] = set === 0 ? 0 : sets.numberOf(columns.metadataSets[set]!);
    bytes += columns.lineBounds[at + 1]! - columns.lineBounds[at]!;
    lineBounds[i + 1] = bytes;
  }
  const lines = new Uint8Array(bytes);
  for (let i = 0; i < count; i++) lines.set(lineOf(all, order[i]!), lineBounds[i]);
  return { count, timestampsNs, lines, lineBounds, metadataSets: sets.sets, metadataOf };
}

/** Interns structured metadata; set 0 is the empty one. */
export class MetadataSets {
  readonly sets: Labels[] = [Labels.EMPTY];
  /** Estimate of the memory held. */
  bytes = 0;
  readonly #numbers = new Map<string, number>([[Labels.EMPTY.key, 0]]);

  numberOf(set: Labels): number {
    const known = this.#numbers.get(set.key);
    if (known !== undefined) return known;
    const number = this.sets.length;
    this.sets.push(set);
    this.#numbers.set(set.key, number);
    this.bytes += 128 + 4 * set.key.length;
    return number;
  }
}
