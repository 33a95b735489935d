/**
 * Samples of numbered series in memory, appended and read in WebAssembly (`asm/sample-store.ts`, which draws the layout that this file reads
 * too). Knows nothing of labels. Appended samples never change or move out of order, so a reader that remembers how many a series had sees
 * just those whatever comes later.
 */
import { KernelMemory, loadKernel } from "./kernels.ts";

/** What became of an appended sample. */
export const FATE_ACCEPTED = 0;
/** It is the newest of its series again, bit for bit. */
export const FATE_REPEATED = 1;
/** It is not newer than the newest of its series, and not taken. */
export const FATE_LATE = 2;

/** Rows of one call of `append`. */
export const APPEND_ROWS_MAX = 4096;
/** Series that a store can have. */
export const STORE_SERIES_MAX = 2048 * 1632;
/** Values of a chunk at most. */
export const CHUNK_VALUES_MAX = 32;

const PAGE_BYTES = 65_536;
/** Where the work space of the kernel starts; address 0 stands for nothing. */
const WORK = 64;
const WORK_BYTES = 2048;
/** Rows decoded at once. */
const READ_ROWS_MAX = 1024;
const READ_CHUNKS = READ_ROWS_MAX / CHUNK_VALUES_MAX;
/** Values that wait at most until they are copied out, and stretches of times of one series. */
const RANGE_VALUES_MAX = 16_384;
const RANGE_PARTS_MAX = 1024;

const STATE_PAGES = 4096;
const STATES_PER_PAGE = 1632;
const STATE_BYTES = 40;

interface SampleExports {
  init(from: number): void;
  open(closeAt: number): number;
  close(target: number): void;
  reserve(target: number, count: number): void;
  append(
    target: number,
    runs: number,
    series: number,
    counts: number,
    times: number,
    values: number,
    fates: number,
  ): number;
  readChunk(chunk: number, count: number, times: number, values: number): void;
  readOpen(state: number, count: number, times: number, values: number): void;
}

interface RangeExports {
  readRange(
    target: number,
    series: number,
    total: number,
    startMs: number,
    endMs: number,
    values: number,
    valuesMax: number,
    parts: number,
    chunks: number,
    partsMax: number,
  ): number;
  countRange(target: number, series: number, total: number, startMs: number, endMs: number): number;
  readNewest(
    target: number,
    series: number,
    total: number,
    startMs: number,
    endMs: number,
    values: number,
    parts: number,
    chunks: number,
  ): number;
}

/** What the next call of `append` takes: run `r` is the next `counts[r]` rows, of series `series[r]`. */
export interface AppendColumns {
  readonly series: Uint32Array;
  readonly counts: Uint32Array;
  readonly timestampsMs: Float64Array;
  /** The same memory as `values`. */
  readonly valueBytes: Uint8Array;
  /** By row, after the call. */
  readonly fates: Uint8Array;
}

/** The memory of all stores of samples of one owner: what one of them gives back, the next one uses. */
export class SampleArena {
  readonly memory = new KernelMemory();
  readonly kernel = loadKernel<SampleExports>("sample-store", this.memory);
  readonly ranges = loadKernel<RangeExports>("sample-ranges", this.memory);
  readonly seriesAt: number;
  readonly countsAt: number;
  readonly timesAt: number;
  readonly valuesAt: number;
  readonly fatesAt: number;
  /** Where reading puts rows, apart from those to append: a store may be read between the two. */
  readonly readTimesAt: number;
  readonly readValuesAt: number;
  /** The same for ranges of many series. */
  readonly rangeValuesAt: number;
  readonly rangePartsAt: number;
  readonly rangeChunksAt: number;
  u32: Uint32Array = new Uint32Array(0);
  f64: Float64Array = new Float64Array(0);
  #columns: AppendColumns | undefined;

  constructor() {
    let end = WORK + WORK_BYTES;
    const place = (bytes: number): number => (end += bytes) - bytes;
    this.seriesAt = place(4 * APPEND_ROWS_MAX);
    this.countsAt = place(4 * APPEND_ROWS_MAX);
    this.timesAt = place(8 * APPEND_ROWS_MAX);
    this.valuesAt = place(8 * APPEND_ROWS_MAX);
    this.fatesAt = place(APPEND_ROWS_MAX);
    this.readTimesAt = place(8 * READ_ROWS_MAX);
    this.readValuesAt = place(8 * READ_ROWS_MAX);
    this.rangeValuesAt = place(8 * RANGE_VALUES_MAX);
    this.rangePartsAt = place(12 * RANGE_PARTS_MAX);
    this.rangeChunksAt = place(4 * RANGE_PARTS_MAX);
    this.memory.reserve(end);
    this.kernel.init(WORK);
    this.refresh();
  }

