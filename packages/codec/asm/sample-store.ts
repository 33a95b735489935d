/**
 * Samples of numbered series, appended in order of time: each series has an open run of values and, behind it, closed chunks of `value-chunk.ts`.
 * Open values stand in tiles of eight neighbouring series, time by time: what a scrape appends to the eight is one line of the processor's memory.
 * Times are kept once for all series that have the same ones, as those of one scrape have. Everything lies in pages of 64 KiB that belong to one
 * store and are given back together. Caller: `src/sample-store.ts`, which also reads states.
 *
 * Page        next page of its store (4), unused (4), then content.
 * Store       PAGES (4): its pages, linked · TILE (4): free tiles, linked · BUMP, BUMP_END (4 each): room for the next rows and chunks ·
 *             SERIES (4): series it has room for · COUNT (4): pages · CLOSE (4): values of a chunk · TILE_BUMP, TILE_END (4 each): room for tiles ·
 *             4096: pages of states · 12288: rows by first time · 16384: rows and chunks
 * State       of the group (4) · open values (1) · exponent hint (1) · flags (2) · times of the open values (4) · newest chunk (4) ·
 *             newest time (8) · oldest time (8) · samples (4) · unused (4)
 * Group       eight states. The first words of the first four are the tiles of open values 0 to 7, 8 to 15, 16 to 23 and 24 to 31, those of the
 *             others how many of the eight series have values there; without any there is no tile.
 * Tile        eight times eight values: for each place those of the eight series
 * Row         times (4) · row that began as this one does (4) · up to where (4) · unused (4) · first time (8) · differences to it (4 each, 32)
 * Chunk       the one before (4) · row (4) · values (1) · bytes of the values (3) · those bytes
 */
import { CHUNK_BYTES_MAX, decodeValues, encodeValues, lastExponent } from "./value-chunk";

const PAGE_BYTES: usize = 65536;
const PAGE_HEADER: usize = 8;
/** Pages taken from the system at once. */
const GROWTH_PAGES: i32 = 16;

const TILE: usize = 4;
const BUMP: usize = 8;
const BUMP_END: usize = 12;
const SERIES: usize = 16;
const COUNT: usize = 20;
const CLOSE: usize = 24;
const TILE_BUMP: usize = 28;
const TILE_END: usize = 32;
const STATE_PAGES: usize = 4096;
const ROWS: usize = 12288;
const ROW_SLOTS: u64 = 1024;

const STATE_BYTES: usize = 40;
/** Whole groups. */
const STATES_PER_PAGE: u32 = 1632;
const TILE_VALUES: u32 = 8;
/** Of a group. */
const TILES: usize = 4;
const TILE_LINE: usize = 64;
const TILE_BYTES: usize = 512;
const ROW_BYTES: usize = 24 + 4 * 32;
export const CHUNK_HEADER: usize = 12;

/** Series numbers, four bytes each, that are read ahead at once. */
const TOUCH_BYTES: usize = 4 * 64;

/** The series has samples that are more than their value: the caller decides about repetitions. */
const FLAG_RICH: u16 = 1;

const ACCEPTED: u8 = 0;
const REPEATED: u8 = 1;
/** Not after the newest sample: for the caller. */
const LATE: u8 = 2;

/** Free pages, linked. */
let freePage: usize = 0;
/** Where encoding works: 512 bytes of integers, 256 of gathered values. */
let work: usize = 0;

/** Everything from `from` to the end of the memory is pages. */
export function init(from: usize): void {
  work = from;
  freePage = 0;
}

export const WORK_BYTES: usize = 768;

function takePage(): usize {
  if (freePage == 0) {
    const first = memory.grow(GROWTH_PAGES);
    if (first < 0) unreachable();
    for (let i = GROWTH_PAGES - 1; i >= 0; i--) {
      const page = <usize>(first + i) * PAGE_BYTES;
      store<usize>(page, freePage);
      freePage = page;
    }
  }
  const page = freePage;
  freePage = load<usize>(page);
  return page;
}

