/**
 * A growing page of entries of one stream in the head. Rows below `count` never change, so a reader's view stays right. Lines stand in pieces of one size, so that
 * a page grows without moving what it has. Repetitions are looked for only where there can be any: an entry newer than all others of its page is none.
 */
import { hash32 } from "@finch/codec";
import type { Labels, LogColumns } from "@finch/model";
import type { ByteMemory } from "./byte-memory.ts";
import { LOG_PAGE_BYTES, LOG_PAGE_ROWS } from "./limits.ts";
import { equalBytes, MetadataSets } from "./log-columns.ts";

/** Rows of the newest time that are gone through one by one; with more a table is made. */
const END_ROWS_MAX = 64;

/** Of the columns of a row: time, end of the line, metadata set; and of where the first line begins. */
const ROW_BYTES = 16;
const BOUND_BYTES = 4;
const ROWS_MIN = 15;
const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Pieces of lines have so many bytes; the first begins smaller. */
const PIECE_BITS = 15;
const PIECE_BYTES = 1 << PIECE_BITS;

/** Rows that a page had at one moment, for as long as their reader likes. */
export interface LentRows {
  readonly count: number;
  readonly lineBytes: number;
  /** Puts the lines together: a copy. */
  columns(): LogColumns;
}

export class LogHeadPage {
  /** Whether rows ascend by time. */
  readonly isSorted: boolean;
  count = 0;
  minNs = 0n;
  maxNs = 0n;
  /** Where lines and columns are: memory that goes back to where it came from, unless a reader has seen it. */
  readonly #memory: ByteMemory;
  #isLent = false;
  #pieces: Uint8Array[] = [];
  /** Bytes of all pieces. */
  #room = 0;
  #columns = NO_BYTES;
  /** Views of `#columns`: times, in words as well; where lines end; metadata sets. */
  #timestampsNs = new BigInt64Array(0) as BigInt64Array;
  #words = new Int32Array(0) as Int32Array;
  #bounds = new Uint32Array(1) as Uint32Array;
  #metadataOf = new Uint32Array(0) as Uint32Array;
  readonly #metadata = new MetadataSets();
  /** Open addressing over time and line: row + 1, or 0. Made when the first repetition is possible. */
  #table: Uint32Array | undefined;

  constructor(memory: ByteMemory, { isSorted }: { readonly isSorted: boolean }) {
    this.#memory = memory;
    this.isSorted = isSorted;
  }

  /** Memory held. */
  get bytes(): number {
    const table = this.#table === undefined ? 0 : 4 * this.#table.length;
    return this.#room + this.#columns.length + table + this.#metadata.bytes + 256;
  }

  get lineBytes(): number {
    return this.#bounds[this.count]!;
  }

  /** Whether a line of this length belongs on the next page. */
  isFullFor(length: number): boolean {
    return (
      this.count > 0 && (this.count >= LOG_PAGE_ROWS || this.lineBytes + length > LOG_PAGE_BYTES)
    );
  }

