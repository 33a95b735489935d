/**
 * The label index of a head: interns strings and label sets, numbers series from 0, keeps postings. Grows only; a new head has a new one. All
 * in typed arrays: a series takes four bytes a label, about one or two more for its postings, and no JavaScript object; labels are made when asked for.
 */
import type { ByteReader, ByteWriter } from "@finch/codec";
import { compareLabels, Labels } from "@finch/model";
import { LabelRanges } from "./label-ranges.ts";
import type { PostingSource } from "./label-select.ts";
import { growUint32 } from "./number-columns.ts";
import { LABEL_SETS_KEPT } from "./limits.ts";
import { PostingLists } from "./posting-lists.ts";
import { RecentMap } from "./recent-map.ts";
import { StringTable } from "./string-table.ts";

/** What a series takes besides its labels: bound, hash, two slots of the table. */
const SERIES_BYTES = 16;
/** A pair: name, value, the one before with its name, two slots of the table. */
const PAIR_BYTES = 20;

/** How much an index may hold. */
export interface IndexLimits {
  readonly seriesMax: number;
  /** Of `LabelIndex.bytes`. */
  readonly bytesMax: number;
}

const UNLIMITED: IndexLimits = { seriesMax: Infinity, bytesMax: Infinity };

export class LabelIndex implements PostingSource {
  seriesCount = 0;
  /** Pairs of name and value, numbered as they come; each is a posting list. */
  pairCount = 0;
  readonly #strings = new StringTable();
  readonly #postings = new PostingLists();
  #pairNames = new Uint32Array(64) as Uint32Array;
  #pairValues = new Uint32Array(64) as Uint32Array;
  /** Pair + 1 with the same name that came before, or 0; and the newest pair + 1 of a name. */
  #pairBefore = new Uint32Array(64) as Uint32Array;
  readonly #newestPair = new Map<number, number>();
  /** Open addressing: pair + 1, or 0. Length is a power of two. */
  #pairTable = new Uint32Array(128);
  /** Pairs of series `s` are `#labels[#starts[s] … #starts[s + 1])`. */
  #labels = new Uint32Array(64) as Uint32Array;
  #starts = new Uint32Array(16) as Uint32Array;
  #hashes = new Uint32Array(16) as Uint32Array;
  /** Open addressing: series + 1, or 0. Length is a power of two. */
  #table = new Uint32Array(64);
  readonly #ranges = new LabelRanges();
  #scratch = new Uint32Array(64) as Uint32Array;
  readonly #recentLabels = new RecentMap<Labels>(LABEL_SETS_KEPT);

  /** Estimate of the memory held. */
  get bytes(): number {
    return (
      this.#strings.bytes +
      this.#postings.bytes +
      PAIR_BYTES * this.pairCount +
      SERIES_BYTES * this.seriesCount +
      4 * this.#starts[this.seriesCount]!
    );
  }

  /** The number of a label set, added when it is new; -1, and nothing is kept of it, when it is new and the index is full. */
  intern(labels: Labels, limits: IndexLimits = UNLIMITED): number {
    this.#ranges.readLabels(labels);
    return this.#internRanges(limits);
  }

  /**
   * The same for the labels that the key `bytes[start … end)` of a batch stands for; `labels` says them where the key has not the common form.
   */
  internKey(
    key: { readonly bytes: Uint8Array; readonly start: number; readonly end: number },
    labels: () => Labels,
    limits: IndexLimits,
  ): number {
    if (!this.#ranges.readKey(key.bytes, key.start, key.end)) this.#ranges.readLabels(labels());
    return this.#internRanges(limits);
  }

  /** The number of the label set that a record says next, added when it is new. */
  internRecord(reader: ByteReader): number {
    this.#ranges.readRecord(reader);
    return this.#internRanges(UNLIMITED);
  }

  /** Remembered for a while: who asks once, a panel or a rule, asks again. */
  labelsOf(series: number): Labels {
    let labels = this.#recentLabels.get(series);
    if (labels === undefined) this.#recentLabels.set(series, (labels = this.#makeLabels(series)));
    return labels;
  }

  #makeLabels(series: number): Labels {
    const texts: string[] = [];
    for (let at = this.#starts[series]!; at < this.#starts[series + 1]!; at++) {
      const pair = this.#labels[at]!;
      texts.push(
        this.#strings.textOf(this.#pairNames[pair]!),
        this.#strings.textOf(this.#pairValues[pair]!),
      );
    }
    return Labels.adopt(texts);
  }

