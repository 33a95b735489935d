/**
 * The times of a block's samples, as rows that many series share: what a scrape brings has one time for all series, so a row is written once
 * and series name it, or a stretch of it. In `times.bin`; layout in `docs/format/blocks.md`.
 */
import { ByteReader, ByteWriter } from "@finch/codec";
import { writeColumn } from "./column-encoder.ts";
import type { BlockFiles } from "./block.ts";
import type { PageRef } from "./block-format.ts";
import type { BlockFile } from "./block-writer.ts";
import { TIMES_FILE } from "./file-names.ts";
import { CHUNK_PAGE_BYTES, CHUNK_SAMPLES_MAX, TIME_ROWS_BYTES_MAX } from "./limits.ts";
import { ChunkPageReader } from "./metric-chunk.ts";

/** A row, or `count` of its times from `from` on. */
export interface TimeStretch {
  readonly row: number;
  readonly from: number;
  readonly count: number;
  /** Times of the whole row. */
  readonly rowCount: number;
}

/** Chunks of a row of `rowCount` times, all of the same length but the last. */
export function chunkRows(rowCount: number): number {
  return Math.ceil(rowCount / Math.ceil(rowCount / CHUNK_SAMPLES_MAX));
}

interface KnownRow {
  readonly row: number;
  readonly timestampsMs: Float64Array;
}

/** Of rows that begin or end at the same time, as many are compared to find a stretch. */
const CANDIDATES_MAX = 8;

/** Writes rows, each once, and finds them again. */
export class TimeRowWriter {
  readonly #file: BlockFile;
  readonly #page = new ByteWriter();
  readonly #root = new ByteWriter();
  #pages = 0;
  #pageFirst = 0;
  #rows = 0;
  #knownBytes = 0;
  /** In the order they came, the oldest forgotten first. */
  readonly #known = new Set<KnownRow>();
  readonly #byFirst = new Map<number, KnownRow[]>();
  readonly #byLast = new Map<number, KnownRow[]>();

  constructor(file: BlockFile) {
    this.#file = file;
  }

  /** The stretch with just these times, written when there is none; keeps `timestampsMs`. */
  async intern(timestampsMs: Float64Array): Promise<TimeStretch> {
    return this.#find(timestampsMs) ?? (await this.#add(timestampsMs));
  }

