/**
 * Patterns of the pages of a block, written stream by stream in the order of the index and read by the numbers of streams. Drawn in `docs/format/log-pages.md`.
 */
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import type { Block } from "../block.ts";
import type { PageRef } from "../block-format.ts";
import type { BlockFile } from "../block-writer.ts";
import { readString, writeString } from "../byte-strings.ts";
import { PATTERNS_FILE } from "../file-names.ts";
import { readPagePatterns, StringNumbers, writePagePatterns } from "./page-patterns.ts";
import type { PagePatterns } from "./page-patterns.ts";

/** Raw bytes of a group of pages, which has the texts of its patterns: a larger one has them less often, and is more to read for one stream. */
const GROUP_BYTES = 32 * 1024;
/** Raw bytes of these texts, likewise. */
const GROUP_TEXT_BYTES = 128 * 1024;

/** Writes the file from front to back. */
export class PatternsWriter {
  readonly #file: BlockFile;
  readonly #strings = new StringNumbers();
  readonly #pages = new ByteWriter(4096);
  readonly #groups = new ByteWriter(256);
  #groupCount = 0;
  /** Of the group at hand. */
  #pageCount = 0;
  #textBytes = 0;
  #first = { series: 0, page: 0 };
  #lastSeries = 0;

  constructor(file: BlockFile) {
    this.#file = file;
  }

  /** Adds page `page` of stream `series`; both ascend. */
  async add(series: number, page: number, patterns: PagePatterns): Promise<void> {
    if (this.#pageCount === 0) {
      this.#first = { series, page };
      this.#lastSeries = series;
    }
    const texts = this.#strings.texts.length;
    this.#pages.writeVarint(series - this.#lastSeries);
    this.#lastSeries = series;
    writePagePatterns(this.#pages, patterns, this.#strings);
    for (const text of this.#strings.texts.slice(texts)) this.#textBytes += text.length;
    this.#pageCount++;
    if (this.#pages.length >= GROUP_BYTES || this.#textBytes >= GROUP_TEXT_BYTES)
      await this.#endGroup();
  }

  async finish(): Promise<void> {
    if (this.#pageCount > 0) await this.#endGroup();
    const root = new ByteWriter(16 + this.#groups.length);
    root.writeVarint(this.#groupCount);
    root.writeBytes(this.#groups.bytes.subarray(0, this.#groups.length));
    await this.#file.appendRoot(root.finish());
  }

  async #endGroup(): Promise<void> {
    const { texts } = this.#strings;
    const group = new ByteWriter(this.#pages.length + 2 * this.#textBytes);
    group.writeVarint(texts.length);
    for (const text of texts) writeString(group, text);
    group.writeVarint(this.#pageCount);
    group.writeBytes(this.#pages.bytes.subarray(0, this.#pages.length));
    const { offset, length } = await this.#file.appendZipped(group.finish());
    const { series, page } = this.#first;
    for (const number of [offset, length, series, page]) this.#groups.writeVarint(number);
    this.#groupCount++;
    this.#pageCount = 0;
    this.#textBytes = 0;
    this.#pages.clear();
    this.#strings.clear();
  }
}

interface GroupRef extends PageRef {
  /** Its first page. */
  readonly series: number;
  readonly page: number;
}

interface GroupPage {
  readonly series: number;
  readonly page: number;
  readonly patterns: PagePatterns;
}

/** Reads the patterns of one block; keeps the group that was read last, so that pages are best asked for in order. */
export class PatternsReader {
  readonly #block: Block;
  #last: { readonly ref: GroupRef; readonly pages: readonly GroupPage[] } | undefined;

  constructor(block: Block) {
    this.#block = block;
  }

  /** The patterns of page `page` of a stream. */
  async page(series: number, page: number): Promise<PagePatterns> {
    const refs = await this.#refs();
    let low = 0;
    let high = refs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBehind(refs[middle]!, series, page)) high = middle;
      else low = middle + 1;
    }
    const ref = refs[low - 1];
    const pages = ref === undefined ? [] : await this.#pagesOf(ref);
    const at = ref === undefined ? -1 : placeOf(pages, series, page);
    if (at < 0)
      throw this.#block.damage(
        PATTERNS_FILE,
        0,
        `page ${page} of stream ${series} has no patterns`,
      );
    return pages[at]!.patterns;
  }

  #refs(): Promise<readonly GroupRef[]> {
    const block = this.#block;
    return block.cached(PATTERNS_FILE, "patterns", async () => {
      const reader = new ByteReader(await block.readRoot(PATTERNS_FILE));
      const value: GroupRef[] = [];
      for (let left = reader.readVarint(); left > 0; left--) {
        const place = { offset: reader.readVarint(), length: reader.readVarint() };
        value.push({ ...place, series: reader.readVarint(), page: reader.readVarint() });
      }
      return { value, bytes: 100 * value.length };
    });
  }

  async #pagesOf(ref: GroupRef): Promise<readonly GroupPage[]> {
    if (this.#last?.ref.offset === ref.offset) return this.#last.pages;
    const bytes = await this.#block.unzipPage(PATTERNS_FILE, ref);
    try {
      const pages = readGroup(bytes, ref);
      this.#last = { ref, pages };
      return pages;
    } catch (error) {
      throw this.#block.nonsense(error, PATTERNS_FILE, ref.offset);
    }
  }
}

function readGroup(bytes: Uint8Array, first: GroupRef): readonly GroupPage[] {
  const reader = new ByteReader(bytes);
  const strings: string[] = [];
  for (let left = reader.readVarint(); left > 0; left--) strings.push(readString(reader));
  const pages: GroupPage[] = [];
  let { series, page } = first;
  for (let left = reader.readVarint(); left > 0; left--) {
    const ahead = reader.readVarint();
    if (ahead > 0) page = 0;
    series += ahead;
    pages.push({ series, page: page++, patterns: readPagePatterns(reader, strings) });
  }
  if (reader.position !== reader.end)
    throw new CodecError("malformed", reader.position, "bytes behind the patterns of pages");
  return pages;
}

function isBehind(a: { series: number; page: number }, series: number, page: number): boolean {
  return a.series !== series ? a.series > series : a.page > page;
}

function placeOf(pages: readonly GroupPage[], series: number, page: number): number {
  let low = 0;
  let high = pages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBehind(pages[middle]!, series, page)) high = middle;
    else low = middle + 1;
  }
  const found = pages[low - 1];
  return found?.series === series && found.page === page ? low - 1 : -1;
}
