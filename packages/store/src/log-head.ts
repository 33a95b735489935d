/** The newest log entries, in memory: what the WAL holds and no block yet. Frozen once its sealing begins; then a new head takes over. */
import { hash32 } from "@finch/codec";
import type { Labels, LogColumns } from "@finch/model";
import { LabelIndex } from "./label-index.ts";
import { MetadataSets } from "./log-columns.ts";
import { LogHeadPage } from "./log-page.ts";
import { readLogRecord } from "./log-record.ts";
import type { ReplayNumbers } from "./store-replay.ts";
import { growUint32 } from "./number-columns.ts";

const NS_PER_MS = 1_000_000n;

interface HeadStream {
  /** In order: each entry is no older than the one before it. */
  readonly pages: LogHeadPage[];
  /** Entries that came after a newer one. */
  readonly late: LogHeadPage[];
}

/** What became of one run of a record: rows that were new. */
export interface LogRunOutcome {
  readonly stream: number;
  readonly entries: LogColumns;
  readonly newRows: Uint32Array;
}

/** Part of a stream as a reader sees it, whatever is appended later. */
export interface LogHeadPiece {
  readonly columns: LogColumns;
  readonly isSorted: boolean;
  readonly minNs: bigint;
  readonly maxNs: bigint;
}

export class LogHead {
  readonly index = new LabelIndex();
  rows = 0;
  minMs = Infinity;
  maxMs = -Infinity;
  readonly isCrowded = false;
  readonly #metadata = new MetadataSets();
  readonly #streams: HeadStream[] = [];
  readonly #pages: LogHeadPage[] = [];
  #pageBytes = 0;
  /** Every row, for finding repetitions: its page, place and hash. */
  #rowPage = new Uint32Array(256) as Uint32Array;
  #rowPlace = new Uint32Array(256) as Uint32Array;
  #rowHash = new Uint32Array(256) as Uint32Array;
  /** Open addressing: row + 1, or 0. Length is a power of two. */
  #table = new Uint32Array(512);
  #definedAt = new Uint32Array(16) as Uint32Array;

  get bytes(): number {
    return this.index.bytes + this.rowBytes;
  }

  get rowBytes(): number {
    // Metadata comes with rows and goes with them: a trace id is another set on each row.
    return (
      this.#metadata.bytes + this.#pageBytes + 12 * this.#rowPage.length + 4 * this.#table.length
    );
  }

  /** Whether the stream must be defined in a record written now; says yes once per count of refusals. */
  needsDefinition(stream: number, refusals: number): boolean {
    this.#definedAt = growUint32(this.#definedAt, stream + 1);
    if (this.#definedAt[stream] === refusals + 1) return false;
    this.#definedAt[stream] = refusals + 1;
    return true;
  }

  /** Takes a durable record in; see `MetricHead.apply`. */
  apply(payload: Uint8Array, numbers: ReplayNumbers | undefined): LogRunOutcome[] {
    const record = readLogRecord(payload);
    for (const { stream, labels } of record.definitions)
      numbers?.set(stream, this.index.intern(labels));
    return record.runs.map(({ stream, entries }) => {
      const number = numbers === undefined ? stream : numbers.get(stream);
      return { stream: number, entries, newRows: this.#append(number, entries) };
    });
  }

  labelsOf(stream: number): Labels {
    return this.index.labelsOf(stream);
  }

  hasRows(stream: number): boolean {
    return this.#streams[stream] !== undefined;
  }

  seriesInRange(streams: Uint32Array, startMs: number, endMs: number): Uint32Array {
    const startNs = toNs(startMs);
    const endNs = toNs(endMs) + NS_PER_MS;
    return streams.filter((stream) => {
      const held = this.#streams[stream];
      if (held === undefined) return false;
      return [...held.pages, ...held.late].some(
        (page) => page.minNs < endNs && page.maxNs >= startNs,
      );
    });
  }

  /** Pages of a stream that may hold entries with `startNs <= time < endNs`, in order of precedence. */
  pieces(stream: number, startNs: bigint, endNs: bigint): LogHeadPiece[] {
    const held = this.#streams[stream];
    if (held === undefined) return [];
    const pieces: LogHeadPiece[] = [];
    for (const page of [...held.pages, ...held.late]) {
      if (page.minNs >= endNs || page.maxNs < startNs) continue;
      const { minNs, maxNs, isSorted } = page;
      pieces.push({
        columns: page.columns(page.count, this.#metadata.sets),
        isSorted,
        minNs,
        maxNs,
      });
    }
    return pieces;
  }

  /** Appends rows and returns the numbers of those that were not there. */
  #append(stream: number, entries: LogColumns): Uint32Array {
    const words = new Int32Array(
      entries.timestampsNs.buffer,
      entries.timestampsNs.byteOffset,
      2 * entries.count,
    );
    const newRows = new Uint32Array(entries.count);
    let count = 0;
    for (let row = 0; row < entries.count; row++) {
      const line = entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]);
      const low = words[2 * row]!;
      const high = words[2 * row + 1]!;
      const hash = hashOf(stream, low, high, line);
      const slot = this.#findSlot(stream, { low, high, hash, line });
      if (slot < 0) continue;
      this.#add(stream, entries, row, { hash, slot });
      newRows[count++] = row;
    }
    return newRows.subarray(0, count);
  }

