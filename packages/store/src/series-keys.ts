/**
 * Finds a series by the hash of the bytes that stood for its labels in a request, so that labels of known series are not parsed again. The
 * bytes are not kept: with 480 bytes a series they would be most of the memory. Hashes are codec's, of 128 bits and keyed at random.
 * First guess: the series that followed last time after the one before it; senders repeat their order. Then a hash table.
 */
import { growUint32 } from "./number-columns.ts";

const NONE = -1;
/** What a key takes: hash, series, successor, two slots of the table. */
const KEY_BYTES = 32;

export class SeriesKeys {
  /** Keys are numbered from 0; key `k` has the words `#hashes[4k … 4k + 4)` and stands for series `#series[k]`. */
  #count = 0;
  #hashes = new Uint32Array(256) as Uint32Array;
  #series = new Uint32Array(64) as Uint32Array;
  /** Key + 1 that followed key `k` last time, or 0. */
  #successors = new Uint32Array(64) as Uint32Array;
  /** Open addressing: key + 1, or 0. Length is a power of two. */
  #table = new Uint32Array(256);
  #previous = NONE;

  /** Memory held. */
  get bytes(): number {
    return KEY_BYTES * this.#count;
  }

  /** Call before the first series of a request. */
  rewind(): void {
    this.#previous = NONE;
  }

  /** The series of the first `count` hashes, put into `series`: what `rewind` and a `find` for each would say. Returns how many are unknown. */
  findAll(hashes: Uint32Array, count: number, series: Int32Array): number {
    const known = this.#hashes;
    const successors = this.#successors;
    const seriesOf = this.#series;
    let unknown = 0;
    this.rewind();
    for (let i = 0, at = 0, guess = NONE; i < count; i++, at += 4) {
      const of = 4 * guess;
      if (
        guess < 0 ||
        known[of] !== hashes[at] ||
        known[of + 1] !== hashes[at + 1] ||
        known[of + 2] !== hashes[at + 2] ||
        known[of + 3] !== hashes[at + 3]
      ) {
        if ((series[i] = this.find(hashes, i)) < 0) unknown++;
      } else {
        series[i] = seriesOf[guess]!;
        this.#previous = guess;
      }
      guess = this.#previous === NONE ? NONE : successors[this.#previous]! - 1;
    }
    return unknown;
  }

  /** The series of the key whose hash is `hashes[4 * at … 4 * at + 4)`, or -1. */
  find(hashes: Uint32Array, at: number): number {
    const a = hashes[4 * at]!;
    const b = hashes[4 * at + 1]!;
    const c = hashes[4 * at + 2]!;
    const d = hashes[4 * at + 3]!;
    const known = this.#hashes;
    if (this.#previous !== NONE) {
      const guess = this.#successors[this.#previous]! - 1;
      if (
        guess >= 0 &&
        known[4 * guess] === a &&
        known[4 * guess + 1] === b &&
        known[4 * guess + 2] === c &&
        known[4 * guess + 3] === d
      ) {
        this.#previous = guess;
        return this.#series[guess]!;
      }
    }
    const mask = this.#table.length - 1;
    for (let slot = a & mask; this.#table[slot] !== 0; slot = (slot + 1) & mask) {
      const key = this.#table[slot]! - 1;
      if (
        known[4 * key] === a &&
        known[4 * key + 1] === b &&
        known[4 * key + 2] === c &&
        known[4 * key + 3] === d
      ) {
        this.#follow(key);
        return this.#series[key]!;
      }
    }
    return NONE;
  }

  /** Remembers a key that `find` did not know; does nothing when `bytes` would pass `bytesMax`. */
  add(hashes: Uint32Array, at: number, key: { series: number; bytesMax: number }): void {
    if (this.bytes + KEY_BYTES > key.bytesMax) return;
    const number = this.#count++;
    this.#hashes = growUint32(this.#hashes, 4 * number + 4);
    this.#hashes.set(hashes.subarray(4 * at, 4 * at + 4), 4 * number);
    this.#series = growUint32(this.#series, number + 1);
    this.#series[number] = key.series;
    this.#successors = growUint32(this.#successors, number + 1);
    if (2 * this.#count > this.#table.length) this.#growTable();
    else this.#insert(number);
    this.#follow(number);
  }

  #follow(key: number): void {
    if (this.#previous !== NONE) this.#successors[this.#previous] = key + 1;
    this.#previous = key;
  }

  #growTable(): void {
    this.#table = new Uint32Array(2 * this.#table.length);
    for (let key = 0; key < this.#count; key++) this.#insert(key);
  }

  #insert(key: number): void {
    const mask = this.#table.length - 1;
    let slot = this.#hashes[4 * key]! & mask;
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
    this.#table[slot] = key + 1;
  }
}
