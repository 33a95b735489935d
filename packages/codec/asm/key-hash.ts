/**
 * A keyed hash of 128 bits for the bytes that stand for a series. NH of UMAC (RFC 4418, section 5.2) in 32-bit words, twice with shifted keys:
 * two different keys of up to 1 KiB, chosen without knowledge of the random words, collide with a chance of at most 2^-64. Longer ones are
 * hashed by KiB, and the hashes again, each level with words of its own. Twin: `src/key-hash.ts`.
 */

const BLOCK_BYTES: usize = 1024;
/** Random bytes of one level: a block's and, for the shifted pass, 16 more. */
const LEVEL_BYTES: usize = BLOCK_BYTES + 16;

/** Set by the last {@link hashKey}: how many of the bytes are above 127. */
export let highBytes: i32 = 0;

/**
 * Writes the hash of the `length` bytes at `source` to `target` (16 bytes). `words` points to the random bytes of three levels. Up to 16 bytes
 * behind the source are read; at `scratch`, `length / 60` bytes are written when there are more than 1024.
 */
export function hashKey(
  source: usize,
  length: usize,
  target: usize,
  words: usize,
  scratch: usize,
): void {
  let from = source;
  let rest = length;
  let key = words;
  let high = 0;
  while (rest > BLOCK_BYTES) {
    const hashes = scratch;
    for (let at: usize = 0; at < rest; at += BLOCK_BYTES) {
      const count = hashBlock(from + at, min(BLOCK_BYTES, rest - at), scratch, key);
      if (key == words) high += count;
      scratch += 16;
    }
    from = hashes;
    rest = scratch - hashes;
    key += LEVEL_BYTES;
  }
  const count = hashBlock(from, rest, target, key);
  highBytes = key == words ? count : high;
  store<u64>(target, mix(load<u64>(target) + <u64>length));
  store<u64>(target, mix(load<u64>(target, 8) + <u64>length), 8);
}

/** NH of one block, with the words at `key` and with those 16 bytes on; returns how many bytes are above 127. */
function hashBlock(source: usize, length: usize, target: usize, key: usize): i32 {
  let first = i64x2.splat(0);
  let second = i64x2.splat(0);
  let high = 0;
  let words = v128.load(key);
  const whole = length & ~(<usize>15);
  for (let at: usize = 0; at < length; at += 16) {
    let bytes = v128.load(source + at);
    if (at == whole) bytes = v128.and(bytes, maskOf(length - whole));
    high += popcnt(i8x16.bitmask(bytes));
    const next = v128.load(key + at, 16);
    const a = i32x4.add(bytes, words);
    const b = i32x4.add(bytes, next);
    first = i64x2.add(first, i64x2.extmul_low_i32x4_u(a, v128.shuffle<u32>(a, a, 2, 3, 2, 3)));
    second = i64x2.add(second, i64x2.extmul_low_i32x4_u(b, v128.shuffle<u32>(b, b, 2, 3, 2, 3)));
    words = next;
  }
  store<u64>(target, i64x2.extract_lane(first, 0) + i64x2.extract_lane(first, 1));
  store<u64>(target, i64x2.extract_lane(second, 0) + i64x2.extract_lane(second, 1), 8);
  return high;
}

/** The first `count` bytes set. */
function maskOf(count: usize): v128 {
  const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return i8x16.lt_u(places, i8x16.splat(<i8>count));
}

/** Spreads the bits over the word, so that a part of it can choose a slot; one to one. */
function mix(value: u64): u64 {
  let bits = value;
  bits = (bits ^ (bits >> 32)) * 0xd6e8feb86659fd93;
  bits = (bits ^ (bits >> 32)) * 0xd6e8feb86659fd93;
  return bits ^ (bits >> 32);
}