  /** Writes the labels of a series as `writeLabels` does. */
  writeLabelsOf(series: number, writer: ByteWriter): void {
    const start = this.#starts[series]!;
    const end = this.#starts[series + 1]!;
    writer.writeVarint(end - start);
    for (let at = start; at < end; at++) {
      for (const number of [
        this.#pairNames[this.#labels[at]!]!,
        this.#pairValues[this.#labels[at]!]!,
      ]) {
        const bytes = this.#strings.bytesOf(number);
        writer.writeVarint(bytes.length);
        writer.writeBytes(bytes);
      }
    }
  }

  /** Numbers of a series' pairs, names ascending; a view. */
  pairsOf(series: number): Uint32Array {
    return this.#labels.subarray(this.#starts[series], this.#starts[series + 1]);
  }

  /** Which of two series comes first when pairs have these ranks: below 0 for `a`. */
  comparePairs(a: number, b: number, ranks: Uint32Array): number {
    const labels = this.#labels;
    const starts = this.#starts;
    let left = starts[a]!;
    let right = starts[b]!;
    const leftEnd = starts[a + 1]!;
    const rightEnd = starts[b + 1]!;
    for (; left < leftEnd && right < rightEnd; left++, right++)
      if (labels[left] !== labels[right]) return ranks[labels[left]!]! - ranks[labels[right]!]!;
    return leftEnd - left - (rightEnd - right);
  }

  /** String numbers of each pair's name and value. Not to be changed. */
  get pairNames(): Uint32Array {
    return this.#pairNames;
  }

  get pairValues(): Uint32Array {
    return this.#pairValues;
  }

  get stringCount(): number {
    return this.#strings.count;
  }

  textOf(string: number): string {
    return this.#strings.textOf(string);
  }

