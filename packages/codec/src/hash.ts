/** MurmurHash3 (x86, 32 bits) of byte ranges, and a 64-bit hash made of two of them. For tables and filters; not against malice. */

const SECOND_SEED = 0x9747b28c;

/** MurmurHash3 x86 32 of `bytes[start … end)`, unsigned. */
export function hash32(bytes: Uint8Array, start = 0, end = bytes.length, seed = 0): number {
  let h = seed | 0;
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    h = mixWord(h, word);
  }
  if (i < end) h ^= mixTail(tailOf(bytes, i, end));
  return finish(h ^ (end - start));
}

/** Two independent 32-bit hashes in one pass: `out[0]` is {@link hash32} with seed 0, `out[1]` with seed 0x9747b28c. */
export function hash64(bytes: Uint8Array, start: number, end: number, out: Uint32Array): void {
  let a = 0;
  let b = SECOND_SEED | 0;
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    a = mixWord(a, word);
    b = mixWord(b, word);
  }
  if (i < end) {
    const tail = mixTail(tailOf(bytes, i, end));
    a ^= tail;
    b ^= tail;
  }
  out[0] = finish(a ^ (end - start));
  out[1] = finish(b ^ (end - start));
}

function mixWord(h: number, word: number): number {
  const mixed = h ^ mixTail(word);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function mixTail(word: number): number {
  const k = Math.imul(word, 0xcc9e2d51);
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
}

function tailOf(bytes: Uint8Array, i: number, end: number): number {
  let word = bytes[i]!;
  if (i + 1 < end) word |= bytes[i + 1]! << 8;
  if (i + 2 < end) word |= bytes[i + 2]! << 16;
  return word;
}

function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
