/**
 * Reads the samples of one batch of series from everywhere they are. What lies one behind the other is decoded straight to its place in memory
 * that the whole batch shares; only series whose places overlap are merged sample by sample.
 */
import type { Block } from "./block.ts";
import type { TimeSpan } from "./deletes.ts";
import { readChunks } from "./metric-block.ts";
import type { ChunkWish, MetricPlace } from "./metric-block.ts";
import type { ChunkExtras } from "./metric-chunk.ts";
import type { Pacer } from "./pacer.ts";
import { lowerBound, mergeSamples, NO_SAMPLES } from "./sample-columns.ts";
import type { SampleColumns } from "./sample-columns.ts";
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

/** Where samples of one series are: in a block, or in memory already. */
export type SamplePlace = BlockPlace | { readonly columns: SampleColumns };

/** Rows `lo … hi` of a row of times, and those times. */
interface Window {
  readonly lo: number;
  readonly hi: number;
  readonly rowCount: number;
  readonly timestampsMs: Float64Array;
}

/** A stretch of samples that goes to `memory[at …)`. */
interface Run {
  readonly timestampsMs: Float64Array;
  readonly from: { readonly place: MetricPlace; readonly window: Window } | SampleColumns;
  readonly source: BlockSource | undefined;
  at: number;
  extras: { histograms: SampleColumns["histograms"]; startTimestampsMs: Float64Array | undefined };
}

/** The samples of series `s` with `startMs <= time <= endMs`, out of `places[s]` in order of precedence; equal times are one array. */
export async function readSamples(
  places: readonly (readonly SamplePlace[])[],
  range: { readonly startMs: number; readonly endMs: number },
  pacer: Pacer,
): Promise<SampleColumns[]> {
  const shared = new SharedTimes();
  const windows = new Windows(range);
  const runsOf: Run[][] = [];
  let total = 0;
  for (const list of places) {
    const runs: Run[] = [];
    for (const place of list) {
      if ("columns" in place) runs.push(...runsOfColumns(place.columns, shared));
      else runs.push(...(await windows.runsOf(place)));
    }
    if (isDisjoint(runs)) runs.sort((a, b) => a.timestampsMs[0]! - b.timestampsMs[0]!);
    for (const run of runs) {
      run.at = total;
      total += run.timestampsMs.length;
    }
    runsOf.push(runs);
    if (pacer.isDue()) await pacer.rest();
  }
  // One piece of memory for all: the allocator gives it back warm, and nothing needs to be zero.
  const memory = new Float64Array(Buffer.allocUnsafeSlow(8 * total).buffer);
  await fill(memory, runsOf, pacer);
  const result: SampleColumns[] = [];
  for (const runs of runsOf) {
    result.push(joinRuns(memory, runs, shared));
    if (pacer.isDue()) await pacer.rest();
  }
  return result;
}

/** Windows of the range on rows of times; each is made once, so that series share its array. */
class Windows {
  readonly #startMs: number;
  readonly #endMs: number;
  readonly #wholeRows = new Map<BlockSource, Map<number, Window>>();
  readonly #stretches = new Map<BlockSource, Map<string, Window>>();

  constructor(range: { readonly startMs: number; readonly endMs: number }) {
    this.#startMs = range.startMs;
    this.#endMs = range.endMs;
  }

