/**
 * A block on disk, opened lazily: the root of its index is read at first use, index pages through a shared bounded cache, data pages by range.
 * Readers hold it with `acquire`/`release`; a removed block's files go when the last reader is done.
 */
import { join } from "node:path";
import { ByteReader } from "@finch/codec";
import { Labels } from "@finch/model";
import type { FileHandle, FileSystem } from "@finch/runtime";
import {
  checkFileHeader,
  decodeMeta,
  decompressBytes,
  FILE_HEADER_BYTES,
  openPage,
} from "./block-format.ts";
import type { BlockMeta, PageRef } from "./block-format.ts";
import { ROOT_TRAILER_BYTES, SERIES_PER_PAGE } from "./block-index-writer.ts";
import { readBytes, readString } from "./byte-strings.ts";
import { corruptFile } from "./errors.ts";
import { INDEX_FILE, META_FILE } from "./file-names.ts";
import type { PostingSource } from "./label-select.ts";
import type { PageCache } from "./page-cache.ts";

/** What is charged for a decoded string besides its characters. */
const STRING_BYTES = 24;

interface Root {
  readonly strings: readonly (PageRef & { readonly first: number; readonly text: string })[];
  readonly series: readonly PageRef[];
  readonly postings: readonly (PageRef & { readonly name: number; readonly value: number })[];
}

/** One series of a block: its labels, and what the signal keeps with it. */
export interface BlockSeries {
  readonly labels: Labels;
  readonly payload: Uint8Array;
}

export interface BlockContext {
  readonly fileSystem: FileSystem;
  readonly cache: PageCache;
}

/** Opens `directory`, checks its meta file and that every file it names has the right size. */
export async function openBlock(context: BlockContext, directory: string): Promise<Block> {
  const metaPath = join(directory, META_FILE);
  const meta = decodeMeta(await context.fileSystem.readFile(metaPath), metaPath);
  for (const [name, { bytes }] of Object.entries(meta.files)) {
    const path = join(directory, name);
    const found = await context.fileSystem.sizeOf(path);
    if (found !== bytes)
      throw corruptFile(
        path,
        Math.min(found, bytes),
        `it has ${found} bytes and must have ${bytes}`,
      );
  }
  return new Block(context, directory, meta);
}

export class Block implements PostingSource {
  readonly meta: BlockMeta;
  readonly directory: string;
  /** Size of all files. */
  readonly bytes: number;
  readonly #context: BlockContext;
  readonly #handles = new Map<string, Promise<FileHandle>>();
  #root: Promise<Root> | undefined;
  #readers = 0;
  #onIdle: (() => Promise<void>) | undefined;

  constructor(context: BlockContext, directory: string, meta: BlockMeta) {
    this.#context = context;
    this.directory = directory;
    this.meta = meta;
    this.bytes = Object.values(meta.files).reduce((sum, file) => sum + file.bytes, 0);
  }

  get seriesCount(): number {
    return this.meta.series;
  }

  acquire(): void {
    this.#readers++;
  }

