/**
 * The native histograms of a head: which samples of which series are histograms, and their bytes. Entries of one series are linked from the newest to
 * the oldest, in typed arrays, so that a series without any costs four bytes.
 */
import { ByteReader } from "@finch/codec";
import type { Histogram } from "@finch/model";
import { readHistogram } from "./histogram-bytes.ts";
import { growFloat64, growUint32 } from "./number-columns.ts";

const PAGE_BYTES = 64 * 1024;
const ENTRY_BYTES = 24;

export class HeadHistograms {
  count = 0;
  /** By series: its newest entry + 1, or 0. */
  #newest = new Uint32Array(0) as Uint32Array;
  #atMs = new Float64Array(0) as Float64Array;
  /** Entry + 1, or 0. */
  #older = new Uint32Array(0) as Uint32Array;
  #page = new Uint32Array(0) as Uint32Array;
  #start = new Uint32Array(0) as Uint32Array;
  #end = new Uint32Array(0) as Uint32Array;
  readonly #pages: Uint8Array[] = [];
  #used = 0;
  #pageBytes = 0;

  get bytes(): number {
    return this.#pageBytes + 4 * this.#newest.length + ENTRY_BYTES * this.#older.length;
  }

  has(series: number): boolean {
    return series < this.#newest.length && this.#newest[series]! > 0;
  }

  /** Keeps a copy of the bytes. No entry of the series is at this time. */
  add(series: number, timestampMs: number, bytes: Uint8Array): void {
    const entry = this.count++;
    if (entry >= this.#older.length) this.#grow(entry + 1);
    if (series >= this.#newest.length) this.#newest = growUint32(this.#newest, series + 1);
    this.#store(entry, bytes);
    this.#atMs[entry] = timestampMs;
    let newer = 0;
    let older = this.#newest[series]!;
    while (older > 0 && this.#atMs[older - 1]! > timestampMs) {
      newer = older;
      older = this.#older[older - 1]!;
    }
    this.#older[entry] = older;
    if (newer > 0) this.#older[newer - 1] = entry + 1;
    else this.#newest[series] = entry + 1;
  }

  /** The bytes of the histogram at just this time, or undefined. */
  find(series: number, timestampMs: number): Uint8Array | undefined {
    let entry = series < this.#newest.length ? this.#newest[series]! : 0;
    while (entry > 0 && this.#atMs[entry - 1]! > timestampMs) entry = this.#older[entry - 1]!;
    return entry > 0 && this.#atMs[entry - 1] === timestampMs
      ? this.#bytesOf(entry - 1)
      : undefined;
  }

  /** The histograms among some samples of a series, by row; undefined when there is none. Their sums are the samples' values. */
  among(
    series: number,
    timestampsMs: Float64Array,
    values: Float64Array,
  ): (Histogram | undefined)[] | undefined {
    if (!this.has(series)) return undefined;
    let found: (Histogram | undefined)[] | undefined;
    let entry = this.#newest[series]!;
    for (let row = timestampsMs.length - 1; row >= 0 && entry > 0; row--) {
      const timestampMs = timestampsMs[row]!;
      while (entry > 0 && this.#atMs[entry - 1]! > timestampMs) entry = this.#older[entry - 1]!;
      if (entry === 0 || this.#atMs[entry - 1] !== timestampMs) continue;
      found ??= Array.from({ length: timestampsMs.length }, () => undefined);
      found[row] = readHistogram(new ByteReader(this.#bytesOf(entry - 1)), values[row]!);
    }
    return found;
  }

  #bytesOf(entry: number): Uint8Array {
    return this.#pages[this.#page[entry]!]!.subarray(this.#start[entry], this.#end[entry]);
  }

  #store(entry: number, bytes: Uint8Array): void {
    if (this.#pages.length === 0 || this.#used + bytes.length > this.#pages.at(-1)!.length) {
      const page = new Uint8Array(Math.max(PAGE_BYTES, bytes.length));
      this.#pages.push(page);
      this.#pageBytes += page.length;
      this.#used = 0;
    }
    this.#pages.at(-1)!.set(bytes, this.#used);
    this.#page[entry] = this.#pages.length - 1;
    this.#start[entry] = this.#used;
    this.#used += bytes.length;
    this.#end[entry] = this.#used;
  }

  #grow(count: number): void {
    this.#atMs = growFloat64(this.#atMs, count);
    this.#older = growUint32(this.#older, count);
    this.#page = growUint32(this.#page, count);
    this.#start = growUint32(this.#start, count);
    this.#end = growUint32(this.#end, count);
  }
}
