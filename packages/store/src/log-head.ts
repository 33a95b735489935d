/**
 * The newest log entries, in memory: what the WAL holds and no block yet. A stream has an open page, one more for entries that came after newer ones, and
 * closed pages, already in the form in which they will stand in a block. Frozen once its sealing begins; then a new head takes over.
 */
import type { Labels, LogColumns } from "@finch/model";
import type { ByteMemory } from "./byte-memory.ts";
import { LabelIndex } from "./label-index.ts";
import type { IndexLimits } from "./label-index.ts";
import { mergeRuns } from "./log-columns.ts";
import { isBefore, LogHeadPage } from "./log-head-page.ts";
import type { LentRows } from "./log-head-page.ts";
import type { ClosedPage, ClosedPages } from "./log-page/closed-page.ts";
import { readLogRecord } from "./log-record.ts";
import type { LogRecordRun } from "./log-record.ts";
import { findRepetitions } from "./log-repetitions.ts";
import type { Pacer } from "./pacer.ts";
import type { ReplayNumbers } from "./store-replay.ts";
import { LOG_PAGE_BYTES, LOG_PAGE_ROWS } from "./limits.ts";
import { growUint32, sharedAscending } from "./number-columns.ts";

const NS_PER_MS = 1_000_000n;

interface HeadStream {
  readonly closed: ClosedPage[];
  /** Full pages that are not yet closed, and the open ones at the end of each kind: in order of time, and late entries. */
  readonly pages: LogHeadPage[];
  readonly late: LogHeadPage[];
  newestNs: bigint;
}

/** What became of one run of a record. */
export interface LogRunOutcome extends LogRecordRun {
  /** Rows that were new; not to be written. */
  readonly newRows: Uint32Array;
}

/** Part of a stream as a reader sees it, whatever is appended later. */
export type LogHeadPiece =
  | {
      readonly kind: "open";
      readonly rows: LentRows;
      readonly isSorted: boolean;
      readonly minNs: bigint;
      readonly maxNs: bigint;
    }
  | {
      readonly kind: "closed";
      readonly page: ClosedPage;
      readonly minNs: bigint;
      readonly maxNs: bigint;
    };

export class LogHead {
  readonly index = new LabelIndex();
  rows = 0;
  minMs = Infinity;
  maxMs = -Infinity;
  readonly isCrowded = false;
  rowBytes = 0;
  readonly #streams: HeadStream[] = [];
  /** Streams with a full page, in the order these became full. */
  readonly #full: HeadStream[] = [];
  #definedAt = new Uint32Array(16) as Uint32Array;
  /** Streams by the labels they came with: senders say the same ones in every push, and what decodes these keeps them. */
  readonly #numbers = new WeakMap<Labels, number>();
  readonly #closer: ClosedPages;
  readonly #memory: ByteMemory;

  constructor(closer: ClosedPages, memory: ByteMemory) {
    this.#closer = closer;
    this.#memory = memory;
  }

  get bytes(): number {
    return this.index.bytes + this.rowBytes;
  }

  /** The number of a stream; -1 when it is new and there is no room for it. */
  intern(labels: Labels, limits: IndexLimits): number {
    const known = this.#numbers.get(labels);
    if (known !== undefined) return known;
    const stream = this.index.intern(labels, limits);
    if (stream >= 0) this.#numbers.set(labels, stream);
    return stream;
  }