  async release(): Promise<void> {
    this.#readers--;
    if (this.#readers === 0) await this.#onIdle?.();
  }

  /** Closes the files and then runs `then`, as soon as nobody reads; resolves at once when somebody does. */
  async retire(then: () => Promise<void>): Promise<void> {
    this.#onIdle = async () => {
      this.#onIdle = undefined;
      await this.close();
      await then();
    };
    if (this.#readers === 0) await this.#onIdle();
  }

  async close(): Promise<void> {
    const handles = [...this.#handles.values()];
    this.#handles.clear();
    this.#root = undefined;
    for (const handle of handles) await (await handle).close();
  }

  /** Bytes of a file of the block. */
  async read(name: string, place: PageRef): Promise<Uint8Array> {
    const handle = await this.#open(name);
    const bytes = new Uint8Array(place.length);
    const got = await handle.read(bytes, place.offset);
    if (got !== place.length)
      throw corruptFile(join(this.directory, name), place.offset + got, "the file ends too early");
    return bytes;
  }

  /** The body of one framed page of a file of the block. */
  async readPage(name: string, place: PageRef): Promise<Uint8Array> {
    return openPage(await this.read(name, place), join(this.directory, name), place.offset);
  }

  async postingsOf(name: string, value: string): Promise<Uint32Array> {
    const nameRank = await this.#rankOf(name);
    const valueRank = await this.#rankOf(value);
    if (nameRank < 0 || valueRank < 0) return new Uint32Array(0);
    const { postings } = await this.#loadRoot();
    const page = postings.findLast(
      (entry) => entry.name < nameRank || (entry.name === nameRank && entry.value <= valueRank),
    );
    if (page === undefined) return new Uint32Array(0);
    let found: Uint32Array = new Uint32Array(0);
    await this.#walkPostings(page, (n, v, reader, count) => {
      const isWanted = n === nameRank && v === valueRank;
      const list = isWanted ? new Uint32Array(count) : undefined;
      let series = 0;
      for (let i = 0; i < count; i++) {
        series += reader.readVarint();
        if (list !== undefined) list[i] = series;
      }
      if (list !== undefined) found = list;
      return !isWanted;
    });
    return found;
  }

  async valuesOf(name: string): Promise<readonly string[]> {
    const rank = await this.#rankOf(name);
    if (rank < 0) return [];
    const { postings } = await this.#loadRoot();
    const values: string[] = [];
    for (const [index, page] of postings.entries()) {
      const next = postings[index + 1];
      if (page.name > rank || (next !== undefined && next.name < rank)) continue;
      const ranks: number[] = [];
      await this.#walkPostings(page, (n, v, reader, count) => {
        for (let i = 0; i < count; i++) reader.readVarint();
        if (n === rank) ranks.push(v);
        return n <= rank;
      });
      values.push(...(await this.#stringsOf(ranks)));
    }
    return values;
  }