/** A new store; chunks are closed at `closeAt` values. */
export function open(closeAt: u32): usize {
  const target = takePage();
  memory.fill(target, 0, PAGE_BYTES);
  store<u32>(target + COUNT, 1);
  store<usize>(target + BUMP, target + ROWS + 4 * <usize>ROW_SLOTS);
  store<usize>(target + BUMP_END, target + PAGE_BYTES);
  store<u32>(target + CLOSE, closeAt);
  return target;
}

/** Gives all pages of a store back. */
export function close(target: usize): void {
  let page = target;
  while (page != 0) {
    const next = load<usize>(page);
    store<usize>(page, freePage);
    freePage = page;
    page = next;
  }
}

function addPage(target: usize): usize {
  const page = takePage();
  store<usize>(page, load<usize>(target));
  store<usize>(target, page);
  store<u32>(target + COUNT, load<u32>(target + COUNT) + 1);
  return page + PAGE_HEADER;
}

function allocate(target: usize, bytes: usize): usize {
  const size = (bytes + 7) & ~7;
  let at = load<usize>(target + BUMP);
  if (at + size > load<usize>(target + BUMP_END)) {
    at = addPage(target);
    store<usize>(target + BUMP_END, at - PAGE_HEADER + PAGE_BYTES);
  }
  store<usize>(target + BUMP, at + size);
  return at;
}

/** Makes room for series `0 … count - 1`. */
export function reserve(target: usize, count: u32): void {
  let series = load<u32>(target + SERIES);
  while (series < count) {
    const page = addPage(target);
    memory.fill(page, 0, STATE_BYTES * STATES_PER_PAGE);
    store<usize>(target + STATE_PAGES + <usize>(series / STATES_PER_PAGE) * 4, page);
    series += STATES_PER_PAGE;
  }
  store<u32>(target + SERIES, series);
}

/** The state of a series below what was reserved. */
export function stateOf(target: usize, series: u32): usize {
  const page = load<usize>(target + STATE_PAGES + <usize>(series / STATES_PER_PAGE) * 4);
  return page + <usize>(series % STATES_PER_PAGE) * STATE_BYTES;
}

/**
 * Appends samples: run `r` gives the next `counts[r]` of `times` and `values` to series `series[r]`. Writes what became of each to `fates`, and
 * returns how many were accepted.
 */
export function append(
  target: usize,
  runs: u32,
  series: usize,
  counts: usize,
  times: usize,
  values: usize,
  fates: usize,
): u32 {
  let row: usize = 0;
  let accepted: u32 = 0;
  const runsEnd = (<usize>runs) << 2;
  let touchedTo: usize = 0;
  for (let run: usize = 0; run < runsEnd; run += 4) {
    if (run == touchedTo) {
      touchedTo = min(run + TOUCH_BYTES, runsEnd);
      touch(target, series + run, series + touchedTo);
    }
    const state = stateOf(target, load<u32>(series + run));
    for (let left = load<u32>(counts + run); left > 0; left--, row++) {
      const timeMs = load<f64>(times + (row << 3));
      const value = load<u64>(values + (row << 3));
      let fate = ACCEPTED;
      if (load<u32>(state, 32) == 0 || timeMs > load<f64>(state, 16)) {
        push(target, state, timeMs, value);
        accepted++;
      } else fate = isNewestAgain(state, timeMs, value) ? REPEATED : LATE;
      store<u8>(fates + row, fate);
    }
  }
  return accepted;
}

/**
 * Reads what the next appends will change. They wait for each other's memory, these reads do not: most series were out of the processor's reach since
 * their last sample.
 */
function touch(target: usize, series: usize, end: usize): void {
  let sum: u32 = 0;
  for (let at = series; at < end; at += 4) {
    const state = stateOf(target, load<u32>(at));
    sum += load<u32>(placeOf(state, <u32>load<u8>(state, 4)));
  }
  // Or nobody would want what was read.
  store<u32>(work, sum);
}