  /** Whether the stream must be defined in a record written now; says yes once per count of refusals. */
  needsDefinition(stream: number, refusals: number): boolean {
    this.#definedAt = growUint32(this.#definedAt, stream + 1);
    if (this.#definedAt[stream] === refusals + 1) return false;
    this.#definedAt[stream] = refusals + 1;
    return true;
  }

  /** Takes a record of the log in that is read again. */
  apply(payload: Uint8Array, numbers: ReplayNumbers): void {
    const record = readLogRecord(payload);
    for (const { stream, labels } of record.definitions)
      numbers.set(stream, this.index.intern(labels));
    this.append(
      record.runs.map(({ stream, entries }) => ({ stream: numbers.get(stream), entries })),
    );
  }

  /** Takes in what a durable record has; the entries are copied. */
  append(runs: readonly LogRecordRun[]): LogRunOutcome[] {
    return runs.map(({ stream, entries }) => ({
      stream,
      entries,
      newRows: this.#append(stream, entries),
    }));
  }

  labelsOf(stream: number): Labels {
    return this.index.labelsOf(stream);
  }

  hasRows(stream: number): boolean {
    return this.#streams[stream] !== undefined;
  }

  /** Whether a page waits to be closed. */
  get hasFullPages(): boolean {
    return this.#full.length > 0;
  }

  /** Closes one full page: some milliseconds of work. */
  closeOne(): void {
    const held = this.#full.shift();
    if (held === undefined) return;
    const list = held.pages.length > 1 ? held.pages : held.late;
    if (list.length > 1) this.#close(held, list.shift()!);
  }

  /** Closes all pages of a stream of a frozen head and hands them out in order of their beginnings. */
  async closeAll(stream: number, pacer: Pacer): Promise<readonly ClosedPage[]> {
    const held = this.#streams[stream]!;
    for (const list of [held.pages, held.late])
      for (let page = list.shift(); page !== undefined; page = list.shift()) {
        this.#close(held, page);
        if (pacer.isDue()) await pacer.rest();
      }
    return held.closed.toSorted((a, b) => (a.page.minNs < b.page.minNs ? -1 : 1));
  }

  seriesInRange(streams: Uint32Array, startMs: number, endMs: number): Uint32Array {
    const startNs = toNs(startMs);
    const endNs = toNs(endMs) + NS_PER_MS;
    return streams.filter((stream) => this.pieces(stream, startNs, endNs).length > 0);
  }

  /** Pages of a stream that may hold entries with `startNs <= time < endNs`, in order of precedence. */
  pieces(stream: number, startNs: bigint, endNs: bigint): LogHeadPiece[] {
    const held = this.#streams[stream];
    if (held === undefined) return [];
    const pieces: LogHeadPiece[] = [];
    for (const page of held.closed) {
      const { minNs, maxNs } = page.page;
      if (minNs < endNs && maxNs >= startNs) pieces.push({ kind: "closed", page, minNs, maxNs });
    }
    for (const page of [...held.pages, ...held.late]) {
      const { minNs, maxNs, isSorted, count } = page;
      if (count === 0 || minNs >= endNs || maxNs < startNs) continue;
      pieces.push({ kind: "open", rows: page.lend(), isSorted, minNs, maxNs });
    }
    return pieces;
  }

  /** Appends rows and returns the numbers of those that were not in an open page. */
  #append(stream: number, entries: LogColumns): Uint32Array {
    const held = (this.#streams[stream] ??= {
      closed: [],
      pages: [],
      late: [],
      newestNs: -(2n ** 63n),
    });
    const { count } = entries;
    if (count === 0) return new Uint32Array(0);
    this.#noteTimes(entries);
    if (findRepetitions(entries) === "none" && this.#isAllNew(held, entries)) {
      this.#pushRun(held, held.pages, entries, 0, count);
      held.newestNs = entries.timestampsNs[count - 1]!;
      return sharedAscending(count);
    }
    const newRows = new Uint32Array(count);
    let fresh = 0;
    for (let row = 0; row < count; row++) {
      const timeNs = entries.timestampsNs[row]!;
      if (timeNs <= held.newestNs && this.#isThere(held, entries, row)) continue;
      const isLate = timeNs < held.newestNs;
      this.#pushRun(held, isLate ? held.late : held.pages, entries, row, row + 1);
      if (!isLate) held.newestNs = timeNs;
      newRows[fresh++] = row;
    }
    return newRows.subarray(0, fresh);
  }