  /** The series numbered `numbers` (ascending), in that order. */
  async *seriesOf(numbers: Uint32Array): AsyncGenerator<readonly BlockSeries[]> {
    const { series: pages } = await this.#loadRoot();
    for (let at = 0; at < numbers.length;) {
      const page = Math.floor(numbers[at]! / SERIES_PER_PAGE);
      const from = at;
      while (at < numbers.length && Math.floor(numbers[at]! / SERIES_PER_PAGE) === page) at++;
      yield await this.#readSeries(
        pages[page]!,
        page * SERIES_PER_PAGE,
        numbers.subarray(from, at),
      );
    }
  }

  async #readSeries(place: PageRef, first: number, wanted: Uint32Array): Promise<BlockSeries[]> {
    const reader = new ByteReader(await this.#indexPage(place));
    const found: BlockSeries[] = [];
    for (let number = first; found.length < wanted.length; number++) {
      const ranks: number[] = [];
      for (let left = 2 * reader.readVarint(); left > 0; left--) ranks.push(reader.readVarint());
      const payload = readBytes(reader, reader.readVarint());
      if (number !== wanted[found.length]) continue;
      found.push({ labels: Labels.raw(await this.#stringsOf(ranks)), payload });
    }
    return found;
  }

  async #walkPostings(
    place: PageRef,
    visit: (name: number, value: number, reader: ByteReader, count: number) => boolean,
  ): Promise<void> {
    const reader = new ByteReader(await this.#indexPage(place));
    while (reader.position < reader.end) {
      if (!visit(reader.readVarint(), reader.readVarint(), reader, reader.readVarint())) return;
    }
  }

  async #rankOf(text: string): Promise<number> {
    const { strings } = await this.#loadRoot();
    const page = strings.findLast((entry) => entry.text <= text);
    if (page === undefined) return -1;
    const at = (await this.#stringPage(page)).indexOf(text);
    return at < 0 ? -1 : page.first + at;
  }

  /** The strings of `ranks`, in that order. */
  async #stringsOf(ranks: readonly number[]): Promise<string[]> {
    const { strings } = await this.#loadRoot();
    const texts: string[] = [];
    let page: Root["strings"][number] | undefined;
    let held: readonly string[] = [];
    for (const rank of ranks) {
      if (page === undefined || rank < page.first || rank >= page.first + held.length) {
        page = strings.findLast((entry) => entry.first <= rank);
        if (page === undefined)
          throw corruptFile(join(this.directory, INDEX_FILE), 0, `there is no string ${rank}`);
        held = await this.#stringPage(page);
      }
      const text = held[rank - page.first];
      if (text === undefined)
        throw corruptFile(
          join(this.directory, INDEX_FILE),
          page.offset,
          `there is no string ${rank}`,
        );
      texts.push(text);
    }
    return texts;
  }

  #stringPage(place: PageRef): Promise<readonly string[]> {
    return this.#context.cache.get(`${this.meta.block}:strings:${place.offset}`, async () => {
      const reader = new ByteReader(await decompressBytes(await this.readPage(INDEX_FILE, place)));
      const value: string[] = [];
      while (reader.position < reader.end) value.push(readString(reader));
      return { value, bytes: 2 * reader.end + STRING_BYTES * value.length };
    });
  }

  #loadRoot(): Promise<Root> {
    this.#root ??= this.#readRoot().catch((error: unknown) => {
      this.#root = undefined;
      throw error;
    });
    return this.#root;
  }

  async #readRoot(): Promise<Root> {
    const path = join(this.directory, INDEX_FILE);
    const size = this.meta.files[INDEX_FILE]?.bytes ?? 0;
    if (size < FILE_HEADER_BYTES + ROOT_TRAILER_BYTES)
      throw corruptFile(path, 0, "the index is too short");
    checkFileHeader(await this.read(INDEX_FILE, { offset: 0, length: FILE_HEADER_BYTES }), path);
    const trailer = new ByteReader(
      await this.read(INDEX_FILE, {
        offset: size - ROOT_TRAILER_BYTES,
        length: ROOT_TRAILER_BYTES,
      }),
    );
    const offset = trailer.readUint32() + trailer.readUint32() * 2 ** 32;
    const length = trailer.readUint32();
    if (offset + length + ROOT_TRAILER_BYTES !== size)
      throw corruptFile(path, size - ROOT_TRAILER_BYTES, "the trailer is wrong");
    const reader = new ByteReader(await this.#indexPage({ offset, length }));
    reader.readVarint();
    const seriesCount = reader.readVarint();
    return {
      strings: readList(reader, reader.readVarint(), () => ({
        ...readPlace(reader),
        first: reader.readVarint(),
        text: readString(reader),
      })),
      series: readList(reader, Math.ceil(seriesCount / SERIES_PER_PAGE), () => readPlace(reader)),
      postings: readList(reader, reader.readVarint(), () => ({
        ...readPlace(reader),
        name: reader.readVarint(),
        value: reader.readVarint(),
      })),
    };
  }

  #indexPage(place: PageRef): Promise<Uint8Array> {
    return this.#context.cache.get(`${this.meta.block}:page:${place.offset}`, async () => {
      const value = await decompressBytes(await this.readPage(INDEX_FILE, place));
      return { value, bytes: value.length };
    });
  }

  #open(name: string): Promise<FileHandle> {
    let handle = this.#handles.get(name);
    if (handle === undefined) {
      handle = this.#context.fileSystem.open(join(this.directory, name), "read");
      this.#handles.set(name, handle);
      handle.catch(() => this.#handles.delete(name));
    }
    return handle;
  }
}

function readPlace(reader: ByteReader): PageRef {
  return { offset: reader.readVarint(), length: reader.readVarint() };
}

function readList<T>(reader: ByteReader, count: number, read: () => T): T[] {
  if (count > reader.end) throw new RangeError(`a list of ${count} entries in ${reader.end} bytes`);
  return Array.from({ length: count }, read);
}
