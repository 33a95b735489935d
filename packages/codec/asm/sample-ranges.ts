/**
 * Reads ranges of the samples that `sample-store.ts` keeps, whose layout is drawn there: how many there are, all of them, or the newest. It has
 * no state but for one call, and so may be another instance over the same memory.
 */
import { isRising } from "./rising";
import { CHUNK_HEADER, gather, stateOf } from "./sample-store";
import { decodeValues } from "./value-chunk";

/** Stretches of rows that {@link readRange} has written. */
let partCount: u32 = 0;

/**
 * Decodes what a series has from `startMs` to `endMs`, both included, out of its first `total` samples, oldest first: values to `values`, and to
 * `parts` the stretches of rows that their times are (row, first place, places: 4 bytes each). Returns how many values, or -1 when there may be
 * more than `valuesMax`, or more than `partsMax` stretches. `chunks` has room for `partsMax` addresses; in the end the number of stretches is there,
 * and behind it whether no value is NaN or below the one before.
 */
export function readRange(
  target: usize,
  series: u32,
  total: u32,
  startMs: f64,
  endMs: f64,
  values: usize,
  valuesMax: u32,
  parts: usize,
  chunks: usize,
  partsMax: u32,
): i32 {
  const state = stateOf(target, series);
  let before = load<u32>(state, 32) - <u32>load<u8>(state, 4);
  let room = valuesMax;
  let open: u32 = 0;
  if (total > before && load<f64>(load<usize>(state, 8), 16) <= endMs) open = total - before;
  if (open > room) return -1;
  room -= open;
  let count: u32 = 0;
  for (let chunk = load<usize>(state, 12); chunk != 0; chunk = load<usize>(chunk)) {
    const size = load<u32>(chunk, 8) & 255;
    before -= size;
    const row = load<usize>(chunk, 4);
    if (load<f64>(row, 16) + <f64>load<u32>(row + 20 + ((<usize>size) << 2)) < startMs) {
      before += size;
      break;
    }
    if (load<f64>(row, 16) > endMs || before >= total) continue;
    if (size > room || count + 1 >= partsMax) return -1;
    room -= size;
    store<usize>(chunks + ((<usize>count) << 2), chunk);
    count++;
  }
  let at = values;
  partCount = 0;
  for (let i = <i32>count - 1; i >= 0; i--) {
    const chunk = load<usize>(chunks + ((<usize>i) << 2));
    const row = load<usize>(chunk, 4);
    const size = load<u32>(chunk, 8) & 255;
    const from = placeFrom(row, size, startMs);
    const to = placeFrom(row, min(size, total - before), endMs + 1);
    before += size;
    if (from >= to) continue;
    decodeValues(chunk + CHUNK_HEADER, <i32>to, at);
    at = finishPart(parts, row, from, to, at);
  }
  if (open > 0) {
    const row = load<usize>(state, 8);
    const from = placeFrom(row, open, startMs);
    const to = placeFrom(row, open, endMs + 1);
    if (from < to) {
      gather(state, to, at);
      at = finishPart(parts, row, from, to, at);
    }
  }
  store<u32>(chunks, partCount);
  store<u32>(chunks, <u32>isRising(values, at), 4);
  return <i32>(at - values) >> 3;
}

/** How many values {@link readRange} has, whatever the room. */
export function countRange(target: usize, series: u32, total: u32, startMs: f64, endMs: f64): u32 {
  const state = stateOf(target, series);
  let before = load<u32>(state, 32) - <u32>load<u8>(state, 4);
  let found: u32 = 0;
  if (total > before) found = placesIn(load<usize>(state, 8), total - before, startMs, endMs);
  for (let chunk = load<usize>(state, 12); chunk != 0; chunk = load<usize>(chunk)) {
    const size = load<u32>(chunk, 8) & 255;
    before -= size;
    if (before >= total) continue;
    const row = load<usize>(chunk, 4);
    if (load<f64>(row, 16) + <f64>load<u32>(row + 20 + ((<usize>size) << 2)) < startMs) break;
    found += placesIn(row, min(size, total - before), startMs, endMs);
  }
  return found;
}

/** Of the first `count` places of a row those from `startMs` to `endMs`. */
function placesIn(row: usize, count: u32, startMs: f64, endMs: f64): u32 {
  return placeFrom(row, count, endMs + 1) - placeFrom(row, count, startMs);
}

/** {@link readRange} of the newest sample in the range alone: 0 or 1 value. There must be room for a chunk. */
export function readNewest(
  target: usize,
  series: u32,
  total: u32,
  startMs: f64,
  endMs: f64,
  values: usize,
  parts: usize,
  chunks: usize,
): i32 {
  const state = stateOf(target, series);
  let before = load<u32>(state, 32) - <u32>load<u8>(state, 4);
  partCount = 0;
  store<u32>(chunks, 1);
  if (total > before) {
    const row = load<usize>(state, 8);
    const to = placeFrom(row, total - before, endMs + 1);
    if (to > 0) {
      gather(state, to, values);
      return finishNewest(parts, row, to, startMs, values);
    }
  }
  for (let chunk = load<usize>(state, 12); chunk != 0; chunk = load<usize>(chunk)) {
    const size = load<u32>(chunk, 8) & 255;
    before -= size;
    const row = load<usize>(chunk, 4);
    if (before >= total || load<f64>(row, 16) > endMs) continue;
    const to = placeFrom(row, min(size, total - before), endMs + 1);
    decodeValues(chunk + CHUNK_HEADER, <i32>to, values);
    return finishNewest(parts, row, to, startMs, values);
  }
  return 0;
}

/** Leaves of `to` values at `values` the last, if it is not older than `startMs`. */
function finishNewest(parts: usize, row: usize, to: u32, startMs: f64, values: usize): i32 {
  const place = to - 1;
  const timeMs = load<f64>(row, 16) + <f64>load<u32>(row + 24 + ((<usize>place) << 2));
  if (timeMs < startMs) return 0;
  finishPart(parts, row, place, to, values);
  return 1;
}

/** The first of `count` places of a row whose time is not below `timeMs`, or `count`. */
function placeFrom(row: usize, count: u32, timeMs: f64): u32 {
  const difference = timeMs - load<f64>(row, 16);
  if (difference <= 0) return 0;
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (<f64>load<u32>(row + 24 + ((<usize>middle) << 2)) < difference) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Notes places `from … to` of a row, of whose values at `at` those before `from` are not wanted; returns where the next ones go. */
function finishPart(parts: usize, row: usize, from: u32, to: u32, at: usize): usize {
  const bytes = (<usize>(to - from)) << 3;
  if (from > 0) memory.copy(at, at + ((<usize>from) << 3), bytes);
  const part = parts + <usize>partCount * 12;
  store<usize>(part, row);
  store<u32>(part, from, 4);
  store<u32>(part, to - from, 8);
  partCount++;
  return at + bytes;
}
