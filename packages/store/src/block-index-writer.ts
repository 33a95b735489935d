/**
 * Writes the label index of a block, front to back: strings, series and postings in checksummed, compressed pages, and a root that says where
 * they are, so that a reader fetches only what a query touches. Drawn in `docs/format/index.md`.
 */
import { ByteWriter } from "@finch/codec";
import { writeString } from "./byte-strings.ts";
import type { ByteRuns } from "./byte-strings.ts";
import type { BlockFile } from "./block-writer.ts";
import type { LabelIndex } from "./label-index.ts";
import { INDEX_PAGE_BYTES, SERIES_PER_PAGE } from "./limits.ts";
import { ascending, growUint32 } from "./number-columns.ts";
import { sortPaced } from "./pacer.ts";
import type { Pacer } from "./pacer.ts";

/** The order of a block: series by labels, strings by code units. */
export interface BlockOrder {
  /** Series of the head in the order of the block; only those that have data. */
  readonly series: Uint32Array;
  /** Strings of the head in order, and the rank of each. */
  readonly strings: Uint32Array;
  readonly ranks: Uint32Array;
}

export async function orderSeries(
  index: LabelIndex,
  wanted: Uint32Array,
  pacer: Pacer,
): Promise<BlockOrder> {
  const strings = await orderStrings(index, pacer);
  const ranks = new Uint32Array(strings.length);
  for (let rank = 0; rank < strings.length; rank++) ranks[strings[rank]!] = rank;
  const pairRanks = await rankPairs(index, ranks, pacer);
  const series = wanted.slice();
  await sortPaced(series, (a, b) => index.comparePairs(a, b, pairRanks), pacer);
  return { series, strings, ranks };
}

async function orderStrings(index: LabelIndex, pacer: Pacer): Promise<Uint32Array> {
  const texts: string[] = [];
  for (let number = 0; number < index.stringCount; number++) {
    texts.push(index.textOf(number));
    if ((number & 1023) === 0 && pacer.isDue()) await pacer.rest();
  }
  const strings = ascending(texts.length);
  await sortPaced(
    strings,
    (a, b) => (texts[a]! < texts[b]! ? -1 : texts[a]! > texts[b]! ? 1 : 0),
    pacer,
  );
  return strings;
}

/** The place of each pair among all, by name, then value. */
async function rankPairs(
  index: LabelIndex,
  ranks: Uint32Array,
  pacer: Pacer,
): Promise<Uint32Array> {
  const { pairNames, pairValues } = index;
  const pairs = ascending(index.pairCount);
  await sortPaced(
    pairs,
    (a, b) =>
      ranks[pairNames[a]!]! - ranks[pairNames[b]!]! ||
      ranks[pairValues[a]!]! - ranks[pairValues[b]!]!,
    pacer,
  );
  const pairRanks = new Uint32Array(pairs.length);
  for (let rank = 0; rank < pairs.length; rank++) pairRanks[pairs[rank]!] = rank;
  return pairRanks;
}

/** Writes the index of a head's series: run `i` of `payloads` is what it keeps with the series at place `i` of the order. */
export async function writeIndex(
  file: BlockFile,
  index: LabelIndex,
  order: BlockOrder,
  payloads: ByteRuns,
  pacer: Pacer,
): Promise<void> {
  const writer = new BlockIndexWriter(file, pacer);
  for (const number of order.strings) await writer.addString(index.textOf(number));
  await writer.endStrings();
  const { pairNames, pairValues } = index;
  let room = new Uint32Array(64) as Uint32Array;
  for (let at = 0; at < order.series.length; at++) {
    const pairs = index.pairsOf(order.series[at]!);
    const count = 2 * pairs.length;
    room = growUint32(room, count);
    for (let i = 0; i < pairs.length; i++) {
      room[2 * i] = order.ranks[pairNames[pairs[i]!]!]!;
      room[2 * i + 1] = order.ranks[pairValues[pairs[i]!]!]!;
    }
    await writer.addSeries(room.subarray(0, count), payloads.get(at));
  }
  await writer.finish();
}

/** First all strings, then all series, both in order; memory grows by 4 bytes a label of a series. */
export class BlockIndexWriter {
  readonly #file: BlockFile;
  readonly #pacer: Pacer;
  readonly #page = new ByteWriter();
  readonly #stringPages = new ByteWriter();
  readonly #seriesPages = new ByteWriter();
  #stringPageCount = 0;
  #strings = 0;
  #series = 0;
  #pageFirst = "";
  #pageStart = 0;
  /** Pairs of name and value, numbered as they come: by name's rank, then value's. */
  readonly #pairs = new Map<number, Map<number, number>>();
  #pairCount = 0;
  /** Numbers of the pairs of series `s`: `#labels[#starts[s] … #starts[s + 1])`. */
  #labels = new Uint32Array(1024) as Uint32Array;
  #starts = new Uint32Array(64) as Uint32Array;

  constructor(file: BlockFile, pacer: Pacer) {
    this.#file = file;
    this.#pacer = pacer;
  }

  get seriesCount(): number {
    return this.#series;
  }

