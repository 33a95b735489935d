/**
 * Reads the samples of one batch of series from everywhere they are. What lies one behind the other is decoded straight to its place in memory
 * that the whole batch shares; only series whose places overlap are merged sample by sample.
 */
import type { SampleRangeReader } from "@finch/codec/kernels";
import type { Series } from "@finch/model";
import { assert } from "@finch/runtime";
import type { Block } from "./block.ts";
import type { TimeSpan } from "./deletes.ts";
import { readChunks } from "./metric-block.ts";
import type { ChunkWish, MetricPlace } from "./metric-block.ts";
import type { ChunkExtras } from "./metric-chunk.ts";
import type { HeadWish, MetricHeadView } from "./metric-head.ts";
import type { Pacer } from "./pacer.ts";
import { lowerBound, mergeSamples, NO_SAMPLES, sliceSamples } from "./sample-columns.ts";
import type { SampleColumns } from "./sample-columns.ts";
import { FRESH_MEMORY } from "./sample-memory.ts";
import type { SampleMemory } from "./sample-memory.ts";
import { SharedTimes } from "./shared-times.ts";
import { chunkRows } from "./time-rows.ts";
import type { TimeRows } from "./time-rows.ts";

/** A block that is read, with its times. */
export interface BlockSource {
  readonly block: Block;
  readonly times: TimeRows;
}

/** Where samples of one series are in a block. */
export interface BlockPlace {
  readonly source: BlockSource;
  readonly place: MetricPlace;
  /** Stretches that were deleted. */
  readonly gaps: readonly TimeSpan[] | undefined;
}

/** A stretch of samples, once it is read: values lie in the memory of the batch from `at` on. */
interface Run {
  timestampsMs: Float64Array;
  at: number;
  histograms: SampleColumns["histograms"];
  startTimestampsMs: Float64Array | undefined;
  /** As in `Series`. */
  isRising: boolean | undefined;
}

/** Where samples of one series are in a head. It is its own run: thousands of them are made for a query. */
export interface HeadPlace extends Run {
  readonly view: MetricHeadView;
  /** Which series of the view. */
  readonly series: number;
  /** What is older is hidden. */
  readonly fromMs: number;
  /** More it has not in the range. */
  readonly samplesMax: number;
}

/** Samples of one series that another thread has read. */
export interface ReadPlace extends Run {
  readonly read: Series;
}

export type SamplePlace = BlockPlace | HeadPlace | ReadPlace;

/** Rows `lo … hi` of a row of times, and those times. */
interface Window {
  readonly lo: number;
  readonly hi: number;
  readonly rowCount: number;
  readonly timestampsMs: Float64Array;
  /** Its last row, once somebody wanted that alone. */
  newest: Window | undefined;
}

/** What a place in a block has in the range, between two gaps. */
interface StretchOfBlock extends Run {
  readonly source: BlockSource;
  readonly place: MetricPlace;
  readonly window: Window;
}

/** Which samples of every series. */
export interface SampleRange {
  readonly startMs: number;
  readonly endMs: number;
  /** Of each place no sample but the newest is needed. */
  readonly newestOnly?: boolean | undefined;
}

/** Times kept from batch to batch: a week of 50 targets. */
const TIMES_BYTES_MAX = 32 * 1024 * 1024;

const NO_TIMES: Float64Array = new Float64Array(0);

type AnyRun = HeadPlace | ReadPlace | StretchOfBlock;

export function placeInHead(
  view: MetricHeadView,
  series: number,
  about: { readonly fromMs: number; readonly samplesMax: number },
): HeadPlace {
  const { fromMs, samplesMax } = about;
  return {
    view,
    series,
    fromMs,
    samplesMax,
    timestampsMs: NO_TIMES,
    at: 0,
    histograms: undefined,
    startTimestampsMs: undefined,
    isRising: undefined,
  };
}

export function placeOfRead(read: Series): ReadPlace {
  return {
    read,
    timestampsMs: NO_TIMES,
    at: 0,
    histograms: undefined,
    startTimestampsMs: undefined,
    isRising: undefined,
  };
}

/** Reads batches of one selection. */
export class BatchReader {
  readonly #range: SampleRange;
  readonly #pacer: Pacer;
  readonly #memory: SampleMemory;
  /** Needed where there are places in heads. */
  readonly #heads: SampleRangeReader | undefined;
  /** What is wanted of the series in a head that is read: one object for all of them. */
  readonly #wish: { -readonly [Key in keyof HeadWish]: HeadWish[Key] };
  /** Of this batch and those before it: neighbours have the same targets. */
  #windows: Windows;
  #shared = new SharedTimes();

