/**
 * What lets a search for a substring skip a page: a filter over grams of the page's lines. Not every gram is kept, but of each window of
 * neighbouring ones the one with the smallest hash. Both sides choose by content alone, so that whatever a needle of at least
 * {@link NEEDLE_BYTES_MIN} bytes chooses, every page that contains it has chosen too, wherever in a word it begins. Word tokens would need
 * a separator on both sides within the needle, and a pasted trace id has none.
 */
import { createBloomFilter, openBloomFilter } from "@finch/codec";
import type { BloomFilter } from "@finch/codec";
import { growUint32 } from "./number-columns.ts";

const GRAM_BYTES = 6;
const WINDOW_GRAMS = 11;
/** Shorter needles cannot skip anything. */
export const NEEDLE_BYTES_MIN = GRAM_BYTES + WINDOW_GRAMS - 1;
const BITS_PER_GRAM = 8;

/** The bytes of a filter over `lines`. */
export function buildLineFilter(lines: Uint8Array): Uint8Array {
  const chosen = distinct(chooseGrams(lines));
  const filter = createBloomFilter(chosen.length, BITS_PER_GRAM);
  for (const hash of chosen) filter.add(hash, secondHash(hash));
  return filter.bytes;
}

/** Whether lines under the filter can contain all needles. */
export function mayContain(bytes: Uint8Array, needles: readonly Uint8Array[]): boolean {
  const filter = openBloomFilter(bytes);
  return needles.every((needle) => hasAll(filter, needle));
}

function hasAll(filter: BloomFilter, needle: Uint8Array): boolean {
  for (const hash of chooseGrams(needle)) if (!filter.has(hash, secondHash(hash))) return false;
  return true;
}

/** A function of the first hash alone: grams are told apart by it. */
function secondHash(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

/** Windows looked at together; what they need stays in the first-level cache. */
const CHUNK_WINDOWS = 2048;
const CHUNK_GRAMS = CHUNK_WINDOWS + WINDOW_GRAMS - 1;
/** Hashes with the top bit flipped: signed numbers in the order of the unsigned ones, which compare twice as fast. */
const hashes = new Int32Array(CHUNK_GRAMS);
const fromLeft = new Int32Array(CHUNK_GRAMS);
const fromRight = new Int32Array(CHUNK_GRAMS);
const TOP_BIT = 0x80000000;

/** Smallest hash of each window; neighbours that agree give it once. */
function chooseGrams(bytes: Uint8Array): Uint32Array {
  const windows = bytes.length - NEEDLE_BYTES_MIN + 1;
  let chosen: Uint32Array = new Uint32Array(Math.max(0, windows >> 2));
  let count = 0;
  for (let first = 0; first < windows; first += CHUNK_WINDOWS) {
    const inChunk = Math.min(CHUNK_WINDOWS, windows - first);
    chosen = growUint32(chosen, count + inChunk);
    hashGrams(bytes, first, inChunk + WINDOW_GRAMS - 1);
    count = chooseSmallest(inChunk, chosen, count);
  }
  return chosen.subarray(0, count);
}

function hashGrams(bytes: Uint8Array, first: number, grams: number): void {
  let low = 0;
  let high = 0;
  const end = first + grams + GRAM_BYTES - 1;
  for (let i = first; i < end; i++) {
    low = (low >>> 8) | (high << 24);
    high = ((high >>> 8) | (bytes[i]! << 8)) & 0xffff;
    const gram = i - first - GRAM_BYTES + 1;
    if (gram < 0) continue;
    let hash = Math.imul(low, 0xcc9e2d51) ^ Math.imul(high, 0x1b873593);
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    hashes[gram] = hash ^ (hash >>> 13) ^ TOP_BIT;
  }
}

/**
 * The grams are cut into groups as long as a window, so that each window is the end of one group and the beginning of the next: its
 * smallest is that of two running minima, one from the left of each group and one from its right.
 */
function chooseSmallest(windows: number, chosen: Uint32Array, from: number): number {
  const grams = windows + WINDOW_GRAMS - 1;
  let count = from;
  let running = 0;
  for (let i = 0, inGroup = 0; i < grams; i++) {
    const hash = hashes[i]!;
    running = inGroup === 0 ? hash : Math.min(hash, running);
    fromLeft[i] = running;
    inGroup = inGroup === WINDOW_GRAMS - 1 ? 0 : inGroup + 1;
  }
  for (let i = grams - 1, inGroup = (grams - 1) % WINDOW_GRAMS, isFirst = true; i >= 0; i--) {
    const hash = hashes[i]!;
    running = isFirst || inGroup === WINDOW_GRAMS - 1 ? hash : Math.min(hash, running);
    isFirst = false;
    fromRight[i] = running;
    inGroup = inGroup === 0 ? WINDOW_GRAMS - 1 : inGroup - 1;
  }
  let last = 0;
  for (let i = 0; i < windows; i++) {
    const smallest = Math.min(fromRight[i]!, fromLeft[i + WINDOW_GRAMS - 1]!);
    if (i > 0 && smallest === last) continue;
    last = smallest;
    chosen[count++] = smallest ^ TOP_BIT;
  }
  return count;
}

function distinct(hashes: Uint32Array): Uint32Array {
  let size = 1024;
  while (size < 2 * hashes.length) size *= 2;
  const table = new Uint32Array(size);
  const unique = new Uint32Array(hashes.length);
  let count = 0;
  let hasZero = false;
  for (const hash of hashes) {
    if (hash === 0) {
      if (!hasZero) unique[count++] = 0;
      hasZero = true;
      continue;
    }
    let slot = hash & (size - 1);
    while (table[slot] !== 0 && table[slot] !== hash) slot = (slot + 1) & (size - 1);
    if (table[slot] === hash) continue;
    table[slot] = hash;
    unique[count++] = hash;
  }
  return unique.subarray(0, count);
}
