/**
 * What lets a search for a substring skip a page: a filter over grams of the page's lines. Not every gram is kept, but of each window of
 * neighbouring ones the one with the smallest hash. Both sides choose by content alone, so that whatever a needle of at least
 * {@link NEEDLE_BYTES_MIN} bytes chooses, every page that contains it has chosen too, wherever in a word it begins. Word tokens would need
 * a separator on both sides within the needle, and a pasted trace id has none.
 */
import { createBloomFilter, openBloomFilter } from "@finch/codec";
import type { BloomFilter } from "@finch/codec";

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

/** Smallest hash of each window, repetitions of neighbours left out. */
function chooseGrams(bytes: Uint8Array): Uint32Array {
  const chosen = new Uint32Array(Math.max(0, bytes.length - NEEDLE_BYTES_MIN + 1));
  const recent = new Uint32Array(WINDOW_GRAMS);
  let count = 0;
  let low = 0;
  let high = 0;
  let smallest = 0xffffffff;
  /** Gram at which the smallest leaves the window. */
  let leavesAt = -1;
  for (let i = 0; i < bytes.length; i++) {
    low = (low >>> 8) | (high << 24);
    high = ((high >>> 8) | (bytes[i]! << 8)) & 0xffff;
    const gram = i - GRAM_BYTES + 1;
    if (gram < 0) continue;
    let hash = Math.imul(low, 0xcc9e2d51) ^ Math.imul(high, 0x1b873593);
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    hash = (hash ^ (hash >>> 13)) >>> 0;
    recent[gram % WINDOW_GRAMS] = hash;
    if (gram < WINDOW_GRAMS - 1) continue;
    const isFirst = gram === WINDOW_GRAMS - 1;
    if (isFirst || gram >= leavesAt) {
      smallest = 0xffffffff;
      for (let g = gram - WINDOW_GRAMS + 1; g <= gram; g++) {
        const candidate = recent[g % WINDOW_GRAMS]!;
        if (candidate <= smallest) {
          smallest = candidate;
          leavesAt = g + WINDOW_GRAMS;
        }
      }
      chosen[count++] = smallest;
    } else if (hash <= smallest) {
      smallest = hash;
      leavesAt = gram + WINDOW_GRAMS;
      chosen[count++] = smallest;
    }
  }
  return chosen.subarray(0, count);
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