function isNewestAgain(state: usize, timeMs: f64, value: u64): bool {
  const open = <u32>load<u8>(state, 4);
  if (open == 0 || timeMs != load<f64>(state, 16) || load<u16>(state, 6) & FLAG_RICH) return false;
  return load<u64>(placeOf(state, open - 1)) == value;
}

/** The number of a state in its group; pages begin at multiples of their size. */
function laneOf(state: usize): usize {
  return (((state & (PAGE_BYTES - 1)) - PAGE_HEADER) / STATE_BYTES) & 7;
}

/** Where the open value `place` of a state stands, in a tile that is there. */
function placeOf(state: usize, place: u32): usize {
  const lane = laneOf(state);
  const tile = load<usize>(state + (<usize>(place / TILE_VALUES) - lane) * STATE_BYTES);
  return tile + <usize>(place % TILE_VALUES) * TILE_LINE + (lane << 3);
}

function push(target: usize, state: usize, timeMs: f64, value: u64): void {
  let open = <u32>load<u8>(state, 4);
  if (!placeTime(target, state, open, timeMs)) {
    // A time that no row can hold behind its first: the run ends early.
    closeChunk(target, state);
    open = 0;
    placeTime(target, state, 0, timeMs);
  }
  if (open % TILE_VALUES == 0) enterTile(target, state, open / TILE_VALUES);
  store<u64>(placeOf(state, open), value);
  store<u8>(state, <u8>(open + 1), 4);
  const total = load<u32>(state, 32);
  if (total == 0) store<f64>(state, timeMs, 24);
  store<u32>(state, total + 1, 32);
  store<f64>(state, timeMs, 16);
  if (open + 1 == load<u32>(target + CLOSE)) closeChunk(target, state);
}

/** One more series of the group has values in its tile number `index`. */
function enterTile(target: usize, state: usize, index: u32): void {
  const first = state + (<usize>index - laneOf(state)) * STATE_BYTES;
  const users = first + TILES * STATE_BYTES;
  if (load<u32>(users) == 0) store<usize>(first, takeTile(target));
  store<u32>(users, load<u32>(users) + 1);
}

/** A series of the group has no open values any more, of which there were `open`. */
function leaveTiles(target: usize, state: usize, open: u32): void {
  let first = state - laneOf(state) * STATE_BYTES;
  for (let values: u32 = 0; values < open; values += TILE_VALUES, first += STATE_BYTES) {
    const users = first + TILES * STATE_BYTES;
    const left = load<u32>(users) - 1;
    store<u32>(users, left);
    if (left > 0) continue;
    const tile = load<usize>(first);
    store<usize>(tile, load<usize>(target + TILE));
    store<usize>(target + TILE, tile);
    store<usize>(first, 0);
  }
}

function takeTile(target: usize): usize {
  const free = load<usize>(target + TILE);
  if (free != 0) {
    store<usize>(target + TILE, load<usize>(free));
    return free;
  }
  let tile = load<usize>(target + TILE_BUMP);
  if (tile == load<usize>(target + TILE_END)) {
    const page = addPage(target) - PAGE_HEADER;
    store<usize>(target + TILE_END, page + PAGE_BYTES);
    // The first line of the page is its header's.
    tile = page + PAGE_BYTES - TILE_BYTES * ((PAGE_BYTES - TILE_LINE) / TILE_BYTES);
  }
  store<usize>(target + TILE_BUMP, tile + TILE_BYTES);
  return tile;
}

/** Finds or makes the row whose times are those of the open values and then `timeMs`. False when the difference is too large. */
function placeTime(target: usize, state: usize, open: u32, timeMs: f64): bool {
  if (open == 0) {
    store<usize>(state, rowBeginningAt(target, timeMs), 8);
    return true;
  }
  const row = load<usize>(state, 8);
  const difference = timeMs - load<f64>(row, 16);
  if (difference > 4294967295.0) return false;
  const step = <u32>difference;
  const count = load<u32>(row);
  if (open < count) {
    if (load<u32>(row + 24 + ((<usize>open) << 2)) != step)
      store<usize>(state, branch(target, row, open, step), 8);
  } else {
    store<u32>(row + 24 + ((<usize>open) << 2), step);
    store<u32>(row, open + 1);
  }
  return true;
}