  /** Whether entries that ascend are newer than all before, or of the newest time and not there yet. */
  #isAllNew({ newestNs, pages }: HeadStream, entries: LogColumns): boolean {
    const { timestampsNs, count } = entries;
    if (timestampsNs[0]! < newestNs) return false;
    for (let row = 0; row < count && timestampsNs[row] === newestNs; row++) {
      // Those of the newest time are at the end of the last page, and of earlier ones when all of that is of one time.
      for (let i = pages.length - 1; i >= 0 && pages[i]!.maxNs === newestNs; i--) {
        if (pages[i]!.hasAtEnd(entries, row)) return false;
        if (pages[i]!.minNs < newestNs) break;
      }
    }
    return true;
  }

  #isThere(held: HeadStream, entries: LogColumns, row: number): boolean {
    return (
      held.pages.some((page) => page.has(entries, row)) ||
      held.late.some((page) => page.has(entries, row))
    );
  }

  /** Appends rows `from … to - 1` to the last page of a list, and to new ones where that is full. */
  #pushRun(
    held: HeadStream,
    list: LogHeadPage[],
    entries: LogColumns,
    from: number,
    to: number,
  ): void {
    const { lineBounds } = entries;
    for (let start = from; start < to;) {
      let page = list.at(-1);
      if (page?.isFullFor(lineBounds[start + 1]! - lineBounds[start]!) !== false) {
        if (page !== undefined) this.#full.push(held);
        page = new LogHeadPage(this.#memory, { isSorted: list === held.pages });
        list.push(page);
      }
      const end = lastThatFits(page, entries, start, to);
      const before = page.count === 0 ? 0 : page.bytes;
      page.push(entries, start, end, numberSets(page, entries, start, end));
      this.rowBytes += page.bytes - before;
      start = end;
    }
    this.rows += to - from;
  }

  #close(held: HeadStream, page: LogHeadPage): void {
    const lines = this.#memory.take(page.lineBytes);
    const columns = mergeRuns([{ columns: page.columns(lines), isSorted: page.isSorted }]);
    this.rowBytes -= page.bytes;
    for (const closed of this.#closer.close(columns)) {
      held.closed.push(closed);
      this.rowBytes += closed.bytes;
    }
    page.release();
    this.#memory.give(lines);
  }

  #noteTimes({ timestampsNs, count }: LogColumns): void {
    const words = wordsOf(timestampsNs);
    let oldest = 0;
    let newest = 0;
    for (let row = 1; row < count; row++) {
      if (isBefore(words, row, oldest)) oldest = row;
      if (isBefore(words, newest, row)) newest = row;
    }
    const minMs = Number(timestampsNs[oldest]! / NS_PER_MS);
    if (minMs < this.minMs) this.minMs = minMs;
    // Rounded up, so that `maxMs` is never below the entry.
    const maxMs = Number(timestampsNs[newest]! / NS_PER_MS) + 1;
    if (maxMs > this.maxMs) this.maxMs = maxMs;
  }
}

function wordsOf(timestampsNs: BigInt64Array): Int32Array {
  return new Int32Array(timestampsNs.buffer, timestampsNs.byteOffset, 2 * timestampsNs.length);
}

/** The end of the rows from `start` on that go on one page; at least one does. */
function lastThatFits(page: LogHeadPage, entries: LogColumns, start: number, to: number): number {
  const { lineBounds } = entries;
  const roomRows = LOG_PAGE_ROWS - page.count;
  const roomBytes = LOG_PAGE_BYTES - page.lineBytes;
  let end = start + 1;
  while (
    end < to &&
    end - start < roomRows &&
    lineBounds[end + 1]! - lineBounds[start]! <= roomBytes
  )
    end++;
  return end;
}

/** Numbers of the metadata sets that rows `from … to - 1` use, in the page. */
function numberSets(page: LogHeadPage, entries: LogColumns, from: number, to: number): Uint32Array {
  const { metadataSets, metadataOf } = entries;
  const numbers = new Uint32Array(metadataSets.length);
  for (let row = from; row < to; row++) {
    const set = metadataOf[row]!;
    if (set !== 0 && numbers[set] === 0) numbers[set] = page.numberSet(metadataSets[set]!);
  }
  return numbers;
}

/** Nanoseconds of milliseconds that may be infinite or beyond 64 bits. */
function toNs(ms: number): bigint {
  const bounded = Math.max(-9e12, Math.min(9e12, ms));
  return BigInt(Math.floor(bounded)) * NS_PER_MS;
}
