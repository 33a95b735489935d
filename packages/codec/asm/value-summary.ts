/**
 * What the values of a column are: which different ones, if they are few, their lengths and the classes of their bytes. For `value-column.ts`, whose twin has
 * this too.
 */
import { isSame } from "./same-bytes";

const DICTIONARY_MAX: u32 = 256;
const TABLE_SLOTS: u32 = 1024;

/** Of the values that were looked at last. */
export let distinct: u32 = 0;
export let classes: u32 = 0;
export let lengthMin: u32 = 0;
export let lengthMax: u32 = 0;
/** Bytes of all values; of those of the dictionary alone when there is one. */
export let totalBytes: f64 = 0;

/** First row of each value of the dictionary: 256 words at `work`, then as many hashes, then the table. */
export function rowOf(work: usize, id: u32): u32 {
  return load<u32>(work + ((<usize>id) << 2));
}

/**
 * Looks at `count` values, between `base + starts[i]` and `base + ends[i]`. `work`: 1536 words for its own use; `ids`: the number of each value in the
 * dictionary, a byte each. There is none when {@link distinct} is 0.
 */
export function summarizeValues(
  base: usize,
  starts: usize,
  ends: usize,
  count: u32,
  work: usize,
  ids: usize,
): void {
  distinct = fillDictionary(base, starts, ends, count, work, ids);
  const values = distinct > 0 ? distinct : count;
  let shortest: u32 = 0xffffffff;
  let longest: u32 = 0;
  let total: f64 = 0;
  let met = i8x16.splat(0);
  let others = i8x16.splat(0);
  let beyond = i8x16.splat(0);
  for (let value: u32 = 0; value < values; value++) {
    const row = (<usize>(distinct > 0 ? rowOf(work, value) : value)) << 2;
    const start = load<u32>(starts + row);
    const length = load<u32>(ends + row) - start;
    shortest = min(shortest, length);
    longest = max(longest, length);
    total += <f64>length;
    let at = base + start;
    for (let rest = <i32>length; rest > 0; rest -= 16, at += 16) {
      let bytes = v128.load(at);
      // In place of the bytes behind, the first again.
      if (rest < 16) bytes = v128.bitselect(bytes, i8x16.splat(load<u8>(at)), firstBytes(rest));
      const found = classify(bytes);
      met = v128.or(met, found);
      beyond = v128.or(beyond, bytes);
      others = v128.or(others, v128.andnot(i8x16.eq(found, i8x16.splat(0)), i8x16.shr_s(bytes, 7)));
    }
  }
  lengthMin = shortest;
  lengthMax = longest;
  totalBytes = total;
  classes = classesOf(met, others, beyond);
}

function firstBytes(count: i32): v128 {
  return i8x16.lt_u(
    i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    i8x16.splat(<i8>count),
  );
}

/** A bit for each kind of byte, told by its two halves: 0-9, a-f, g-o, p-z, A-O, P-Z, `.` and `-`. */
function classify(bytes: v128): v128 {
  const low = i8x16.swizzle(
    i8x16(41, 59, 59, 59, 59, 59, 59, 61, 61, 61, 60, 20, 20, -108, 84, 20),
    v128.and(bytes, i8x16.splat(15)),
  );
  const high = i8x16.swizzle(
    i8x16(0, 0, -64, 1, 16, 32, 6, 8, 0, 0, 0, 0, 0, 0, 0, 0),
    i8x16.shr_u(bytes, 4),
  );
  return v128.and(low, high);
}

function classesOf(met: v128, others: v128, beyond: v128): u32 {
  let bits: u64 = i64x2.extract_lane(met, 0) | i64x2.extract_lane(met, 1);
  bits |= bits >> 32;
  bits |= bits >> 16;
  const kinds = <u32>(bits | (bits >> 8)) & 0xff;
  let found = kinds & 3;
  if ((kinds & 12) != 0) found |= 4;
  if ((kinds & 48) != 0) found |= 8;
  found |= (kinds >> 2) & 48;
  if (v128.any_true(others)) found |= 64;
  if (i8x16.bitmask(beyond) != 0) found |= 128;
  return found;
}

/** How many values there are; 0 when there are too many for a dictionary. */
function fillDictionary(
  base: usize,
  starts: usize,
  ends: usize,
  count: u32,
  work: usize,
  ids: usize,
): u32 {
  const most = min(DICTIONARY_MAX, (count >> 1) + 1);
  const hashes = work + 4 * DICTIONARY_MAX;
  const table = hashes + 4 * DICTIONARY_MAX;
  memory.fill(table, 0, TABLE_SLOTS << 2);
  let known: u32 = 0;
  let last: u32 = 0;
  let lastStart: usize = 0;
  let lastLength: u32 = 0xffffffff;
  for (let row: usize = 0; row < <usize>count; row++) {
    const start = base + load<u32>(starts + (row << 2));
    const length = <u32>(base + load<u32>(ends + (row << 2)) - start);
    // What a row has, the next often has too.
    if (length == lastLength && isSame(start, lastStart, length)) {
      store<u8>(ids + row, <u8>last);
      continue;
    }
    const hash = hashValue(start, length);
    let slot = hash & (TABLE_SLOTS - 1);
    let id = load<u32>(table + (slot << 2));
    for (; id != 0; id = load<u32>(table + (slot << 2))) {
      if (load<u32>(hashes + ((id - 1) << 2)) == hash) {
        const first = (<usize>rowOf(work, id - 1)) << 2;
        const from = load<u32>(starts + first);
        if (load<u32>(ends + first) - from == length && isSame(start, base + from, length)) break;
      }
      slot = (slot + 1) & (TABLE_SLOTS - 1);
    }
    if (id == 0) {
      if (known == most) return 0;
      store<u32>(work + (known << 2), <u32>row);
      store<u32>(hashes + (known << 2), hash);
      id = ++known;
      store<u32>(table + (slot << 2), id);
    }
    last = id - 1;
    store<u8>(ids + row, <u8>last);
    lastStart = start;
    lastLength = length;
  }
  return known;
}

function hashValue(start: usize, length: u32): u32 {
  let hash = <u64>length * 0x9e3779b97f4a7c15;
  let at = start;
  let rest = length;
  for (; rest > 8; rest -= 8, at += 8) hash = mix(hash ^ load<u64>(at));
  // Nothing of 8 bytes is left when there is nothing at all.
  if (rest > 0) hash = mix(hash ^ (load<u64>(at) & (<u64>-1 >> (64 - 8 * <u64>rest))));
  return <u32>(hash >> 32) ^ <u32>hash;
}

function mix(word: u64): u64 {
  const product = word * 0xd6e8feb86659fd93;
  return product ^ (product >> 32);
}