  async finish(): Promise<void> {
    await this.#flush();
    const root = new ByteWriter();
    root.writeVarint(this.#rows);
    root.writeVarint(this.#pages);
    root.writeBytes(this.#root.finish());
    await this.#file.appendRoot(root.finish());
  }

  #find(times: Float64Array): TimeStretch | undefined {
    // A series that ends early has the first times of its target's row, one that begins late the last.
    for (const { row, timestampsMs } of this.#byFirst.get(times[0]!) ?? [])
      if (hasStretch(timestampsMs, 0, times))
        return { row, from: 0, count: times.length, rowCount: timestampsMs.length };
    for (const { row, timestampsMs } of this.#byLast.get(times.at(-1)!) ?? []) {
      const from = timestampsMs.length - times.length;
      if (hasStretch(timestampsMs, from, times))
        return { row, from, count: times.length, rowCount: timestampsMs.length };
    }
    return undefined;
  }

  async #add(timestampsMs: Float64Array): Promise<TimeStretch> {
    const known = { row: this.#rows++, timestampsMs };
    this.#remember(known);
    const count = timestampsMs.length;
    const record = new ByteWriter(64 + count);
    record.writeVarint(count);
    record.writeZigzag(timestampsMs[0]!);
    record.writeVarint(timestampsMs[count - 1]! - timestampsMs[0]!);
    const step = chunkRows(count);
    for (let from = 0; from < count; from += step)
      writeColumn(record, timestampsMs, from, Math.min(from + step, count));
    this.#page.writeVarint(record.length);
    this.#page.writeBytes(record.bytes.subarray(0, record.length));
    if (this.#page.length >= CHUNK_PAGE_BYTES) await this.#flush();
    return { row: known.row, from: 0, count, rowCount: count };
  }

  async #flush(): Promise<void> {
    if (this.#page.length === 0) return;
    const page = this.#page.bytes.subarray(0, this.#page.length);
    const { offset, length } = await this.#file.appendZipped(page);
    for (const number of [offset, length, this.#pageFirst]) this.#root.writeVarint(number);
    this.#pages++;
    this.#page.clear();
    this.#pageFirst = this.#rows;
  }

  #remember(known: KnownRow): void {
    this.#known.add(known);
    addCandidate(this.#byFirst, known.timestampsMs[0]!, known);
    addCandidate(this.#byLast, known.timestampsMs.at(-1)!, known);
    this.#knownBytes += known.timestampsMs.byteLength;
    for (const oldest of this.#known) {
      if (this.#knownBytes <= TIME_ROWS_BYTES_MAX) break;
      this.#known.delete(oldest);
      removeCandidate(this.#byFirst, oldest.timestampsMs[0]!, oldest);
      removeCandidate(this.#byLast, oldest.timestampsMs.at(-1)!, oldest);
      this.#knownBytes -= oldest.timestampsMs.byteLength;
    }
  }
}

function hasStretch(row: Float64Array, from: number, times: Float64Array): boolean {
  if (row === times) return true;
  if (from < 0 || from + times.length > row.length) return false;
  for (let i = times.length - 1; i >= 0; i--) if (row[from + i] !== times[i]) return false;
  return true;
}

function addCandidate(map: Map<number, KnownRow[]>, key: number, known: KnownRow): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [known]);
  else {
    list.push(known);
    if (list.length > CANDIDATES_MAX) list.shift();
  }
}

function removeCandidate(map: Map<number, KnownRow[]>, key: number, known: KnownRow): void {
  const rest = (map.get(key) ?? []).filter((other) => other !== known);
  if (rest.length === 0) map.delete(key);
  else map.set(key, rest);
}

/** What is known of a row without its times. */
export interface TimeRow {
  readonly count: number;
  readonly minMs: number;
  readonly maxMs: number;
}

interface RowPage {
  readonly first: number;
  readonly rows: readonly (TimeRow & { readonly bytes: Uint8Array })[];
}

interface Root {
  readonly pages: readonly PageRef[];
  readonly firsts: Uint32Array;
}

/** Reads the rows of a block, through the store's cache. */
export class TimeRows {
  readonly #files: BlockFiles;
  /** The page read last: neighbours are asked for together. */
  #page: RowPage | undefined;

  constructor(files: BlockFiles) {
    this.#files = files;
  }

  /** What `row` gives, if it is of the page that was read last. */
  held(row: number): TimeRow | undefined {
    return this.#page?.rows[row - this.#page.first];
  }

  async row(row: number): Promise<TimeRow> {
    const page = await this.#pageOf(row);
    return page.rows[row - page.first]!;
  }

  /** All times of a row; shared, not to be changed. */
  async times(row: number): Promise<Float64Array> {
    return this.#files.cached(TIMES_FILE, `times:${row}`, async () => {
      const page = await this.#pageOf(row);
      const { count, bytes } = page.rows[row - page.first]!;
      const value = decodeTimes(bytes, count);
      return { value, bytes: value.byteLength };
    });
  }

  async #pageOf(row: number): Promise<RowPage> {
    const held = this.#page;
    if (held !== undefined && row >= held.first && row < held.first + held.rows.length) return held;
    const root = await this.#root();
    let number = 0;
    while (number + 1 < root.firsts.length && root.firsts[number + 1]! <= row) number++;
    const place = root.pages[number];
    const page = place === undefined ? undefined : await this.#rowPage(place, root.firsts[number]!);
    if (page === undefined || row >= page.first + page.rows.length)
      throw this.#files.damage(TIMES_FILE, place?.offset ?? 0, `there is no row ${row}`);
    this.#page = page;
    return page;
  }

  #rowPage(place: PageRef, first: number): Promise<RowPage> {
    return this.#files.cached(TIMES_FILE, `rows:${place.offset}`, async () => {
      const reader = new ByteReader(await this.#files.unzipPage(TIMES_FILE, place));
      const rows: (TimeRow & { readonly bytes: Uint8Array })[] = [];
      while (reader.position < reader.end) {
        const length = reader.readVarint();
        const at = reader.take(length);
        const record = new ByteReader(reader.bytes, at, at + length);
        const count = record.readVarint();
        const minMs = record.readZigzag();
        const maxMs = minMs + record.readVarint();
        const bytes = reader.bytes.subarray(record.position, record.end);
        if (count === 0 || count > bytes.length * CHUNK_SAMPLES_MAX)
          throw new RangeError(`a row of ${count} times in ${bytes.length} bytes`);
        rows.push({ count, minMs, maxMs, bytes });
      }
      return { value: { first, rows }, bytes: reader.end + 128 * rows.length };
    });
  }

  #root(): Promise<Root> {
    return this.#files.cached(TIMES_FILE, "times", async () => {
      const reader = new ByteReader(await this.#files.readRoot(TIMES_FILE));
      reader.readVarint();
      const pages: PageRef[] = [];
      const firsts: number[] = [];
      for (let left = reader.readVarint(); left > 0; left--) {
        pages.push({ offset: reader.readVarint(), length: reader.readVarint() });
        firsts.push(reader.readVarint());
      }
      return { value: { pages, firsts: Uint32Array.from(firsts) }, bytes: 80 * pages.length };
    });
  }
}

function decodeTimes(bytes: Uint8Array, count: number): Float64Array {
  const times = new Float64Array(count);
  new ChunkPageReader(bytes).readColumn(0, times, chunkRows(count));
  return times;
}