  /** Memory taken from the system, for good. */
  get bytes(): number {
    return this.memory.bytes.length;
  }

  /** Views of the rows to append; valid until the next `append`. */
  get columns(): AppendColumns {
    if (this.#columns === undefined) {
      const { buffer } = this.memory.bytes;
      this.#columns = {
        series: new Uint32Array(buffer, this.seriesAt, APPEND_ROWS_MAX),
        counts: new Uint32Array(buffer, this.countsAt, APPEND_ROWS_MAX),
        timestampsMs: new Float64Array(buffer, this.timesAt, APPEND_ROWS_MAX),
        valueBytes: new Uint8Array(buffer, this.valuesAt, 8 * APPEND_ROWS_MAX),
        fates: new Uint8Array(buffer, this.fatesAt, APPEND_ROWS_MAX),
      };
    }
    return this.#columns;
  }

  /** Takes views of the memory anew if a kernel has grown it. */
  refresh(): void {
    if (this.u32.length > 0) return;
    const { buffer } = this.memory.bytes;
    this.u32 = new Uint32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.#columns = undefined;
  }
}

/** Which samples of a series: those from `startMs` to `endMs`, both included, of its first `total`; of these perhaps the newest alone. */
export interface RangeWish {
  readonly startMs: number;
  readonly endMs: number;
  readonly total: number;
  readonly newestOnly: boolean;
}

export class SampleStore {
  readonly #arena: SampleArena;
  readonly #target: number;
  #seriesCount = 0;

  /** Chunks are closed at `closeAt` values, {@link CHUNK_VALUES_MAX} at most: fewer take less memory while they are open and more afterwards. */
  constructor(arena: SampleArena, closeAt: number) {
    this.#arena = arena;
    this.#target = arena.kernel.open(closeAt);
    arena.refresh();
  }

  /** Memory held. */
  get bytes(): number {
    return this.#arena.u32[(this.#target + 20) >>> 2]! * PAGE_BYTES;
  }

  /** Gives the memory back. Nothing may be called after. */
  close(): void {
    this.#arena.kernel.close(this.#target);
  }