  /** The free slot of the table for a new row, or -1 when the row is there. */
  #findSlot(
    stream: number,
    wanted: { low: number; high: number; hash: number; line: Uint8Array },
  ): number {
    const { low, high, hash, line } = wanted;
    const mask = this.#table.length - 1;
    let slot = hash & mask;
    for (; this.#table[slot] !== 0; slot = (slot + 1) & mask) {
      const row = this.#table[slot]! - 1;
      if (this.#rowHash[row] !== hash) continue;
      const page = this.#pages[this.#rowPage[row]!]!;
      if (page.stream === stream && page.equals(this.#rowPlace[row]!, low, high, line)) return -1;
    }
    return slot;
  }

  #add(
    stream: number,
    entries: LogColumns,
    row: number,
    place: { hash: number; slot: number },
  ): void {
    const timeNs = entries.timestampsNs[row]!;
    const held = (this.#streams[stream] ??= { pages: [], late: [] });
    const newest = held.pages.at(-1);
    const isLate = newest !== undefined && timeNs < newest.maxNs;
    const pages = isLate ? held.late : held.pages;
    let page = pages.at(-1);
    if (page?.isFullFor(entries.lineBounds[row + 1]! - entries.lineBounds[row]!) !== false) {
      page = new LogHeadPage(stream, this.#pages.length, !isLate);
      pages.push(page);
      this.#pages.push(page);
    }
    this.#pageBytes -= page.bytes;
    page.push(
      entries,
      row,
      this.#metadata.numberOf(entries.metadataSets[entries.metadataOf[row]!]!),
    );
    this.#pageBytes += page.bytes;
    this.#note(page, place);
    const timeMs = Number(timeNs / NS_PER_MS);
    if (timeMs < this.minMs) this.minMs = timeMs;
    // Rounded up, so that `maxMs` is never below the entry.
    if (timeMs + 1 > this.maxMs) this.maxMs = timeMs + 1;
  }

  #note(page: LogHeadPage, { hash, slot }: { hash: number; slot: number }): void {
    const number = this.rows++;
    this.#rowPage = growUint32(this.#rowPage, number + 1);
    this.#rowPlace = growUint32(this.#rowPlace, number + 1);
    this.#rowHash = growUint32(this.#rowHash, number + 1);
    this.#rowPage[number] = page.number;
    this.#rowPlace[number] = page.count - 1;
    this.#rowHash[number] = hash;
    this.#table[slot] = number + 1;
    if (2 * this.rows > this.#table.length) this.#growTable();
  }

  #growTable(): void {
    this.#table = new Uint32Array(2 * this.#table.length);
    const mask = this.#table.length - 1;
    for (let row = 0; row < this.rows; row++) {
      let slot = this.#rowHash[row]! & mask;
      while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
      this.#table[slot] = row + 1;
    }
  }
}

function hashOf(stream: number, low: number, high: number, line: Uint8Array): number {
  return hash32(
    line,
    0,
    line.length,
    Math.imul(stream, 0x9e3779b1) ^ Math.imul(low, 0x85ebca6b) ^ high,
  );
}

/** Nanoseconds of milliseconds that may be infinite or beyond 64 bits. */
export function toNs(ms: number): bigint {
  const bounded = Math.max(-9e12, Math.min(9e12, ms));
  return BigInt(Math.floor(bounded)) * NS_PER_MS;
}