  constructor(
    range: SampleRange,
    pacer: Pacer,
    options: {
      readonly memory?: SampleMemory | undefined;
      readonly heads?: SampleRangeReader | undefined;
    } = {},
  ) {
    this.#range = range;
    this.#pacer = pacer;
    this.#memory = options.memory ?? FRESH_MEMORY;
    this.#heads = options.heads;
    this.#windows = new Windows(range);
    const { startMs, endMs, newestOnly = false } = range;
    this.#wish = { startMs, endMs, newestOnly, total: 0, target: NO_TIMES, at: 0 };
  }

  /** The samples of series `s` in the range, out of its places in order of precedence; equal times are one array. */
  async read(
    batch: readonly { readonly places: readonly SamplePlace[] }[],
  ): Promise<SampleColumns[]> {
    const pacer = this.#pacer;
    if (this.#windows.bytes + this.#shared.bytes > TIMES_BYTES_MAX) {
      this.#windows = new Windows(this.#range);
      this.#shared = new SharedTimes();
    }
    const windows = this.#windows;
    const shared = this.#shared;
    // Of all series behind each other; those of one end where the next one's begin.
    const runs: AnyRun[] = [];
    const ends = new Uint32Array(batch.length);
    let total = 0;
    for (let at = 0; at < batch.length; at++) {
      const { places } = batch[at]!;
      for (let p = 0; p < places.length; p++) {
        const place = places[p]!;
        if (!("source" in place)) {
          runs.push(place);
          total += "view" in place ? place.samplesMax : place.read.timestampsMs.length;
          continue;
        }
        const before = runs.length;
        if (!windows.find(place, runs)) await windows.load(place, runs);
        for (let i = before; i < runs.length; i++) total += runs[i]!.timestampsMs.length;
      }
      ends[at] = runs.length;
      if (pacer.isDueAfterLittle()) await pacer.rest();
    }
    const memory = this.#memory.take(total);
    const used = await this.#place(memory, runs);
    this.#memory.trim(memory, used);
    await fill(memory, runs, pacer);
    const result: SampleColumns[] = [];
    for (let at = 0, from = 0; at < ends.length; from = ends[at++]!) {
      const isOne = ends[at] === from + 1 && runs[from]!.timestampsMs.length > 0;
      result.push(
        isOne && isPlain(runs[from]!)
          ? columnsOf(memory, runs[from]!)
          : joinRuns(memory, runs.slice(from, ends[at]), shared),
      );
      if (pacer.isDueAfterLittle()) await pacer.rest();
    }
    return result;
  }

  /** Gives each run its place in memory, and reads what is in heads; returns how much is taken. */
  async #place(memory: Float64Array, runs: readonly AnyRun[]): Promise<number> {
    const heads = this.#heads;
    let at = 0;
    for (let r = 0; r < runs.length; r++) {
      const run = runs[r]!;
      run.at = at;
      if ("view" in run) this.#readHead(memory, run);
      else if ("read" in run) takeColumns(memory, run, run.read);
      at += run.timestampsMs.length;
      if (!this.#pacer.isDueAfterLittle()) continue;
      heads?.flush();
      await this.#pacer.rest();
    }
    heads?.flush();
    return at;
  }

  #readHead(memory: Float64Array, run: HeadPlace): void {
    const { view, series, fromMs } = run;
    const heads = this.#heads;
    assert(heads !== undefined, "who reads heads has a reader for them");
    const wish = this.#wish;
    wish.startMs = Math.max(fromMs, this.#range.startMs);
    wish.target = memory;
    wish.at = run.at;
    if (view.head.readPlain(view, series, heads, wish) >= 0) {
      run.timestampsMs = heads.timestampsMs;
      run.isRising = heads.isRising;
      return;
    }
    const { startMs, endMs, newestOnly } = wish;
    const all = view.head.read(view, series, startMs, endMs);
    const { length } = all.timestampsMs;
    heads.flush();
    takeColumns(
      memory,
      run,
      newestOnly && length > 1 ? sliceSamples(all, length - 1, length) : all,
    );
  }
}

function takeColumns(memory: Float64Array, run: Run, columns: SampleColumns): void {
  run.timestampsMs = columns.timestampsMs;
  run.histograms = columns.histograms;
  run.startTimestampsMs = columns.startTimestampsMs;
  memory.set(columns.values, run.at);
}

