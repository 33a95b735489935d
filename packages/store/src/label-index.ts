/**
 * The label index of a head: interns strings and label sets, numbers series from 0, keeps postings. Grows only; a new head has a new one.
 * Label sets are held as pairs of string numbers in one pool, so that a hundred thousand series stay small.
 */
import { compareLabels, Labels } from "@finch/model";
import type { PostingSource } from "./label-select.ts";
import { growUint32 } from "./number-columns.ts";

/** What is charged for a string, a series and a posting besides their bytes. */
const STRING_BYTES = 48;
const SERIES_BYTES = 96;
const POSTING_BYTES = 12;

/** How much an index may hold. */
export interface IndexLimits {
  readonly seriesMax: number;
  /** Of `LabelIndex.bytes`. */
  readonly bytesMax: number;
}

const UNLIMITED: IndexLimits = { seriesMax: Infinity, bytesMax: Infinity };

export class LabelIndex implements PostingSource {
  seriesCount = 0;
  /** Estimate of the memory held. */
  bytes = 0;
  readonly #numbers = new Map<string, number>();
  readonly #strings: string[] = [];
  /** Series by name, then by value, both as string numbers. */
  readonly #postings = new Map<number, Map<number, number[]>>();
  /** Pairs of series `s` are `#pairs[#starts[s] … #starts[s + 1])`. */
  #pairs = new Uint32Array(64) as Uint32Array;
  #starts = new Uint32Array(16) as Uint32Array;
  #hashes = new Uint32Array(16) as Uint32Array;
  /** Open addressing: series + 1, or 0. Length is a power of two. */
  #table = new Uint32Array(64);
  readonly #labels: (Labels | undefined)[] = [];
  #scratch = new Uint32Array(64) as Uint32Array;

  /** The number of a label set, added when it is new; -1, and nothing is kept of it, when it is new and the index is full. */
  intern(labels: Labels, limits: IndexLimits = UNLIMITED): number {
    const { pairs } = labels;
    const isFull = this.seriesCount >= limits.seriesMax || this.bytes >= limits.bytesMax;
    if (isFull && !pairs.every((text) => this.#numbers.has(text))) return -1;
    this.#scratch = growUint32(this.#scratch, pairs.length);
    const scratch = this.#scratch;
    let hash = 0;
    for (let i = 0; i < pairs.length; i++) {
      const number = this.#internString(pairs[i]!);
      scratch[i] = number;
      hash = Math.imul(hash ^ number, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    const mask = this.#table.length - 1;
    let slot = hash & mask;
    for (; this.#table[slot] !== 0; slot = (slot + 1) & mask) {
      const series = this.#table[slot]! - 1;
      if (this.#hashes[series] === hash >>> 0 && this.#equals(series, scratch, pairs.length))
        return series;
    }
    return isFull ? -1 : this.#add(labels, hash >>> 0, slot);
  }

  labelsOf(series: number): Labels {
    return this.#labels[series]!;
  }

  /** String numbers of a series' labels, name and value in turn; a view. */
  pairsOf(series: number): Uint32Array {
    return this.#pairs.subarray(this.#starts[series], this.#starts[series + 1]);
  }

  /** All strings by number. Not to be changed. */
  get strings(): readonly string[] {
    return this.#strings;
  }

  postingsOf(name: string, value: string): Promise<Uint32Array> {
    const list = this.#postings
      .get(this.#numbers.get(name) ?? -1)
      ?.get(this.#numbers.get(value) ?? -1);
    return Promise.resolve(Uint32Array.from(list ?? []));
  }

  valuesOf(name: string): Promise<readonly string[]> {
    const values = this.#postings.get(this.#numbers.get(name) ?? -1)?.keys() ?? [];
    return Promise.resolve(Array.from(values, (number) => this.#strings[number]!));
  }

  #internString(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#strings.length;
    this.#numbers.set(text, number);
    this.#strings.push(text);
    this.bytes += STRING_BYTES + text.length;
    return number;
  }

  #equals(series: number, pairs: Uint32Array, length: number): boolean {
    const start = this.#starts[series]!;
    if (this.#starts[series + 1]! - start !== length) return false;
    for (let i = 0; i < length; i++) if (this.#pairs[start + i] !== pairs[i]) return false;
    return true;
  }

  #add(labels: Labels, hash: number, slot: number): number {
    const series = this.seriesCount++;
    const length = labels.pairs.length;
    this.#starts = growUint32(this.#starts, series + 2);
    this.#hashes = growUint32(this.#hashes, series + 1);
    const start = this.#starts[series]!;
    this.#pairs = growUint32(this.#pairs, start + length);
    this.#pairs.set(this.#scratch.subarray(0, length), start);
    this.#starts[series + 1] = start + length;
    this.#hashes[series] = hash;
    this.#table[slot] = series + 1;
    // Our own strings: those of the caller may be slices that hold a whole request.
    this.#labels.push(
      Labels.raw(Array.from(this.pairsOf(series), (number) => this.#strings[number]!)),
    );
    for (let i = 0; i < length; i += 2)
      this.#post(this.#scratch[i]!, this.#scratch[i + 1]!, series);
    this.bytes += SERIES_BYTES + length * (12 + POSTING_BYTES / 2);
    if (2 * this.seriesCount > this.#table.length) this.#growTable();
    return series;
  }

  #post(name: number, value: number, series: number): void {
    let values = this.#postings.get(name);
    if (values === undefined) this.#postings.set(name, (values = new Map()));
    const list = values.get(value);
    if (list === undefined) values.set(value, [series]);
    else list.push(series);
  }

  #growTable(): void {
    const table = new Uint32Array(2 * this.#table.length);
    const mask = table.length - 1;
    for (let series = 0; series < this.seriesCount; series++) {
      let slot = this.#hashes[series]! & mask;
      while (table[slot] !== 0) slot = (slot + 1) & mask;
      table[slot] = series + 1;
    }
    this.#table = table;
  }
}

/** Label sets sorted and each once, from several sources. */
export function mergeLabelSets(sets: Iterable<Labels>): Labels[] {
  const byKey = new Map<string, Labels>();
  for (const labels of sets) byKey.set(labels.key, labels);
  return [...byKey.values()].sort(compareLabels);
}
