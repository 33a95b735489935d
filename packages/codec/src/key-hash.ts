/**
 * The keyed hash that stands for the bytes of a series: twin of `asm/key-hash.ts`, and the random words of this process. A hash is 128 bits;
 * what collides, and how likely, is said there. With a million series, two of them share a hash with a chance below 2^-24.
 */

/** Levels of hashes of hashes: enough for keys of 64 MiB. */
const LEVELS = 3;
const BLOCK_BYTES = 1024;
const LEVEL_BYTES = BLOCK_BYTES + 16;
const U64 = (1n << 64n) - 1n;

let processWords: Uint8Array | undefined;

/**
 * The random bytes that all hashes of this process depend on: drawn once, told to nobody, so that no sender can make two series collide. Hashes
 * of the same bytes are equal within a process and never stored.
 */
export function keyHashWords(): Uint8Array {
  return (processWords ??= crypto.getRandomValues(new Uint8Array(LEVELS * LEVEL_BYTES)));
}

/** The hash of a key as four 32-bit words, lowest first. */
export function hashKey(key: Uint8Array, words: Uint8Array = keyHashWords()): Uint32Array {
  let rest = key;
  let level = words;
  while (rest.length > BLOCK_BYTES) {
    const hashes = new BigUint64Array(2 * Math.ceil(rest.length / BLOCK_BYTES));
    for (let block = 0; 2 * block < hashes.length; block++) {
      const bytes = rest.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
      hashes.set(hashBlock(bytes, level), 2 * block);
    }
    rest = new Uint8Array(hashes.buffer);
    level = level.subarray(LEVEL_BYTES);
  }
  const [first, second] = hashBlock(rest, level);
  const length = BigInt(key.length);
  return new Uint32Array(BigUint64Array.of(mix(first + length), mix(second + length)).buffer);
}

function hashBlock(bytes: Uint8Array, words: Uint8Array): [first: bigint, second: bigint] {
  const padded = new Uint8Array(Math.ceil(bytes.length / 32) * 32);
  padded.set(bytes);
  return [sumProducts(padded, words), sumProducts(padded, words.subarray(16))];
}

function sumProducts(bytes: Uint8Array, words: Uint8Array): bigint {
  const data = new DataView(bytes.buffer, bytes.byteOffset);
  const keys = new DataView(words.buffer, words.byteOffset);
  const term = (at: number): bigint =>
    BigInt((data.getUint32(at, true) + keys.getUint32(at, true)) >>> 0);
  let sum = 0n;
  for (let at = 0; at < bytes.length; at += 32)
    for (let word = at; word < at + 16; word += 4) sum += term(word) * term(word + 16);
  return sum & U64;
}

function mix(value: bigint): bigint {
  let bits = value & U64;
  for (let round = 0; round < 2; round++)
    bits = ((bits ^ (bits >> 32n)) * 0xd6e8feb86659fd93n) & U64;
  return bits ^ (bits >> 32n);
}
