/**
 * A keyed hash of 128 bits for the bytes that stand for a series. NH of UMAC (RFC 4418, section 5.2) in 32-bit words, twice with shifted keys:
 * two different keys of up to 1 KiB, chosen without knowledge of the random words, collide with a chance of at most 2^-64. Longer ones are
 * hashed by KiB, and the hashes again, each level with words of its own. Twin: `src/key-hash.ts`.
 */

const BLOCK_BYTES: usize = 1024;
/** Random bytes of one level: a block's and, for the shifted pass, 16 more. */
const LEVEL_BYTES: usize = BLOCK_BYTES + 16;

/**
 * Writes the hash of the `length` bytes at `source` to `target` (16 bytes). `words` points to the random bytes of three levels. Up to 32 bytes
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
  while (rest > BLOCK_BYTES) {
    const hashes = scratch;
    for (let at: usize = 0; at < rest; at += BLOCK_BYTES) {
      hashBlock(from + at, min(BLOCK_BYTES, rest - at), scratch, key);
      scratch += 16;
    }
    from = hashes;
    rest = scratch - hashes;
    key += LEVEL_BYTES;
  }
  hashBlock(from, rest, target, key);
  store<u64>(target, mix(load<u64>(target) + <u64>length));
  store<u64>(target, mix(load<u64>(target, 8) + <u64>length), 8);
}

/** NH of one block, with the words at `key` and with those 16 bytes on. */
function hashBlock(source: usize, length: usize, target: usize, key: usize): void {
  let first = i64x2.splat(0);
  let second = i64x2.splat(0);
  let k0 = v128.load(key);
  const whole = length & ~(<usize>31);
  for (let at: usize = 0; at < length; at += 32) {
    let low = v128.load(source + at);
    let high = v128.load(source + at, 16);
    if (at == whole) {
      const rest = length - whole;
      low = v128.and(low, maskOf(rest));
      high = v128.and(high, maskOf(max(rest, 16) - 16));
    }
    const k1 = v128.load(key + at, 16);
    const k2 = v128.load(key + at, 32);
    let a = i32x4.add(low, k0);
    let b = i32x4.add(high, k1);
    first = i64x2.add(first, i64x2.extmul_low_i32x4_u(a, b));
    first = i64x2.add(first, i64x2.extmul_high_i32x4_u(a, b));
    a = i32x4.add(low, k1);
    b = i32x4.add(high, k2);
    second = i64x2.add(second, i64x2.extmul_low_i32x4_u(a, b));
    second = i64x2.add(second, i64x2.extmul_high_i32x4_u(a, b));
    k0 = k2;
  }
  store<u64>(target, i64x2.extract_lane(first, 0) + i64x2.extract_lane(first, 1));
  store<u64>(target, i64x2.extract_lane(second, 0) + i64x2.extract_lane(second, 1), 8);
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