  /** Makes room for series `0 … count - 1`. */
  reserve(count: number): void {
    if (count <= this.#seriesCount) return;
    this.#arena.kernel.reserve(this.#target, count);
    this.#arena.refresh();
    this.#seriesCount = Math.ceil(count / STATES_PER_PAGE) * STATES_PER_PAGE;
  }

  /** Appends the rows of the first `runs` runs in the arena's columns; returns how many were accepted, the rest is in `fates`. Room must be reserved. */
  append(runs: number): number {
    const { kernel, seriesAt, countsAt, timesAt, valuesAt, fatesAt } = this.#arena;
    const accepted = kernel.append(
      this.#target,
      runs,
      seriesAt,
      countsAt,
      timesAt,
      valuesAt,
      fatesAt,
    );
    this.#arena.refresh();
    return accepted;
  }

  /** Samples of a series. */
  total(series: number): number {
    return series < this.#seriesCount ? this.#arena.u32[(this.#state(series) + 32) >>> 2]! : 0;
  }

  /** Its newest time, or -Infinity. */
  newestMs(series: number): number {
    return this.total(series) === 0
      ? -Infinity
      : this.#arena.f64[(this.#state(series) + 16) >>> 3]!;
  }

  /** Its oldest time, or Infinity. */
  oldestMs(series: number): number {
    return this.total(series) === 0 ? Infinity : this.#arena.f64[(this.#state(series) + 24) >>> 3]!;
  }

  /** From now on no sample of the series is {@link FATE_REPEATED}: its values alone do not tell. */
  markRich(series: number): void {
    const at = (this.#state(series) + 4) >>> 2;
    this.#arena.u32[at] = this.#arena.u32[at]! | (1 << 16);
  }

  /** Whole chunks that hold the range, out of the first `total` samples; not clipped. A copy. */
  read(
    series: number,
    want: { readonly startMs: number; readonly endMs: number; readonly total: number },
  ): { readonly timestampsMs: Float64Array; readonly values: Float64Array } {
    const total = Math.min(this.total(series), want.total);
    if (total === 0) return { timestampsMs: new Float64Array(0), values: new Float64Array(0) };
    const { u32, f64 } = this.#arena;
    const state = this.#state(series) >>> 2;
    /** Samples before the part under consideration. */
    let before = u32[state + 8]! - (u32[state + 1]! & 255);
    let rows = 0;
    const open = f64[(u32[state + 2]! + 16) >>> 3]! <= want.endMs ? Math.max(0, total - before) : 0;
    rows += open;
    const chunks: number[] = [];
    for (let chunk = u32[state + 3]!; chunk > 0; chunk = u32[chunk >>> 2]!) {
      const count = u32[(chunk + 8) >>> 2]! & 255;
      before -= count;
      const row = u32[(chunk + 4) >>> 2]!;
      const firstMs = f64[(row + 16) >>> 3]!;
      if (firstMs + u32[(row + 20 + 4 * count) >>> 2]! < want.startMs) break;
      if (firstMs > want.endMs || before >= total) continue;
      chunks.push(chunk, Math.min(count, total - before));
      rows += chunks.at(-1)!;
    }
    const target = { timestampsMs: new Float64Array(rows), values: new Float64Array(rows) };
    this.#readChunks(chunks, target);
    if (open > 0) {
      const { kernel, readTimesAt, readValuesAt } = this.#arena;
      kernel.readOpen(this.#state(series), open, readTimesAt, readValuesAt);
      this.#copyOut(target, rows - open, open);
    }
    return target;
  }

  /** `chunks` are pairs of address and rows, newest first. */
  #readChunks(
    chunks: readonly number[],
    target: { readonly timestampsMs: Float64Array; readonly values: Float64Array },
  ): void {
    const { kernel, readTimesAt, readValuesAt } = this.#arena;
    let done = 0;
    let pending = 0;
    for (let i = chunks.length - 2, left = READ_CHUNKS; i >= 0; i -= 2) {
      const count = chunks[i + 1]!;
      kernel.readChunk(chunks[i]!, count, readTimesAt + 8 * pending, readValuesAt + 8 * pending);
      pending += count;
      if (--left > 0 && i > 0) continue;
      this.#copyOut(target, done, pending);
      done += pending;
      pending = 0;
      left = READ_CHUNKS;
    }
  }

  #copyOut(
    target: { readonly timestampsMs: Float64Array; readonly values: Float64Array },
    at: number,
    count: number,
  ): void {
    const { f64, readTimesAt, readValuesAt } = this.#arena;
    target.timestampsMs.set(f64.subarray(readTimesAt >>> 3, (readTimesAt >>> 3) + count), at);
    target.values.set(f64.subarray(readValuesAt >>> 3, (readValuesAt >>> 3) + count), at);
  }

  /** How many samples there are of a wish; of the newest alone one, whether there is one or not. */
  countRange(series: number, want: RangeWish): number {
    const total = Math.min(this.total(series), want.total);
    if (total === 0 || want.newestOnly) return Math.min(total, 1);
    // A range that ends before it begins would be less than none.
    if (want.startMs > want.endMs) return 0;
    return this.#arena.ranges.countRange(this.#target, series, total, want.startMs, want.endMs);
  }

  /** As the kernel's `readRange` and `readNewest`, to the arena's `rangeValuesAt` + 8 · `used`. */
  readRange(series: number, want: RangeWish, used: number): number {
    const { ranges, rangeValuesAt, rangePartsAt, rangeChunksAt } = this.#arena;
    const total = Math.min(this.total(series), want.total);
    if (total === 0) return 0;
    if (want.newestOnly) {
      if (used + CHUNK_VALUES_MAX > RANGE_VALUES_MAX) return -1;
      return ranges.readNewest(
        this.#target,
        series,
        total,
        want.startMs,
        want.endMs,
        rangeValuesAt + 8 * used,
        rangePartsAt,
        rangeChunksAt,
      );
    }
    return ranges.readRange(
      this.#target,
      series,
      total,
      want.startMs,
      want.endMs,
      rangeValuesAt + 8 * used,
      RANGE_VALUES_MAX - used,
      rangePartsAt,
      rangeChunksAt,
      RANGE_PARTS_MAX,
    );
  }

  #state(series: number): number {
    const page = Math.floor(series / STATES_PER_PAGE);
    const start = this.#arena.u32[(this.#target + STATE_PAGES + 4 * page) >>> 2]!;
    return start + (series - page * STATES_PER_PAGE) * STATE_BYTES;
  }
}