function rowBeginningAt(target: usize, timeMs: f64): usize {
  const hash = (reinterpret<u64>(timeMs) * 0x9e3779b97f4a7c15) >> 54;
  const slot = target + ROWS + ((<usize>(hash & (ROW_SLOTS - 1))) << 2);
  let row = load<usize>(slot);
  if (row != 0 && load<f64>(row, 16) == timeMs) return row;
  row = allocate(target, ROW_BYTES);
  store<u32>(row, 1);
  store<usize>(row, 0, 4);
  store<f64>(row, timeMs, 16);
  store<u32>(row, 0, 24);
  store<usize>(slot, row);
  return row;
}

/** A row that is as `row` up to `count` and goes on with `step`: the one that was branched off last, or a new one. */
function branch(target: usize, row: usize, count: u32, step: u32): usize {
  const known = load<usize>(row, 4);
  if (
    known != 0 &&
    load<u32>(known, 8) == count &&
    load<u32>(known + 24 + ((<usize>count) << 2)) == step
  )
    return known;
  const fresh = allocate(target, ROW_BYTES);
  store<u32>(fresh, count + 1);
  store<usize>(fresh, 0, 4);
  store<u32>(fresh, count, 8);
  memory.copy(fresh + 16, row + 16, 8 + ((<usize>count) << 2));
  store<u32>(fresh + 24 + ((<usize>count) << 2), step);
  store<usize>(row, fresh, 4);
  return fresh;
}

function closeChunk(target: usize, state: usize): void {
  const open = <u32>load<u8>(state, 4);
  const gathered = work + 512;
  gather(state, open, gathered);
  const chunk = allocate(target, CHUNK_HEADER + CHUNK_BYTES_MAX + 8);
  const encoded = chunk + CHUNK_HEADER;
  const length = encodeValues(gathered, <i32>open, encoded, load<u8>(state, 5), work);
  store<usize>(chunk, load<usize>(state, 12));
  store<usize>(chunk, load<usize>(state, 8), 4);
  store<u32>(chunk, open | ((<u32>length) << 8), 8);
  // The room behind, which encoding and reading may touch, is used again.
  store<usize>(target + BUMP, (encoded + length + 7) & ~7);
  store<usize>(state, chunk, 12);
  store<u8>(state, lastExponent, 5);
  store<u8>(state, 0, 4);
  leaveTiles(target, state, open);
}

/** Copies the first `count` open values of a state. */
export function gather(state: usize, count: u32, target: usize): void {
  const lane = laneOf(state);
  let first = state - lane * STATE_BYTES;
  let to = target;
  for (let left = count; left > 0; first += STATE_BYTES) {
    const values = min(left, TILE_VALUES);
    let from = load<usize>(first) + (lane << 3);
    left -= values;
    for (let end = to + ((<usize>values) << 3); to < end; to += 8, from += TILE_LINE)
      store<u64>(to, load<u64>(from));
  }
}

function writeTimes(row: usize, count: u32, target: usize): void {
  const first = load<f64>(row, 16);
  for (let i: usize = 0; i < count; i++)
    store<f64>(target + (i << 3), first + <f64>load<u32>(row + 24 + (i << 2)));
}

/** Decodes `count` values of the chunk at `chunk`, with their times. */
export function readChunk(chunk: usize, count: u32, times: usize, values: usize): void {
  writeTimes(load<usize>(chunk, 4), count, times);
  decodeValues(chunk + CHUNK_HEADER, <i32>count, values);
}

/** Copies the first `count` open values of a series, with their times. */
export function readOpen(state: usize, count: u32, times: usize, values: usize): void {
  writeTimes(load<usize>(state, 8), count, times);
  gather(state, count, values);
}
