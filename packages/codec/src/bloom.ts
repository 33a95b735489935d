/**
 * Split-block Bloom filter: each key sets eight bits in one block of 256, so a probe touches one cache line. Keys are pairs of 32-bit
 * hashes (see `hash64`). Serialised as its bytes, little-endian words; the layout is in docs/format/columns.md.
 */
import { CodecError } from "./errors.ts";

const WORDS_PER_BLOCK = 8;
const BYTES_PER_BLOCK = 32;

/** Odd multipliers; word `i` of a block takes the bit that the top five bits of `low * SALT[i]` name. */
const SALT = new Int32Array([
  0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
]);

/** A set that may claim too much but never forgets a key. */
export interface BloomFilter {
  add(low: number, high: number): void;
  /** False means the key was never added. */
  has(low: number, high: number): boolean;
  /** The words of the filter; shares memory with it. */
  readonly bytes: Uint8Array;
}

/** An empty filter for about `keys` keys; 10 bits a key give 1 % false answers, 16 give 0.1 %. */
export function createBloomFilter(keys: number, bitsPerKey = 10): BloomFilter {
  const blocks = Math.max(1, Math.ceil((keys * bitsPerKey) / 256));
  return filterOver(new Uint32Array(blocks * WORDS_PER_BLOCK));
}

/** A filter from the bytes of another; they are copied. */
export function openBloomFilter(bytes: Uint8Array): BloomFilter {
  if (bytes.length === 0 || bytes.length % BYTES_PER_BLOCK !== 0) {
    throw new CodecError(
      "malformed",
      bytes.length,
      "a Bloom filter must be whole blocks of 32 bytes, it ends",
    );
  }
  const words = new Uint32Array(bytes.length / 4);
  new Uint8Array(words.buffer).set(bytes);
  return filterOver(words);
}

function filterOver(words: Uint32Array): BloomFilter {
  const blocks = words.length / WORDS_PER_BLOCK;
  return {
    bytes: new Uint8Array(words.buffer),
    add(low, high) {
      const block = blockOf(high, blocks);
      for (let i = 0; i < WORDS_PER_BLOCK; i++) {
        words[block + i]! |= 1 << (Math.imul(low, SALT[i]!) >>> 27);
      }
    },
    has(low, high) {
      const block = blockOf(high, blocks);
      for (let i = 0; i < WORDS_PER_BLOCK; i++) {
        if ((words[block + i]! & (1 << (Math.imul(low, SALT[i]!) >>> 27))) === 0) return false;
      }
      return true;
    },
  };
}

/** First word of a key's block: `high` scaled to the number of blocks. */
function blockOf(high: number, blocks: number): number {
  return Math.floor(((high >>> 0) * blocks) / 2 ** 32) * WORDS_PER_BLOCK;
}
