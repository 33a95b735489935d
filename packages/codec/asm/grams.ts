/**
 * The grams that a page of log lines puts into its filter, four a step. What a gram is and which are chosen: `docs/format/log-pages.md`. Twin:
 * `packages/store/src/log-page/gram-filter.ts`. Reads up to 64 bytes behind the lines.
 */

const GRAM_BYTES: usize = 6;
const WINDOW_GRAMS: usize = 4;
/** Bytes of a word from which one gram is chosen. */
const WINDOW_BYTES: usize = GRAM_BYTES + WINDOW_GRAMS - 1;
/** Bytes whose windows are looked for at once. */
const STEP: usize = 16;

/** Open addressing over the hashes met; 0 is a free slot. */
let tableAt: usize = 0;
let tableBytes: usize = 0;
let hasZero = false;
/** Where the next hash goes, and where there is no more room. */
let hashesTo: usize = 0;
let hashesEnd: usize = 0;

/**
 * Writes the distinct hashes of the grams of `count` lines to `hashes`; returns how many there are, or -1 when they are more than `max`. `bounds`:
 * where each line begins, from `lines`, and where the last ends. `table`: `tableSlots` words for its own use, a power of two, more than `max`. 16 bytes behind
 * the hashes are written to.
 */
export function collectGrams(
  lines: usize,
  bounds: usize,
  count: i32,
  table: usize,
  tableSlots: usize,
  hashes: usize,
  max: usize,
): i32 {
  tableAt = table;
  tableBytes = tableSlots << 2;
  memory.fill(table, 0, tableBytes);
  hasZero = false;
  hashesTo = hashes;
  hashesEnd = hashes + (max << 2);
  const boundsEnd = bounds + ((<usize>count) << 2);
  for (let bound = bounds; bound < boundsEnd; bound += 4)
    if (!collectFrom(lines + load<u32>(bound), lines + load<u32>(bound, 4))) return -1;
  return <i32>((hashesTo - hashes) >> 2);
}

/** Collects the grams of one line; false when there is no more room. */
function collectFrom(start: usize, end: usize): bool {
  // Grams at `hashedAt … hashedAt + 3`, which are often wanted twice.
  let hashed = i32x4.splat(0);
  let hashedAt: usize = 0;
  // The smallest of the four windows at `smallestAt`, and which of these were wanted.
  let smallest = i32x4.splat(0);
  let smallestAt: usize = 0;
  let taken: u32 = 0;
  let words = wordBytes(start);
  for (let at = start; at + WINDOW_BYTES <= end; at += STEP) {
    const behind = wordBytes(at + STEP);
    let run = words | (behind << 16);
    words = behind;
    const rest = end - at;
    if (rest < 2 * STEP) run &= (1 << (<u32>rest)) - 1;
    // Where nine bytes of a word begin.
    let windows = run & (run >> 1);
    windows &= windows >> 2;
    windows &= windows >> 4;
    windows &= run >> 8;
    windows &= 0xffff;
    for (let place = at; windows != 0; place += 4, windows >>= 4) {
      const wanted = windows & 15;
      if (wanted == 0) continue;
      const first = hashedAt == place ? hashed : hashGrams(place);
      hashed = hashGrams(place + 4);
      hashedAt = place + 4;
      const before = smallest;
      smallest = i32x4.min_u(
        i32x4.min_u(first, i32x4.shuffle(first, hashed, 1, 2, 3, 4)),
        i32x4.min_u(
          i32x4.shuffle(first, hashed, 2, 3, 4, 5),
          i32x4.shuffle(first, hashed, 3, 4, 5, 6),
        ),
      );
      // Windows that choose what the one before has chosen.
      const carried = smallestAt + 4 == place ? taken >> 3 : 0;
      const again = i32x4.eq(smallest, i32x4.shuffle(before, smallest, 3, 4, 5, 6));
      let fresh = wanted & ~(<u32>i32x4.bitmask(again) & ((wanted << 1) | carried));
      smallestAt = place;
      taken = wanted;
      v128.store(hashesEnd, smallest);
      for (; fresh != 0; fresh &= fresh - 1)
        if (!addGram(load<u32>(hashesEnd + ((<usize>ctz(fresh)) << 2)))) return false;
    }
  }
  return true;
}

function addGram(hash: u32): bool {
  if (hash == 0) {
    if (hasZero) return true;
    hasZero = true;
  } else {
    const mask = tableBytes - 4;
    let slot = ((<usize>hash) << 2) & mask;
    for (let found = load<u32>(tableAt + slot); found != 0; found = load<u32>(tableAt + slot)) {
      if (found == hash) return true;
      slot = (slot + 4) & mask;
    }
    store<u32>(tableAt + slot, hash);
  }
  if (hashesTo == hashesEnd) return false;
  store<u32>(hashesTo, hash);
  hashesTo += 4;
  return true;
}

/** Sets the bit of each hash in a filter of `bitCount` bits at `bits`, which is zero before. */
export function setGrams(hashes: usize, count: i32, bits: usize, bitCount: u32): void {
  const end = hashes + ((<usize>count) << 2);
  for (let at = hashes; at < end; at += 4) {
    const place = <u32>((<u64>load<u32>(at) * <u64>bitCount) >> 32);
    const byte = bits + (place >> 3);
    store<u8>(byte, load<u8>(byte) | ((<u8>1) << (<u8>(place & 7))));
  }
}

/** A bit for each of the 16 bytes at `at` that is a letter, a digit, `_`, `.`, `-` or beyond ASCII. */
function wordBytes(at: usize): u32 {
  const bytes = v128.load(at);
  const letters = i8x16.lt_u(
    i8x16.sub(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(0x61)),
    i8x16.splat(26),
  );
  const digits = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x30)), i8x16.splat(10));
  const marks = v128.or(
    i8x16.eq(bytes, i8x16.splat(0x5f)),
    v128.or(i8x16.eq(bytes, i8x16.splat(0x2e)), i8x16.eq(bytes, i8x16.splat(0x2d))),
  );
  // Only the highest bit counts.
  return <u32>i8x16.bitmask(v128.or(v128.or(letters, digits), v128.or(marks, bytes)));
}

/** Hashes of the grams that begin at the four bytes from `at` on. */
function hashGrams(at: usize): v128 {
  const bytes = v128.load(at);
  const low = i8x16.shuffle(bytes, bytes, 0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6);
  const high = i8x16.shuffle(
    bytes,
    i32x4.splat(0),
    4,
    5,
    16,
    16,
    5,
    6,
    16,
    16,
    6,
    7,
    16,
    16,
    7,
    8,
    16,
    16,
  );
  let hash = v128.xor(
    i32x4.mul(low, i32x4.splat(<i32>0xcc9e2d51)),
    i32x4.mul(high, i32x4.splat(0x1b873593)),
  );
  hash = i32x4.mul(v128.xor(hash, i32x4.shr_u(hash, 15)), i32x4.splat(<i32>0x85ebca6b));
  return v128.xor(hash, i32x4.shr_u(hash, 13));
}