/** Windows of the range on rows of times; each is made once, so that series share its array. */
class Windows {
  /** Of all times. */
  bytes = 0;
  readonly #range: SampleRange;
  readonly #wholeRows = new Map<BlockSource, Map<number, Window>>();
  readonly #stretches = new Map<BlockSource, Map<string, Window>>();

  constructor(range: SampleRange) {
    this.#range = range;
  }

  /** Adds the part of a place that lies in the range, in pieces between its gaps; false when its row must be loaded. */
  find({ source, place, gaps }: BlockPlace, runs: AnyRun[]): boolean {
    const whole = mapOf(this.#wholeRows, source).get(place.row);
    if (whole === undefined) return false;
    const lo = Math.max(whole.lo, place.from);
    const hi = Math.min(whole.hi, place.from + place.count);
    if (lo >= hi) return true;
    if (gaps !== undefined) {
      for (const [from, to] of leaveOut(whole, { lo, hi }, gaps))
        runs.push(stretchOf(source, place, this.#piece(source, place.row, whole, from, to)));
    } else if (this.#range.newestOnly === true) {
      const newest =
        hi === whole.hi
          ? (whole.newest ??= pieceOf(whole, hi - 1, hi))
          : this.#piece(source, place.row, whole, hi - 1, hi);
      runs.push(stretchOf(source, place, newest));
    } else runs.push(stretchOf(source, place, this.#piece(source, place.row, whole, lo, hi)));
    return true;
  }

  /** The same, whatever it takes. */
  async load(wanted: BlockPlace, runs: AnyRun[]): Promise<void> {
    const { source, place } = wanted;
    const whole = this.#cut(await source.times.times(place.row));
    this.bytes += whole.timestampsMs.byteLength;
    mapOf(this.#wholeRows, source).set(place.row, whole);
    this.find(wanted, runs);
  }

  #piece(source: BlockSource, row: number, whole: Window, lo: number, hi: number): Window {
    if (lo === whole.lo && hi === whole.hi) return whole;
    const stretches = mapOf(this.#stretches, source);
    const key = `${row}:${lo}:${hi}`;
    let window = stretches.get(key);
    if (window === undefined) stretches.set(key, (window = pieceOf(whole, lo, hi)));
    return window;
  }

  #cut(times: Float64Array): Window {
    const lo = lowerBound(times, times.length, this.#range.startMs);
    const hi = Math.max(lo, lowerBound(times, times.length, this.#range.endMs + 1));
    const isWhole = lo === 0 && hi === times.length;
    // A copy, so that a narrow look does not keep a long row alive.
    const timestampsMs = isWhole ? times : times.slice(lo, hi);
    return { lo, hi, rowCount: times.length, timestampsMs, newest: undefined };
  }
}

function stretchOf(source: BlockSource, place: MetricPlace, window: Window): StretchOfBlock {
  const { timestampsMs } = window;
  return {
    source,
    place,
    window,
    timestampsMs,
    at: 0,
    histograms: undefined,
    startTimestampsMs: undefined,
    isRising: undefined,
  };
}

function pieceOf(whole: Window, lo: number, hi: number): Window {
  const timestampsMs = whole.timestampsMs.subarray(lo - whole.lo, hi - whole.lo);
  return { lo, hi, rowCount: whole.rowCount, timestampsMs, newest: undefined };
}

/** Rows `lo … hi` without those in the gaps. */
function leaveOut(
  window: Window,
  rows: { readonly lo: number; readonly hi: number },
  gaps: readonly TimeSpan[],
): (readonly [from: number, to: number])[] {
  const times = window.timestampsMs;
  const pieces: (readonly [from: number, to: number])[] = [];
  let from = rows.lo;
  for (const { startMs, endMs } of gaps.toSorted((a, b) => a.startMs - b.startMs)) {
    const gapFrom = window.lo + lowerBound(times, times.length, startMs);
    const gapTo = window.lo + lowerBound(times, times.length, endMs + 1);
    if (gapFrom >= gapTo || gapTo <= from) continue;
    if (gapFrom > from) pieces.push([from, Math.min(gapFrom, rows.hi)]);
    from = gapTo;
    if (from >= rows.hi) return pieces;
  }
  if (from < rows.hi) pieces.push([from, rows.hi]);
  return pieces;
}

function mapOf<K, V>(maps: Map<BlockSource, Map<K, V>>, source: BlockSource): Map<K, V> {
  let map = maps.get(source);
  if (map === undefined) maps.set(source, (map = new Map()));
  return map;
}

/** A chunk that a run wants rows of; `offset` is how many rows of the run come before. */
interface RunWish extends ChunkWish {
  readonly run: Run;
  readonly offset: number;
}

/** Reads what is in blocks, block by block. */
async function fill(memory: Float64Array, runs: readonly AnyRun[], pacer: Pacer): Promise<void> {
  const wishes = new Map<BlockSource, RunWish[]>();
  for (let r = 0; r < runs.length; r++) {
    const run = runs[r]!;
    if (!("source" in run)) continue;
    let list = wishes.get(run.source);
    if (list === undefined) wishes.set(run.source, (list = []));
    addWishes(list, memory, run);
    if (pacer.isDueAfterLittle()) await pacer.rest();
  }
  for (const [{ block }, list] of wishes) {
    // The order of a batch is that of its series, which in this block may be another.
    list.sort((a, b) => a.chunk - b.chunk);
    await readChunks(block, list, pacer, takeExtras);
    for (let i = 0; i < list.length; i++) noteRising(memory, list[i]!);
  }
}

function addWishes(wishes: RunWish[], memory: Float64Array, run: StretchOfBlock): void {
  const { place, window } = run;
  const step = chunkRows(window.rowCount);
  const firstChunk = Math.floor(place.from / step);
  const end = Math.min(window.rowCount, place.from + place.count);
  for (let row = window.lo; row < window.hi;) {
    const number = Math.floor(row / step);
    const from = Math.max(place.from, number * step);
    const to = Math.min(end, (number + 1) * step);
    const take = Math.min(to, window.hi) - row;
    const skip = row - from;
    const offset = row - window.lo;
    wishes.push({
      chunk: place.chunk + number - firstChunk,
      rows: to - from,
      skip,
      take,
      values: memory,
      at: run.at + offset,
      run,
      offset,
      isRising: false,
    });
    row += take;
  }
}

/** What chunk by chunk was said of their values, and how each goes on from the one before. */
function noteRising(memory: Float64Array, { run, at, offset, isRising }: RunWish): void {
  const goesOn = offset === 0 || memory[at - 1]! <= memory[at]!;
  run.isRising = run.isRising !== false && isRising && goesOn;
}

function takeExtras({ run, skip, take, offset }: RunWish, found: ChunkExtras): void {
  const { length } = run.timestampsMs;
  if (found.histograms !== undefined) {
    const all = (run.histograms ??= Array.from({ length })) as unknown[];
    for (let i = 0; i < take; i++) all[offset + i] = found.histograms[skip + i];
  }
  if (found.startTimestampsMs !== undefined) {
    const all = (run.startTimestampsMs ??= new Float64Array(length));
    all.set(found.startTimestampsMs.subarray(skip, skip + take), offset);
  }
}

function columnsOf(memory: Float64Array, { timestampsMs, at, isRising }: Run): SampleColumns {
  return { timestampsMs, values: memory.subarray(at, at + timestampsMs.length), isRising };
}

function joinRuns(memory: Float64Array, runs: readonly Run[], shared: SharedTimes): SampleColumns {
  const filled = runs.filter((run) => run.timestampsMs.length > 0);
  const first = filled[0];
  if (first === undefined) return NO_SAMPLES;
  if (filled.every(isPlain) && isAscending(filled)) {
    const timestampsMs = shared.join(filled.map((run) => run.timestampsMs));
    const values = memory.subarray(first.at, first.at + timestampsMs.length);
    return { timestampsMs, values, isRising: areRising(memory, filled) };
  }
  const columns = filled.map(({ timestampsMs, at, histograms, startTimestampsMs }) => ({
    timestampsMs,
    values: memory.subarray(at, at + timestampsMs.length),
    histograms,
    startTimestampsMs,
  }));
  return shared.share(mergeSamples(columns));
}

/** Of runs behind each other. */
function areRising(memory: Float64Array, runs: readonly Run[]): boolean | undefined {
  let isRising: boolean | undefined = true;
  for (const { at, isRising: rises } of runs) {
    if (rises === undefined) return undefined;
    const goesOn: boolean = at === runs[0]!.at || memory[at - 1]! <= memory[at]!;
    isRising &&= rises && goesOn;
  }
  return isRising;
}

function isPlain({ histograms, startTimestampsMs }: Run): boolean {
  return histograms === undefined && startTimestampsMs === undefined;
}

function isAscending(runs: readonly Run[]): boolean {
  for (let i = 1; i < runs.length; i++)
    if (runs[i]!.timestampsMs[0]! <= runs[i - 1]!.timestampsMs.at(-1)!) return false;
  return true;
}
