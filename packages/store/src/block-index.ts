/**
 * Reads the label index of a block: root, pages and what is made of them, all through the store's bounded cache. Layout: `docs/format/index.md`.
 */
import { ByteReader } from "@finch/codec";
import { formatMatcher, Labels } from "@finch/model";
import type { Matcher } from "@finch/model";
import type { PageRef } from "./block-format.ts";
import type { BlockFiles } from "./block.ts";
import { readString } from "./byte-strings.ts";
import { INDEX_FILE } from "./file-names.ts";
import { selectSeries } from "./label-select.ts";
import type { PostingSource } from "./label-select.ts";
import { SERIES_PER_PAGE } from "./limits.ts";
import { ascending } from "./number-columns.ts";
import type { Pacer } from "./pacer.ts";

/** What is charged for a decoded string, a label set and one of its places besides the characters. */
const STRING_BYTES = 24;
const LABELS_BYTES = 64;
const PLACE_BYTES = 8;

interface Root {
  readonly stringPages: readonly PageRef[];
  /** Number and text of the first string of each page. */
  readonly stringFirsts: Uint32Array;
  readonly stringTexts: readonly string[];
  readonly seriesPages: readonly PageRef[];
  readonly postingPages: readonly PageRef[];
  /** Ranks of name and value of the first list of each page. */
  readonly postingNames: Uint32Array;
  readonly postingValues: Uint32Array;
}

/** A page of series: what belongs to one is found at its place in the page. */
interface SeriesPage {
  readonly labels: readonly Labels[];
  readonly payloads: readonly Uint8Array[];
}

/** One series of a block: its number, labels, and what the signal keeps with it. */
export interface BlockSeries {
  readonly number: number;
  readonly labels: Labels;
  readonly payload: Uint8Array;
}

/** A series by the numbers of its strings: name, value, name … */
export interface RankedSeries {
  readonly ranks: readonly number[];
  readonly payload: Uint8Array;
}

/** A page of series as it is stored, and where each of them stands in it. */
class RankedPage {
  readonly #bytes: Uint8Array;
  /** Of each series: its ranks, its payload, its end. */
  readonly #places: Uint32Array;

  constructor(bytes: Uint8Array) {
    const places: number[] = [];
    const reader = new ByteReader(bytes);
    while (reader.position < reader.end) {
      places.push(reader.position);
      for (let left = 2 * reader.readVarint(); left > 0; left--) reader.readVarint();
      const length = reader.readVarint();
      places.push(reader.position);
      reader.take(length);
      places.push(reader.position);
    }
    this.#bytes = bytes;
    this.#places = Uint32Array.from(places);
  }

  get count(): number {
    return this.#places.length / 3;
  }

  /** Memory it takes. */
  get byteLength(): number {
    return this.#bytes.length + this.#places.byteLength;
  }

  payloadOf(at: number): Uint8Array {
    return this.#bytes.subarray(this.#places[3 * at + 1]!, this.#places[3 * at + 2]!);
  }

  ranksOf(at: number): readonly number[] {
    const reader = new ByteReader(
      this.#bytes.subarray(this.#places[3 * at]!, this.#places[3 * at + 1]!),
    );
    return Array.from({ length: 2 * reader.readVarint() }, () => reader.readVarint());
  }
}

export class BlockIndex implements PostingSource {
  readonly seriesCount: number;
  readonly #files: BlockFiles;

  constructor(files: BlockFiles, seriesCount: number) {
    this.#files = files;
    this.seriesCount = seriesCount;
  }