  /** The part of a place that lies in the range, in pieces between its gaps. */
  async runsOf({ source, place, gaps }: BlockPlace): Promise<Run[]> {
    let whole = mapOf(this.#wholeRows, source).get(place.row);
    if (whole === undefined) {
      whole = this.#cut(await source.times.times(place.row));
      mapOf(this.#wholeRows, source).set(place.row, whole);
    }
    const lo = Math.max(whole.lo, place.from);
    const hi = Math.min(whole.hi, place.from + place.count);
    if (lo >= hi) return [];
    const pieces = gaps === undefined ? [[lo, hi] as const] : leaveOut(whole, { lo, hi }, gaps);
    return pieces.map(([from, to]) => {
      const window = this.#piece(source, place.row, whole, from, to);
      const { timestampsMs } = window;
      return { timestampsMs, from: { place, window }, source, at: 0, extras: noExtras() };
    });
  }

  #piece(source: BlockSource, row: number, whole: Window, lo: number, hi: number): Window {
    if (lo === whole.lo && hi === whole.hi) return whole;
    const stretches = mapOf(this.#stretches, source);
    const key = `${row}:${lo}:${hi}`;
    let window = stretches.get(key);
    if (window === undefined) {
      const timestampsMs = whole.timestampsMs.subarray(lo - whole.lo, hi - whole.lo);
      window = { lo, hi, rowCount: whole.rowCount, timestampsMs };
      stretches.set(key, window);
    }
    return window;
  }

  #cut(times: Float64Array): Window {
    const lo = lowerBound(times, times.length, this.#startMs);
    const hi = Math.max(lo, lowerBound(times, times.length, this.#endMs + 1));
    // A copy, so that a narrow look does not keep a long row alive.
    return { lo, hi, rowCount: times.length, timestampsMs: times.slice(lo, hi) };
  }
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

function noExtras(): Run["extras"] {
  return { histograms: undefined, startTimestampsMs: undefined };
}

function runsOfColumns(columns: SampleColumns, shared: SharedTimes): Run[] {
  if (columns.timestampsMs.length === 0) return [];
  const { timestampsMs } = shared.share(columns);
  const { histograms, startTimestampsMs } = columns;
  const extras = { histograms, startTimestampsMs };
  return [{ timestampsMs, from: columns, source: undefined, at: 0, extras }];
}

/** Whether no two runs overlap. */
function isDisjoint(runs: readonly Run[]): boolean {
  if (runs.length < 2) return true;
  const sorted = runs.toSorted((a, b) => a.timestampsMs[0]! - b.timestampsMs[0]!);
  for (let i = 1; i < sorted.length; i++)
    if (sorted[i]!.timestampsMs[0]! <= sorted[i - 1]!.timestampsMs.at(-1)!) return false;
  return true;
}

/** Copies what is in memory, and reads what is in blocks, block by block. */
async function fill(memory: Float64Array, runsOf: readonly Run[][], pacer: Pacer): Promise<void> {
  const wishes = new Map<BlockSource, ChunkWish[]>();
  for (const runs of runsOf) {
    for (const run of runs) {
      if (run.source === undefined) {
        memory.set((run.from as SampleColumns).values, run.at);
        continue;
      }
      let list = wishes.get(run.source);
      if (list === undefined) wishes.set(run.source, (list = []));
      addWishes(list, memory, run);
    }
    if (pacer.isDue()) await pacer.rest();
  }
  for (const [{ block }, list] of wishes) {
    // The order of a batch is that of its series, which in this block may be another.
    list.sort((a, b) => a.chunk - b.chunk);
    await readChunks(block, list, pacer);
  }
}

function addWishes(wishes: ChunkWish[], memory: Float64Array, run: Run): void {
  const { place, window } = run.from as { readonly place: MetricPlace; readonly window: Window };
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
      accept: (extras) => takeExtras(run, extras, { skip, take, offset }),
    });
    row += take;
  }
}

function takeExtras(
  run: Run,
  found: ChunkExtras,
  rows: { readonly skip: number; readonly take: number; readonly offset: number },
): void {
  const { skip, take, offset } = rows;
  const { length } = run.timestampsMs;
  if (found.histograms !== undefined) {
    const all = (run.extras.histograms ??= Array.from({ length })) as unknown[];
    for (let i = 0; i < take; i++) all[offset + i] = found.histograms[skip + i];
  }
  if (found.startTimestampsMs !== undefined) {
    const all = (run.extras.startTimestampsMs ??= new Float64Array(length));
    all.set(found.startTimestampsMs.subarray(skip, skip + take), offset);
  }
}

function joinRuns(memory: Float64Array, runs: readonly Run[], shared: SharedTimes): SampleColumns {
  if (runs.length === 0) return NO_SAMPLES;
  const isPlain = runs.every(
    ({ extras }) => extras.histograms === undefined && extras.startTimestampsMs === undefined,
  );
  const [first] = runs;
  const last = runs.at(-1)!;
  const end = last.at + last.timestampsMs.length;
  if (isPlain && isAscending(runs)) {
    const timestampsMs = shared.join(runs.map((run) => run.timestampsMs));
    return { timestampsMs, values: memory.subarray(first!.at, end) };
  }
  const columns = runs.map(({ timestampsMs, at, extras }) => ({
    timestampsMs,
    values: memory.subarray(at, at + timestampsMs.length),
    ...extras,
  }));
  return shared.share(mergeSamples(columns));
}

function isAscending(runs: readonly Run[]): boolean {
  for (let i = 1; i < runs.length; i++)
    if (runs[i]!.timestampsMs[0]! <= runs[i - 1]!.timestampsMs.at(-1)!) return false;
  return true;
}