  /** Appends rows `from … to - 1` of entries, of which `setOf` has the numbers that {@link numberSet} gave their metadata sets. */
  push(entries: LogColumns, from: number, to: number, setOf: Uint32Array): void {
    const { lineBounds, lines, timestampsNs, metadataOf } = entries;
    const at = this.count;
    const end = at + to - from;
    const shift = this.#bounds[at]! - lineBounds[from]!;
    if (end > this.#timestampsNs.length) this.#growColumns(end);
    this.#timestampsNs.set(timestampsNs.subarray(from, to), at);
    this.#pushLines(lines, lineBounds[from]!, lineBounds[to]!);
    for (let row = from, i = at; row < to; row++, i++) {
      this.#bounds[i + 1] = lineBounds[row + 1]! + shift;
      this.#metadataOf[i] = setOf[metadataOf[row]!]!;
    }
    this.#noteTimes(at, end);
    this.count = end;
    if (this.#table === undefined) return;
    for (let row = at; row < end; row++) this.#enter(row);
  }

  /** The number of a metadata set in this page. */
  numberSet(set: Labels): number {
    return this.#metadata.numberOf(set);
  }

  /** Whether the page has this row of entries. */
  has(entries: LogColumns, row: number): boolean {
    if (this.count === 0 || entries.timestampsNs[row]! > this.maxNs) return false;
    const words = new Int32Array(
      entries.timestampsNs.buffer,
      entries.timestampsNs.byteOffset + 8 * row,
      2,
    );
    const line = entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]);
    const table = (this.#table ??= this.#makeTable());
    const mask = table.length - 1;
    for (
      let slot = hashOf(words[0]!, words[1]!, line) & mask;
      table[slot] !== 0;
      slot = (slot + 1) & mask
    )
      if (this.#equals(table[slot]! - 1, words, line)) return true;
    return false;
  }

  /** The same of a row whose time is the newest of this page, which is sorted. */
  hasAtEnd(entries: LogColumns, row: number): boolean {
    const { lines, lineBounds } = entries;
    const line = lines.subarray(lineBounds[row], lineBounds[row + 1]);
    const words = this.#words;
    const last = this.count - 1;
    const time = words.subarray(2 * last, 2 * last + 2);
    for (let at = last; at >= 0; at--) {
      if (words[2 * at] !== time[0] || words[2 * at + 1] !== time[1]) return false;
      if (last - at >= END_ROWS_MAX) return this.has(entries, row);
      if (this.#equals(at, time, line)) return true;
    }
    return false;
  }

  /** The rows there are, for a reader that may keep them. */
  lend(): LentRows {
    this.#isLent = true;
    const pieces = [...this.#pieces];
    const { count, lineBytes } = this;
    const columns = this.#columnsWith(NO_BYTES);
    return {
      count,
      lineBytes,
      columns: () => ({ ...columns, lines: joinPieces(pieces, new Uint8Array(lineBytes)) }),
    };
  }

  /** Gives back the memory of a page that nobody needs any more. */
  release(): void {
    for (const piece of this.#pieces) this.#giveBack(piece);
    this.#giveBack(this.#columns);
    this.#pieces = [];
    this.#room = 0;
    this.#columns = NO_BYTES;
    this.count = 0;
  }

  /** The rows there are, with their lines in `memory`, of {@link lineBytes} at least; shares the rest until the page grows or is released. */
  columns(memory: Uint8Array): LogColumns {
    return this.#columnsWith(joinPieces(this.#pieces, memory.subarray(0, this.lineBytes)));
  }

  #columnsWith(lines: Uint8Array): LogColumns {
    const { count } = this;
    return {
      count,
      timestampsNs: this.#timestampsNs.subarray(0, count),
      lines,
      lineBounds: this.#bounds.subarray(0, count + 1),
      metadataSets: this.#metadata.sets,
      metadataOf: this.#metadataOf.subarray(0, count),
    };
  }

  /** Puts bytes `from … to - 1` behind the last line. */
  #pushLines(lines: Uint8Array, from: number, to: number): void {
    let at = this.lineBytes;
    for (let start = from; start < to;) {
      const number = at >>> PIECE_BITS;
      const within = at & (PIECE_BYTES - 1);
      const end = Math.min(to, start + PIECE_BYTES - within);
      const piece = this.#pieceFor(number, within + end - start);
      piece.set(lines.subarray(start, end), within);
      at += end - start;
      start = end;
    }
  }

  /** Piece `number`, with room for so many bytes. */
  #pieceFor(number: number, bytes: number): Uint8Array {
    const before = this.#pieces[number] ?? NO_BYTES;
    if (bytes <= before.length) return before;
    const piece = this.#memory.take(number === 0 ? bytes : PIECE_BYTES);
    piece.set(before);
    this.#giveBack(before);
    this.#pieces[number] = piece;
    this.#room += piece.length - before.length;
    return piece;
  }

  #growColumns(rows: number): void {
    const columns = this.#memory.take(ROW_BYTES * Math.max(rows, ROWS_MIN) + BOUND_BYTES);
    const { buffer, length } = columns;
    const room = Math.floor((length - BOUND_BYTES) / ROW_BYTES);
    const timestampsNs = new BigInt64Array(buffer, 0, room);
    const bounds = new Uint32Array(buffer, 8 * room, room + 1);
    const metadataOf = new Uint32Array(buffer, 12 * room + BOUND_BYTES, room);
    timestampsNs.set(this.#timestampsNs.subarray(0, this.count));
    bounds.set(this.#bounds.subarray(0, this.count + 1));
    metadataOf.set(this.#metadataOf.subarray(0, this.count));
    this.#giveBack(this.#columns);
    this.#columns = columns;
    this.#timestampsNs = timestampsNs;
    this.#words = new Int32Array(buffer, 0, 2 * room);
    this.#bounds = bounds;
    this.#metadataOf = metadataOf;
  }

  #giveBack(memory: Uint8Array): void {
    if (!this.#isLent) this.#memory.give(memory);
  }

  /** Notes the oldest and newest of the rows `from … to - 1`, in words because big integers would cost an allocation a row. */
  #noteTimes(from: number, to: number): void {
    const words = this.#words;
    let oldest = from;
    let newest = from;
    for (let row = from + 1; row < to; row++) {
      if (isBefore(words, row, oldest)) oldest = row;
      if (isBefore(words, newest, row)) newest = row;
    }
    const oldestNs = this.#timestampsNs[oldest]!;
    const newestNs = this.#timestampsNs[newest]!;
    if (from === 0 || oldestNs < this.minNs) this.minNs = oldestNs;
    if (from === 0 || newestNs > this.maxNs) this.maxNs = newestNs;
  }

  #makeTable(): Uint32Array {
    let size = 64;
    while (size < 4 * this.count) size *= 2;
    const table = new Uint32Array(size);
    for (let row = 0; row < this.count; row++) insert(table, this.#hashOfRow(row), row);
    return table;
  }

  #enter(row: number): void {
    if (2 * this.count > this.#table!.length) this.#table = this.#makeTable();
    else insert(this.#table!, this.#hashOfRow(row), row);
  }

  #hashOfRow(row: number): number {
    return hashOf(this.#words[2 * row]!, this.#words[2 * row + 1]!, this.#lineOf(row));
  }

  /** A view of a line, or a copy where it stands in several pieces. */
  #lineOf(row: number): Uint8Array {
    const from = this.#bounds[row]!;
    const to = this.#bounds[row + 1]!;
    const first = from >>> PIECE_BITS;
    const within = from & (PIECE_BYTES - 1);
    if (within + to - from <= PIECE_BYTES)
      return (this.#pieces[first] ?? NO_BYTES).subarray(within, within + to - from);
    const pieces = this.#pieces.slice(first, ((to - 1) >>> PIECE_BITS) + 1);
    pieces[0] = pieces[0]!.subarray(within);
    return joinPieces(pieces, new Uint8Array(to - from));
  }

  #equals(row: number, words: Int32Array, line: Uint8Array): boolean {
    if (this.#words[2 * row] !== words[0] || this.#words[2 * row + 1] !== words[1]) return false;
    if (this.#bounds[row + 1]! - this.#bounds[row]! !== line.length) return false;
    return equalBytes(this.#lineOf(row), line);
  }
}

/** Fills `target` with what stands in pieces, one behind the other. */
function joinPieces(pieces: readonly Uint8Array[], target: Uint8Array): Uint8Array {
  let at = 0;
  for (const piece of pieces) {
    const left = target.length - at;
    if (left === 0) break;
    target.set(piece.length > left ? piece.subarray(0, left) : piece, at);
    at += Math.min(left, piece.length);
  }
  return target;
}

function insert(table: Uint32Array, hash: number, row: number): void {
  const mask = table.length - 1;
  let slot = hash & mask;
  while (table[slot] !== 0) slot = (slot + 1) & mask;
  table[slot] = row + 1;
}

function hashOf(low: number, high: number, line: Uint8Array): number {
  return hash32(line, 0, line.length, Math.imul(low, 0x85ebca6b) ^ high);
}

/** Whether time `a` of words (low, high) is before time `b`. */
export function isBefore(words: Int32Array, a: number, b: number): boolean {
  const high = words[2 * a + 1]! - words[2 * b + 1]!;
  return high !== 0 ? high < 0 : words[2 * a]! >>> 0 < words[2 * b]! >>> 0;
}