  /** Strings come in the order of their code units; the first has rank 0. */
  async addString(text: string): Promise<void> {
    if (this.#page.length === 0) {
      this.#pageFirst = text;
      this.#pageStart = this.#strings;
    }
    writeString(this.#page, text);
    this.#strings++;
    if (this.#page.length >= INDEX_PAGE_BYTES) await this.endStrings();
    if (this.#pacer.isDue()) await this.#pacer.rest();
  }

  /** Ends the page at hand; to be called after the last string. */
  async endStrings(): Promise<void> {
    if (this.#page.length === 0) return;
    const { offset, length } = await this.#flush();
    const pages = this.#stringPages;
    pages.writeVarint(offset);
    pages.writeVarint(length);
    pages.writeVarint(this.#pageStart);
    writeString(pages, this.#pageFirst);
    this.#stringPageCount++;
  }

  /** `ranks` are those of name, value, name …, names ascending; series come in the order of their ranks. */
  async addSeries(ranks: Uint32Array, payload: Uint8Array): Promise<void> {
    const page = this.#page;
    page.writeVarint(ranks.length / 2);
    for (const rank of ranks) page.writeVarint(rank);
    page.writeVarint(payload.length);
    page.writeBytes(payload);
    this.#post(ranks);
    this.#series++;
    if (this.#series % SERIES_PER_PAGE === 0) await this.#endSeriesPage();
    if (this.#pacer.isDue()) await this.#pacer.rest();
  }

  /** Writes postings and root. */
  async finish(): Promise<void> {
    if (this.#page.length > 0) await this.#endSeriesPage();
    const root = new ByteWriter(4096);
    root.writeVarint(this.#strings);
    root.writeVarint(this.#series);
    root.writeVarint(this.#stringPageCount);
    root.writeBytes(this.#stringPages.finish());
    root.writeBytes(this.#seriesPages.finish());
    await this.#writePostings(root);
    await this.#file.appendRoot(root.finish());
  }

  async #endSeriesPage(): Promise<void> {
    const { offset, length } = await this.#flush();
    this.#seriesPages.writeVarint(offset);
    this.#seriesPages.writeVarint(length);
  }

  async #flush(): Promise<{ readonly offset: number; readonly length: number }> {
    const place = await this.#file.appendZipped(this.#page.bytes.subarray(0, this.#page.length));
    this.#page.clear();
    return place;
  }

  #post(ranks: Uint32Array): void {
    const start = this.#starts[this.#series]!;
    const count = ranks.length / 2;
    this.#labels = growUint32(this.#labels, start + count);
    this.#starts = growUint32(this.#starts, this.#series + 2);
    for (let i = 0; i < count; i++) {
      const name = ranks[2 * i]!;
      const value = ranks[2 * i + 1]!;
      let values = this.#pairs.get(name);
      if (values === undefined) this.#pairs.set(name, (values = new Map()));
      let pair = values.get(value);
      if (pair === undefined) values.set(value, (pair = this.#pairCount++));
      this.#labels[start + i] = pair;
    }
    this.#starts[this.#series + 1] = start + count;
  }

  /** Root: page count, then for each page its place, and the ranks of name and value of its first list. */
  async #writePostings(root: ByteWriter): Promise<void> {
    const { members, bounds } = await this.#invert();
    const entries = new ByteWriter();
    let pages = 0;
    let first: readonly [number, number] = [0, 0];
    const page = this.#page;
    const flush = async () => {
      const { offset, length } = await this.#flush();
      for (const number of [offset, length, ...first]) entries.writeVarint(number);
      pages++;
    };
    for (const name of Uint32Array.from(this.#pairs.keys()).sort()) {
      const values = this.#pairs.get(name)!;
      const ranks = Uint32Array.from(values.keys());
      await sortPaced(ranks, (a, b) => a - b, this.#pacer);
      for (const value of ranks) {
        const pair = values.get(value)!;
        if (page.length === 0) first = [name, value];
        page.writeVarint(name);
        page.writeVarint(value);
        writeList(page, members.subarray(bounds[pair], bounds[pair + 1]));
        if (page.length >= INDEX_PAGE_BYTES) await flush();
        if (this.#pacer.isDue()) await this.#pacer.rest();
      }
    }
    if (page.length > 0) await flush();
    root.writeVarint(pages);
    root.writeBytes(entries.finish());
  }

  /** Series by pair: those of pair `p` are `members[bounds[p] … bounds[p + 1])`. */
  async #invert(): Promise<{ readonly members: Uint32Array; readonly bounds: Uint32Array }> {
    const total = this.#starts[this.#series]!;
    const bounds = new Uint32Array(this.#pairCount + 1);
    for (let i = 0; i < total; i++) bounds[this.#labels[i]! + 1]!++;
    for (let pair = 0; pair < this.#pairCount; pair++) bounds[pair + 1]! += bounds[pair]!;
    const members = new Uint32Array(total);
    const next = bounds.slice();
    for (let series = 0; series < this.#series; series++) {
      for (let i = this.#starts[series]!; i < this.#starts[series + 1]!; i++)
        members[next[this.#labels[i]!]!++] = series;
      if ((series & 1023) === 0 && this.#pacer.isDue()) await this.#pacer.rest();
    }
    return { members, bounds };
  }
}

function writeList(page: ByteWriter, series: Uint32Array): void {
  page.writeVarint(series.length);
  let last = 0;
  for (const number of series) {
    page.writeVarint(number - last);
    last = number;
  }
}
