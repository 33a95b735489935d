/**
 * What lets a search for a text skip a page: a filter over **grams**, 6 neighbouring bytes of a word. Not every gram is in it, but of each 4 neighbouring ones
 * that with the smallest hash. Both sides choose by content alone: whatever a needle with 9 bytes of one word chooses, every page that
 * contains it has chosen too, wherever in its word the needle begins and ends. A pasted trace id needs no blank on either side. Numbers are often shorter: of 6 digits
 * behind a mark, a **lead**, all pages know, with several hashes. So they do of the **middle** of an address, since in many addresses each six bytes are those of
 * some. Pages are gone through by codec's kernel `grams`, whose twin {@link GramCollector} is.
 */
import type { LogPageKernel } from "@finch/codec/kernels";
import { growUint32 } from "../number-columns.ts";

const GRAM_BYTES = 6;
const WINDOW_GRAMS = 4;
/** Of what is known by several hashes: how many they are, and what their numbers are multiplied by in `high`. */
interface Numbered {
  readonly hashes: number;
  readonly unit: number;
}
/** A lead is often all there is of a needle, an address has grams besides. */
const LEAD: Numbered = { hashes: 5, unit: 1 << 16 };
const MIDDLE: Numbered = { hashes: 4, unit: 1 << 28 };
/** A needle without a word of so many bytes, or a lead, cannot skip anything. */
export const NEEDLE_BYTES_MIN = GRAM_BYTES + WINDOW_GRAMS - 1;

/** The size of a filter is a number: see {@link filterBits}. Size 0 is that of a page without grams, which contains no needle that chooses any. */
export const FILTER_SIZE_MIN = 24;
export const FILTER_SIZE_MAX = 66;

/** Bits of a filter of a size: 4, 5, 6 and 7 times a power of two, from 256 on. */
export function filterBits(size: number): number {
  return (4 + (size & 3)) * 2 ** (size >> 2);
}

/** A gram is known by a number of so many bits. */
export const GRAM_BITS = 21;

/** The bit of a gram in a filter of so many bits. */
export function placeOf(gram: number, bits: number): number {
  return Math.floor((gram * bits) / 2 ** GRAM_BITS);
}

/** Share of the grams to the bits up to which a filter is filled: 37 of 100 bits are set then, and each gram of a needle passes by chance as often. */
const FILL_MAX = 0.46;

/** Bytes of words: letters, digits, `_`, `.`, `-` and all beyond ASCII. */
const IN_WORD = new Uint8Array(256);
for (let c = 0; c < 256; c++) {
  const isLetter = (c >= 65 && c <= 90) || (c >= 97 && c <= 122);
  const isMark = c === 95 || c === 46 || c === 45;
  if (isLetter || isMark || (c >= 48 && c <= 57) || c > 127) IN_WORD[c] = 1;
}

const DIGIT = 1;
/** A lead does not begin behind it: fractions of numbers and of seconds are nothing that is looked for. */
const SOLID = 2;
const CLASSES = new Uint8Array(256);
for (let c = 0; c < 256; c++) {
  const isDigit = c >= 48 && c <= 57;
  if (IN_WORD[c] === 1 && c !== 95 && c !== 45) CLASSES[c] = isDigit ? DIGIT | SOLID : SOLID;
}

const POINT = 46;
const PART_BYTES_MAX = 3;
/** `1.2.3.4` */
const MIDDLE_BYTES_MIN = 7;

/** Chooses the grams of lines; one object serves one page after the other. */
export class GramCollector {
  #grams = new Uint32Array(1024) as Uint32Array;
  #count = 0;
  /** Open addressing over the grams; a slot is taken when its generation is the current one. */
  #table = new Uint32Array(1 << 16);
  #generations = new Uint8Array(1 << 16);
  #generation = 0;

  /** The distinct grams of lines, valid until the next call. */
  collect(lines: Uint8Array, lineBounds: Uint32Array, count: number): Uint32Array {
    this.#begin();
    for (let row = 0; row < count; row++)
      this.#addWords(lines, lineBounds[row]!, lineBounds[row + 1]!);
    return this.#grams.subarray(0, this.#count);
  }

  #begin(): void {
    this.#count = 0;
    this.#generation = (this.#generation + 1) & 0xff;
    if (this.#generation !== 0) return;
    this.#generations.fill(0);
    this.#generation = 1;
  }

