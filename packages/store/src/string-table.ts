/**
 * Strings, each once, numbered from 0: UTF-8 in one run of bytes, found by a hash table. No JavaScript string is kept but for a few that are
 * often asked for, so that a million label values cost little more than their bytes. Grows only.
 */
import { growUint32, growUint8 } from "./number-columns.ts";

/** What a string takes besides its bytes: bound, hash, two slots of the table. */
const STRING_BYTES = 16;
/** Strings kept as such: label names and values that most answers name. */
const CACHED = 2048;

export class StringTable {
  count = 0;
  #bytes: Buffer = Buffer.alloc(1024);
  /** String `s` is `#bytes[#starts[s] … #starts[s + 1])`. */
  #starts = new Uint32Array(64) as Uint32Array;
  #hashes = new Uint32Array(64) as Uint32Array;
  /** Open addressing: number + 1, or 0. Length is a power of two. */
  #table = new Uint32Array(128);
  readonly #cached: (string | undefined)[] = [];
  readonly #cachedNumbers = new Int32Array(CACHED).fill(-1);

  /** Memory held by the strings, not by room for more. */
  get bytes(): number {
    return this.#starts[this.count]! + STRING_BYTES * this.count;
  }

  /** The number of the UTF-8 bytes `source[start … end)`, or -1. */
  find(source: Uint8Array, start: number, end: number): number {
    const hash = hashOf(source, start, end);
    const mask = this.#table.length - 1;
    for (let slot = hash & mask; this.#table[slot] !== 0; slot = (slot + 1) & mask) {
      const number = this.#table[slot]! - 1;
      if (this.#hashes[number] === hash && this.#equals(number, source, start, end)) return number;
    }
    return -1;
  }

  /** The number of the string, added when it is new. */
  intern(source: Uint8Array, start: number, end: number): number {
    const known = this.find(source, start, end);
    if (known >= 0) return known;
    const number = this.count++;
    const from = this.#starts[number]!;
    const to = from + end - start;
    if (to > this.#bytes.length) this.#bytes = Buffer.from(growUint8(this.#bytes, to).buffer);
    for (let i = start, at = from; i < end; i++) this.#bytes[at++] = source[i]!;
    this.#starts = growUint32(this.#starts, number + 2);
    this.#starts[number + 1] = to;
    this.#hashes = growUint32(this.#hashes, number + 1);
    this.#hashes[number] = hashOf(source, start, end);
    if (2 * this.count > this.#table.length) this.#growTable();
    else this.#insert(number);
    return number;
  }

  textOf(number: number): string {
    const slot = number % CACHED;
    if (this.#cachedNumbers[slot] === number) return this.#cached[slot]!;
    const text = this.#bytes.toString("utf8", this.#starts[number], this.#starts[number + 1]);
    this.#cachedNumbers[slot] = number;
    this.#cached[slot] = text;
    return text;
  }

  /** The bytes of a string: a view that is valid until the next `intern`. */
  bytesOf(number: number): Uint8Array {
    return this.#bytes.subarray(this.#starts[number], this.#starts[number + 1]);
  }

  #equals(number: number, source: Uint8Array, start: number, end: number): boolean {
    let at = this.#starts[number]!;
    if (this.#starts[number + 1]! - at !== end - start) return false;
    const bytes = this.#bytes;
    for (let i = start; i < end; i++) if (bytes[at++] !== source[i]) return false;
    return true;
  }

  #growTable(): void {
    this.#table = new Uint32Array(2 * this.#table.length);
    for (let number = 0; number < this.count; number++) this.#insert(number);
  }

  #insert(number: number): void {
    const mask = this.#table.length - 1;
    let slot = this.#hashes[number]! & mask;
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
    this.#table[slot] = number + 1;
  }
}

/** FNV-1a, mixed at the end: short strings, one pass. */
function hashOf(source: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ source[i]!, 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