  /** The series all matchers agree on, ascending; remembered, since dashboards ask again. */
  select(matchers: readonly Matcher[], pacer: Pacer): Promise<Uint32Array> {
    const key = matchers.map(formatMatcher).join();
    return this.#files.cached(INDEX_FILE, `select:${key}`, async () => {
      const value = await selectSeries(this, matchers, pacer);
      return { value, bytes: value.byteLength + 2 * key.length };
    });
  }

  async postingsOf(name: string, value: string): Promise<Uint32Array> {
    const nameRank = await this.#rankOf(name);
    const valueRank = await this.#rankOf(value);
    if (nameRank < 0 || valueRank < 0) return new Uint32Array(0);
    const root = await this.#root();
    const page = pageOf(root, nameRank, valueRank);
    if (page < 0) return new Uint32Array(0);
    const reader = await this.#postings(root.postingPages[page]!);
    while (reader.position < reader.end) {
      const listName = reader.readVarint();
      const listValue = reader.readVarint();
      if (listName === nameRank && listValue === valueRank) return readList(reader);
      skipList(reader);
    }
    return new Uint32Array(0);
  }

  async valuesOf(name: string): Promise<readonly string[]> {
    const values: string[] = [];
    await this.#walkName(name, undefined, (text, reader) => {
      values.push(text);
      skipList(reader);
    });
    return values;
  }

  /** Series whose label's value satisfies the matcher, or does not; each list ascends, and they share nothing. */
  async listsOf(matcher: Matcher, wanted: boolean, pacer: Pacer): Promise<Uint32Array[]> {
    const lists: Uint32Array[] = [];
    await this.#walkName(matcher.name, pacer, (text, reader) => {
      if (matcher.matches(text) === wanted) lists.push(readList(reader));
      else skipList(reader);
    });
    return lists;
  }

  /**
   * The series numbered `numbers` (ascending), in that order, page by page. With `isWanted`, only those whose payload it wants: for few of many, whose labels
   * alone are looked up.
   */
  async *seriesOf(
    numbers: Uint32Array,
    isWanted?: (payload: Uint8Array) => boolean,
  ): AsyncGenerator<readonly BlockSeries[]> {
    for (let from = 0; from < numbers.length;) {
      const page = Math.floor(numbers[from]! / SERIES_PER_PAGE);
      let to = from;
      while (to < numbers.length && numbers[to]! < (page + 1) * SERIES_PER_PAGE) to++;
      const some = numbers.subarray(from, to);
      from = to;
      yield await (isWanted === undefined
        ? this.#seriesIn(page, some)
        : this.#wantedIn(page, some, isWanted));
    }
  }

  async #seriesIn(page: number, numbers: Uint32Array): Promise<readonly BlockSeries[]> {
    const first = page * SERIES_PER_PAGE;
    const { labels, payloads } = await this.#seriesPage(page);
    return Array.from(numbers, (number) => ({
      number,
      labels: labels[number - first]!,
      payload: payloads[number - first]!,
    }));
  }

  async #wantedIn(
    page: number,
    numbers: Uint32Array,
    isWanted: (payload: Uint8Array) => boolean,
  ): Promise<readonly BlockSeries[]> {
    const first = page * SERIES_PER_PAGE;
    const ranked = await this.#files.cached(INDEX_FILE, `ranked:${page}`, async () => {
      const value = await this.#rankedPage(page);
      return { value, bytes: value.byteLength };
    });
    const wanted = [...numbers].filter((number) => isWanted(ranked.payloadOf(number - first)));
    if (wanted.length === 0) return [];
    const labels = await this.#labelsOf(wanted.map((number) => ranked.ranksOf(number - first)));
    return wanted.map((number, i) => ({
      number,
      labels: labels[i]!,
      payload: ranked.payloadOf(number - first),
    }));
  }

  /** Every string of the index, in order; page by page. */
  async *strings(): AsyncGenerator<readonly string[]> {
    const { stringPages } = await this.#root();
    for (const page of stringPages) yield await this.#strings(page);
  }

  /** All series in order, without looking up their strings; page by page, past the cache. */
  async *rankedSeries(): AsyncGenerator<readonly RankedSeries[]> {
    const { seriesPages } = await this.#root();
    for (const place of seriesPages) {
      const bytes = await this.#files.unzipPage(INDEX_FILE, place);
      let page: RankedSeries[];
      try {
        const ranked = new RankedPage(bytes);
        page = Array.from(ascending(ranked.count), (at) => ({
          ranks: ranked.ranksOf(at),
          payload: ranked.payloadOf(at),
        }));
      } catch (error) {
        throw this.#files.nonsense(error, INDEX_FILE, place.offset);
      }
      yield page;
    }
  }

  async #seriesPage(number: number): Promise<SeriesPage> {
    return this.#files.cached(INDEX_FILE, `series:${number}`, async () => {
      const page = await this.#rankedPage(number);
      const places = ascending(page.count);
      const rankLists = Array.from(places, (at) => page.ranksOf(at));
      const payloads = Array.from(places, (at) => page.payloadOf(at));
      const labels = await this.#labelsOf(rankLists);
      const ranks = rankLists.reduce((sum, list) => sum + list.length, 0);
      const bytes = page.byteLength + LABELS_BYTES * 2 * labels.length + PLACE_BYTES * ranks;
      return { value: { labels, payloads }, bytes };
    });
  }

  async #rankedPage(number: number): Promise<RankedPage> {
    const { seriesPages } = await this.#root();
    const place = seriesPages[number];
    if (place === undefined) throw this.#files.damage(INDEX_FILE, 0, `no page ${number} of series`);
    return new RankedPage(await this.#files.unzipPage(INDEX_FILE, place));
  }

  async #labelsOf(rankLists: readonly (readonly number[])[]): Promise<Labels[]> {
    const texts = await this.#textsOf(await this.#root(), rankLists);
    return rankLists.map((ranks) => Labels.raw(ranks.map((rank) => texts.get(rank)!)));
  }

  /** The strings of all ranks. */
  async #textsOf(
    root: Root,
    rankLists: readonly (readonly number[])[],
  ): Promise<ReadonlyMap<number, string>> {
    const wanted = new Set<number>();
    for (const ranks of rankLists) for (const rank of ranks) wanted.add(rank);
    const texts = new Map<number, string>();
    let first = 0;
    let held: readonly string[] = [];
    for (const rank of Uint32Array.from(wanted).sort()) {
      if (rank >= first + held.length) {
        const page = lastAtMost(root.stringFirsts, rank);
        const place = root.stringPages[page];
        if (place === undefined) throw this.#files.damage(INDEX_FILE, 0, `no string ${rank}`);
        first = root.stringFirsts[page]!;
        held = await this.#strings(place);
      }
      const text = held[rank - first];
      if (text === undefined) throw this.#files.damage(INDEX_FILE, 0, `no string ${rank}`);
      texts.set(rank, text);
    }
    return texts;
  }

  /** Calls `visit` for each list of a name, which must read or skip it. */
  async #walkName(
    name: string,
    pacer: Pacer | undefined,
    visit: (text: string, reader: ByteReader) => void,
  ): Promise<void> {
    const nameRank = await this.#rankOf(name);
    if (nameRank < 0) return;
    const root = await this.#root();
    let first = 0;
    let held: readonly string[] = [];
    for (
      let page = Math.max(0, pageOf(root, nameRank, 0));
      page < root.postingPages.length;
      page++
    ) {
      if (root.postingNames[page]! > nameRank) break;
      const reader = await this.#postings(root.postingPages[page]!);
      while (reader.position < reader.end) {
        const rank = reader.readVarint();
        if (rank > nameRank) return;
        const value = reader.readVarint();
        if (rank < nameRank) {
          skipList(reader);
          continue;
        }
        if (value < first || value >= first + held.length) {
          const at = lastAtMost(root.stringFirsts, value);
          first = root.stringFirsts[at] ?? 0;
          held = await this.#strings(root.stringPages[at]!);
        }
        visit(held[value - first]!, reader);
        if (pacer?.isDue() === true) await pacer.rest();
      }
    }
  }

  /** The number of a string, or -1. */
  async #rankOf(text: string): Promise<number> {
    const root = await this.#root();
    let low = 0;
    let high = root.stringTexts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (root.stringTexts[middle]! <= text) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return -1;
    const at = (await this.#strings(root.stringPages[low - 1]!)).indexOf(text);
    return at < 0 ? -1 : root.stringFirsts[low - 1]! + at;
  }

  #strings(place: PageRef): Promise<readonly string[]> {
    return this.#files.cached(INDEX_FILE, `strings:${place.offset}`, async () => {
      const reader = new ByteReader(await this.#files.unzipPage(INDEX_FILE, place));
      const value: string[] = [];
      while (reader.position < reader.end) value.push(readString(reader));
      return { value, bytes: 2 * reader.end + STRING_BYTES * value.length };
    });
  }

  async #postings(place: PageRef): Promise<ByteReader> {
    const bytes = await this.#files.cached(INDEX_FILE, `postings:${place.offset}`, async () => {
      const value = await this.#files.unzipPage(INDEX_FILE, place);
      return { value, bytes: value.length };
    });
    return new ByteReader(bytes);
  }

  #root(): Promise<Root> {
    return this.#files.cached(INDEX_FILE, "index", async () => {
      const reader = new ByteReader(await this.#files.readRoot(INDEX_FILE));
      const value = decodeRoot(reader);
      const places =
        value.stringPages.length + value.seriesPages.length + value.postingPages.length;
      return { value, bytes: 2 * reader.end + 64 * places };
    });
  }
}