  #addWords(bytes: Uint8Array, start: number, end: number): void {
    let low = 0;
    let high = 0;
    let length = 0;
    // The last three hashes, and the smaller ones of each two neighbours.
    let before = 0xffffffff;
    let pair = 0xffffffff;
    let earlierPair = 0xffffffff;
    let last = -1;
    // Digits of a number that began behind a mark; -1 behind anything else.
    let digits = -1;
    for (let i = start; i < end; i++) {
      const c = bytes[i]!;
      const classes = CLASSES[c]!;
      if ((classes & DIGIT) !== 0 && i + MIDDLE_BYTES_MIN <= end) this.#addMiddle(bytes, i, end);
      digits = (classes & DIGIT) !== 0 && digits >= 0 ? digits + 1 : classes === 0 ? 0 : -1;
      if (IN_WORD[c] === 0) {
        length = 0;
        last = -1;
        continue;
      }
      low = (low >>> 8) | (high << 24);
      high = ((high >>> 8) | (c << 8)) & 0xffff;
      if (++length < GRAM_BYTES) continue;
      if (digits === GRAM_BYTES) this.#addHashes(low, high, LEAD);
      const hash = hashGram(low, high);
      const newPair = hash < before ? hash : before;
      if (length >= NEEDLE_BYTES_MIN) {
        const smallest = newPair < earlierPair ? newPair : earlierPair;
        if (smallest !== last) {
          last = smallest;
          this.#add(smallest);
        }
      }
      earlierPair = pair;
      pair = newPair;
      before = hash;
    }
  }

  /** Adds the middle of an address that begins with the digit at `start`, if one does: `1.234.56.7` of `101.234.56.78`. */
  #addMiddle(bytes: Uint8Array, start: number, end: number): void {
    if (bytes[start + 1] !== POINT) return;
    const third = endOfPart(bytes, start + 2, end);
    const fourth = third < 0 ? -1 : endOfPart(bytes, third, end);
    if (fourth < 0 || fourth === end || (CLASSES[bytes[fourth]!]! & DIGIT) === 0) return;
    const low = littleEndian(bytes, start + 2, third - 1) | (bytes[start]! << 24);
    const high = littleEndian(bytes, third, fourth - 1) | ((bytes[fourth]! & 15) << 24);
    this.#addHashes(low, high, MIDDLE);
  }

  #addHashes(low: number, high: number, { hashes, unit }: Numbered): void {
    for (let number = 1; number <= hashes; number++)
      this.#add(hashGram(low, high | (number * unit)));
  }

  /** What is chosen for its hash being small is spread over all numbers. */
  #add(hash: number): void {
    const gram = Math.imul(hash, 0x9e3779b1) >>> (32 - GRAM_BITS);
    const mask = this.#table.length - 1;
    let slot = gram & mask;
    while (this.#generations[slot] === this.#generation) {
      if (this.#table[slot] === gram) return;
      slot = (slot + 1) & mask;
    }
    this.#table[slot] = gram;
    this.#generations[slot] = this.#generation;
    this.#grams = growUint32(this.#grams, this.#count + 1);
    this.#grams[this.#count++] = gram;
    if (2 * this.#count > this.#table.length) this.#grow();
  }

  #grow(): void {
    this.#table = new Uint32Array(2 * this.#table.length);
    this.#generations = new Uint8Array(this.#table.length);
    this.#generation = 1;
    const mask = this.#table.length - 1;
    for (let i = 0; i < this.#count; i++) {
      const gram = this.#grams[i]!;
      let slot = gram & mask;
      while (this.#generations[slot] === 1) slot = (slot + 1) & mask;
      this.#table[slot] = gram;
      this.#generations[slot] = 1;
    }
  }
}

/** Where the part of an address ends that begins at `start`, behind its point; -1 when it is none. */
function endOfPart(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && at < start + PART_BYTES_MAX && (CLASSES[bytes[at]!]! & DIGIT) !== 0) at++;
  return at > start && at < end && bytes[at] === POINT ? at + 1 : -1;
}

function littleEndian(bytes: Uint8Array, start: number, end: number): number {
  let number = 0;
  for (let i = end - 1; i >= start; i--) number = number * 256 + bytes[i]!;
  return number;
}

function hashGram(low: number, high: number): number {
  let hash = Math.imul(low, 0xcc9e2d51) ^ Math.imul(high, 0x1b873593);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

const needleGrams = new GramCollector();

/** The grams that a page must have to contain the needle; empty when nothing can be told. */
export function gramsOfNeedle(needle: Uint8Array): Uint32Array {
  return needleGrams.collect(needle, Uint32Array.of(0, needle.length), 1).slice();
}

/** The filter of one page. */
export interface PageFilter {
  readonly size: number;
  readonly bits: Uint8Array;
}

export function makeFilter(grams: Uint32Array): PageFilter {
  if (grams.length === 0) return { size: 0, bits: new Uint8Array(0) };
  const size = filterSize(grams.length);
  const count = filterBits(size);
  const bits = new Uint8Array(count / 8);
  for (const gram of grams) {
    const place = placeOf(gram, count);
    bits[place >> 3]! |= 1 << (place & 7);
  }
  return { size, bits };
}

/** The same of the grams that the kernel has collected. */
export function filterOfKernel(kernel: LogPageKernel, grams: number): PageFilter {
  if (grams === 0) return { size: 0, bits: new Uint8Array(0) };
  const size = filterSize(grams);
  return { size, bits: kernel.gramFilter(filterBits(size)) };
}

function filterSize(grams: number): number {
  let size = FILTER_SIZE_MIN;
  while (size < FILTER_SIZE_MAX && grams > FILL_MAX * filterBits(size)) size++;
  return size;
}

/** Whether a page with this filter may have all grams. */
export function mayHave({ size, bits }: PageFilter, grams: Uint32Array): boolean {
  if (size === 0) return grams.length === 0;
  const count = filterBits(size);
  for (const gram of grams) {
    const place = placeOf(gram, count);
    if ((bits[place >> 3]! & (1 << (place & 7))) === 0) return false;
  }
  return true;
}

/** Grams that are looked up of a needle that has more: after these hardly a page is left that does not have it. */
export const GRAMS_ASKED_MAX = 12;
