/**
 * Lists of ascending numbers that grow at the end, many of them and most of them short: differences as varints in linked blocks of one buffer, so
 * that neighbouring series cost a byte each. A list of one number takes no block.
 */
import { growUint32, growUint8 } from "./number-columns.ts";

/** Of a block: where the next one is (4), how many bytes it has for differences (2). */
const HEADER_BYTES = 6;
const BLOCK_BYTES_MIN = 10;
const BLOCK_BYTES_MAX = 500;
const VARINT_BYTES_MAX = 5;
const LIST_BYTES = 28;

export class PostingLists {
  count = 0;
  #lengths = new Uint32Array(64) as Uint32Array;
  #firsts = new Uint32Array(64) as Uint32Array;
  #lasts = new Uint32Array(64) as Uint32Array;
  /** First and last block of a list, or 0. */
  #heads = new Uint32Array(64) as Uint32Array;
  #tails = new Uint32Array(64) as Uint32Array;
  /** Where the next difference goes, and where its block ends. */
  #ends = new Uint32Array(64) as Uint32Array;
  #limits = new Uint32Array(64) as Uint32Array;
  /** A byte 0 where a difference would stand means that the rest of the block is not used. */
  #blocks = new Uint8Array(256);
  #used = HEADER_BYTES;

  get bytes(): number {
    return LIST_BYTES * this.count + this.#used;
  }

  /** Adds a list and returns its number; lists are numbered from 0. */
  add(): number {
    const list = this.count++;
    this.#lengths = growUint32(this.#lengths, list + 1);
    this.#firsts = growUint32(this.#firsts, list + 1);
    this.#lasts = growUint32(this.#lasts, list + 1);
    this.#heads = growUint32(this.#heads, list + 1);
    this.#tails = growUint32(this.#tails, list + 1);
    this.#ends = growUint32(this.#ends, list + 1);
    this.#limits = growUint32(this.#limits, list + 1);
    return list;
  }

  lengthOf(list: number): number {
    return this.#lengths[list]!;
  }

  /** Appends a number above the last of the list. */
  append(list: number, number: number): void {
    if (this.#lengths[list]!++ === 0) this.#firsts[list] = number;
    else this.#appendDifference(list, number - this.#lasts[list]!);
    this.#lasts[list] = number;
  }

  /** A copy. */
  numbersOf(list: number): Uint32Array {
    const numbers = new Uint32Array(this.#lengths[list]!);
    if (numbers.length === 0) return numbers;
    const blocks = this.#blocks;
    let number = (numbers[0] = this.#firsts[list]!);
    let block = this.#heads[list]!;
    let at = block + HEADER_BYTES;
    let end = this.#blockEnd(block);
    for (let i = 1; i < numbers.length; i++) {
      if (at >= end || blocks[at] === 0) {
        block = this.#nextOf(block);
        at = block + HEADER_BYTES;
        end = this.#blockEnd(block);
      }
      let difference = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = blocks[at++]!;
        difference += (byte & 127) * factor;
        if (byte < 128) break;
      }
      numbers[i] = number += difference;
    }
    return numbers;
  }

  #appendDifference(list: number, difference: number): void {
    let size = 1;
    for (let rest = difference; rest >= 128; rest = Math.floor(rest / 128)) size++;
    if (this.#ends[list]! + size > this.#limits[list]!) this.#addBlock(list);
    let at = this.#ends[list]!;
    let rest = difference;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#blocks[at++] = (rest % 128) | 128;
    this.#blocks[at++] = rest;
    this.#ends[list] = at;
  }

  #addBlock(list: number): void {
    const size = Math.min(
      BLOCK_BYTES_MAX,
      Math.max(BLOCK_BYTES_MIN, VARINT_BYTES_MAX, this.#lengths[list]! >> 1),
    );
    const block = this.#used;
    this.#used += HEADER_BYTES + size;
    this.#blocks = growUint8(this.#blocks, this.#used) as Uint8Array<ArrayBuffer>;
    this.#blocks[block + 4] = size;
    this.#blocks[block + 5] = size >>> 8;
    const tail = this.#tails[list]!;
    if (tail === 0) this.#heads[list] = block;
    else for (let i = 0; i < 4; i++) this.#blocks[tail + i] = block >>> (8 * i);
    this.#tails[list] = block;
    this.#ends[list] = block + HEADER_BYTES;
    this.#limits[list] = block + HEADER_BYTES + size;
  }

  #nextOf(block: number): number {
    const blocks = this.#blocks;
    return (
      (blocks[block]! |
        (blocks[block + 1]! << 8) |
        (blocks[block + 2]! << 16) |
        (blocks[block + 3]! << 24)) >>>
      0
    );
  }

  #blockEnd(block: number): number {
    return block + HEADER_BYTES + (this.#blocks[block + 4]! | (this.#blocks[block + 5]! << 8));
  }
}