function decodeRoot(reader: ByteReader): Root {
  reader.readVarint();
  const series = reader.readVarint();
  const stringFirsts: number[] = [];
  const stringTexts: string[] = [];
  const stringPages = readPlaces(reader, reader.readVarint(), () => {
    stringFirsts.push(reader.readVarint());
    stringTexts.push(readString(reader));
  });
  const seriesPages = readPlaces(reader, Math.ceil(series / SERIES_PER_PAGE), () => {});
  const postingNames: number[] = [];
  const postingValues: number[] = [];
  const postingPages = readPlaces(reader, reader.readVarint(), () => {
    postingNames.push(reader.readVarint());
    postingValues.push(reader.readVarint());
  });
  return {
    stringPages,
    stringFirsts: Uint32Array.from(stringFirsts),
    stringTexts,
    seriesPages,
    postingPages,
    postingNames: Uint32Array.from(postingNames),
    postingValues: Uint32Array.from(postingValues),
  };
}

function readPlaces(reader: ByteReader, count: number, andThen: () => void): PageRef[] {
  const places: PageRef[] = [];
  for (let i = 0; i < count; i++) {
    places.push({ offset: reader.readVarint(), length: reader.readVarint() });
    andThen();
  }
  return places;
}

/** The last postings page that begins at or before a list, or -1. */
function pageOf(root: Root, name: number, value: number): number {
  let low = 0;
  let high = root.postingPages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const first = root.postingNames[middle]!;
    if (first < name || (first === name && root.postingValues[middle]! <= value)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The last index of an ascending column whose number is at most `wanted`, or -1. */
function lastAtMost(ascending: Uint32Array, wanted: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function readList(reader: ByteReader): Uint32Array {
  const list = new Uint32Array(boundedCount(reader));
  let series = 0;
  for (let i = 0; i < list.length; i++) list[i] = series += reader.readVarint();
  return list;
}

function skipList(reader: ByteReader): void {
  for (let left = boundedCount(reader); left > 0; left--) reader.readVarint();
}

function boundedCount(reader: ByteReader): number {
  const count = reader.readVarint();
  if (count > reader.end - reader.position)
    throw new RangeError(`a list of ${count} entries in ${reader.end - reader.position} bytes`);
  return count;
}