  postingsOf(name: string, value: string): Promise<Uint32Array> {
    const pair = this.#findPair(this.#numberOf(name), this.#numberOf(value));
    return Promise.resolve(pair < 0 ? new Uint32Array(0) : this.#postings.numbersOf(pair));
  }

  valuesOf(name: string): Promise<readonly string[]> {
    const values: string[] = [];
    let pair = this.#newestPair.get(this.#numberOf(name)) ?? 0;
    for (; pair > 0; pair = this.#pairBefore[pair - 1]!)
      values.push(this.#strings.textOf(this.#pairValues[pair - 1]!));
    return Promise.resolve(values);
  }

  #numberOf(text: string): number {
    const bytes = Buffer.from(text);
    return this.#strings.find(bytes, 0, bytes.length);
  }

  #internRanges(limits: IndexLimits): number {
    const { count } = this.#ranges;
    const isFull = this.seriesCount >= limits.seriesMax || this.bytes >= limits.bytesMax;
    this.#scratch = growUint32(this.#scratch, count);
    let hash = 0;
    for (let i = 0; i < count; i++) {
      const pair = isFull ? this.#findLabel(i) : this.#internLabel(i);
      if (pair < 0) return -1;
      this.#scratch[i] = pair;
      hash = Math.imul(hash ^ pair, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    const mask = this.#table.length - 1;
    let slot = hash & mask;
    for (; this.#table[slot] !== 0; slot = (slot + 1) & mask) {
      const series = this.#table[slot]! - 1;
      if (this.#hashes[series] === hash >>> 0 && this.#equals(series, count)) return series;
    }
    return isFull ? -1 : this.#add(count, hash >>> 0, slot);
  }

  #findLabel(label: number): number {
    const { bytes, bounds } = this.#ranges;
    const at = 4 * label;
    return this.#findPair(
      this.#strings.find(bytes, bounds[at]!, bounds[at + 1]!),
      this.#strings.find(bytes, bounds[at + 2]!, bounds[at + 3]!),
    );
  }

  #internLabel(label: number): number {
    const { bytes, bounds } = this.#ranges;
    const at = 4 * label;
    const name = this.#strings.intern(bytes, bounds[at]!, bounds[at + 1]!);
    const value = this.#strings.intern(bytes, bounds[at + 2]!, bounds[at + 3]!);
    const known = this.#findPair(name, value);
    if (known >= 0) return known;
    const pair = this.pairCount++;
    this.#postings.add();
    this.#pairNames = growUint32(this.#pairNames, pair + 1);
    this.#pairValues = growUint32(this.#pairValues, pair + 1);
    this.#pairBefore = growUint32(this.#pairBefore, pair + 1);
    this.#pairNames[pair] = name;
    this.#pairValues[pair] = value;
    this.#pairBefore[pair] = this.#newestPair.get(name) ?? 0;
    this.#newestPair.set(name, pair + 1);
    if (2 * this.pairCount > this.#pairTable.length) this.#growPairTable();
    else this.#insertPair(pair);
    return pair;
  }

  /** The pair of two string numbers, or -1; a number may be -1. */
  #findPair(name: number, value: number): number {
    if (name < 0 || value < 0) return -1;
    const mask = this.#pairTable.length - 1;
    for (let slot = hashPair(name, value) & mask; ; slot = (slot + 1) & mask) {
      const pair = this.#pairTable[slot]! - 1;
      if (pair < 0) return -1;
      if (this.#pairNames[pair] === name && this.#pairValues[pair] === value) return pair;
    }
  }

  #growPairTable(): void {
    this.#pairTable = new Uint32Array(2 * this.#pairTable.length);
    for (let pair = 0; pair < this.pairCount; pair++) this.#insertPair(pair);
  }

  #insertPair(pair: number): void {
    const mask = this.#pairTable.length - 1;
    let slot = hashPair(this.#pairNames[pair]!, this.#pairValues[pair]!) & mask;
    while (this.#pairTable[slot] !== 0) slot = (slot + 1) & mask;
    this.#pairTable[slot] = pair + 1;
  }

  #equals(series: number, count: number): boolean {
    const start = this.#starts[series]!;
    if (this.#starts[series + 1]! - start !== count) return false;
    for (let i = 0; i < count; i++) if (this.#labels[start + i] !== this.#scratch[i]) return false;
    return true;
  }

  #add(count: number, hash: number, slot: number): number {
    const series = this.seriesCount++;
    this.#starts = growUint32(this.#starts, series + 2);
    this.#hashes = growUint32(this.#hashes, series + 1);
    const start = this.#starts[series]!;
    this.#labels = growUint32(this.#labels, start + count);
    for (let i = 0; i < count; i++) {
      const pair = this.#scratch[i]!;
      this.#labels[start + i] = pair;
      this.#postings.append(pair, series);
    }
    this.#starts[series + 1] = start + count;
    this.#hashes[series] = hash;
    this.#table[slot] = series + 1;
    if (2 * this.seriesCount > this.#table.length) this.#growTable();
    return series;
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

function hashPair(name: number, value: number): number {
  const hash = Math.imul(Math.imul(name, 0x9e3779b1) ^ value, 0x85ebca6b);
  return hash ^ (hash >>> 15);
}

/** Label sets sorted and each once, from several sources. */
export function mergeLabelSets(sets: Iterable<Labels>): Labels[] {
  const byKey = new Map<string, Labels>();
  for (const labels of sets) byKey.set(labels.key, labels);
  return [...byKey.values()].sort(compareLabels);
}
