/**
 * A block on disk, opened lazily: of its files only what is touched is read, by range; roots and index pages go through a shared bounded cache.
 * Readers hold it with `acquire`/`release`; a removed block's files go when the last reader is done.
 */
import { join } from "node:path";
import { CodecError } from "@finch/codec";
import type { FinchError, FileHandle, FileSystem } from "@finch/runtime";
import {
  checkFileHeader,
  decodeMeta,
  decodeTrailer,
  decompressBytes,
  FILE_HEADER_BYTES,
  openPage,
  TRAILER_BYTES,
} from "./block-format.ts";
import type { BlockMeta, PageRef } from "./block-format.ts";
import { BlockIndex } from "./block-index.ts";
import { corruptFile } from "./errors.ts";
import { INDEX_FILE, META_FILE } from "./file-names.ts";
import type { PageCache } from "./page-cache.ts";

/** What readers of a block's parts need of it. */
export interface BlockFiles {
  readonly meta: BlockMeta;
  /** What was kept under `key`, unique in the block, or what `load` makes; nonsense in `file` that load stumbles over is damage. */
  cached<T>(
    file: string,
    key: string,
    load: () => Promise<{ readonly value: T; readonly bytes: number }>,
  ): Promise<T>;
  /** Bytes of a file. */
  read(file: string, place: PageRef): Promise<Uint8Array>;
  /** The body of one framed page. */
  readPage(file: string, place: PageRef): Promise<Uint8Array>;
  /** The body of one framed, possibly compressed page. */
  unzipPage(file: string, place: PageRef): Promise<Uint8Array>;
  /** The body of the page that the file's trailer points at. */
  readRoot(file: string): Promise<Uint8Array>;
  /** What to throw for an error of decoding bytes whose checksum is right. */
  nonsense(error: unknown, file: string, offset: number): unknown;
  /** The fault to throw when bytes of a file make no sense. */
  damage(file: string, offset: number, what: string): FinchError;
}

export interface BlockContext {
  readonly fileSystem: FileSystem;
  readonly cache: PageCache;
  /** Blocks that nobody reads and whose files are open, the longest unused first. */
  readonly idle: Set<Block>;
  /** As many of them at most. */
  readonly idleMax: number;
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

/** An index of so many bytes is read in one go. */
const INDEX_BYTES_WHOLE = 64 * 1024;
/** The end of a file is read with its trailer: most roots are in it. */
const ROOT_GUESS_BYTES = 4096;

export class Block implements BlockFiles {
  readonly index: BlockIndex;
  readonly meta: BlockMeta;
  readonly directory: string;
  /** Size of all files. */
  readonly bytes: number;
  readonly #context: BlockContext;
  readonly #handles = new Map<string, Promise<FileHandle>>();
  #readers = 0;
  #loans = 0;
  #onIdle: (() => Promise<void>) | undefined;

  constructor(context: BlockContext, directory: string, meta: BlockMeta) {
    this.#context = context;
    this.directory = directory;
    this.meta = meta;
    this.index = new BlockIndex(this, meta.series);
    this.bytes = Object.values(meta.files).reduce((sum, file) => sum + file.bytes, 0);
  }

  acquire(): void {
    this.#readers++;
    this.#context.idle.delete(this);
  }

  /** Whether another thread may open its files at any time: it keeps its name. */
  get isLent(): boolean {
    return this.#loans > 0;
  }

  /** Acquires it for another thread. */
  lend(): void {
    this.#loans++;
    this.acquire();
  }

  async takeBack(): Promise<void> {
    this.#loans--;
    await this.release();
  }

  async release(): Promise<void> {
    this.#readers--;
    if (this.#readers > 0) return;
    await this.#onIdle?.();
    const { idle, idleMax } = this.#context;
    if (this.#handles.size > 0) idle.add(this);
    for (const oldest of idle) {
      if (idle.size <= idleMax) break;
      idle.delete(oldest);
      await oldest.close();
    }
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

  /** Opens every file while somebody reads, so that the directory can be renamed. */
  async openAll(): Promise<void> {
    if (this.#readers === 0) return;
    for (const name of Object.keys(this.meta.files)) await this.#open(name).catch(() => {});
  }

  async close(): Promise<void> {
    const handles = [...this.#handles.values()];
    this.#handles.clear();
    for (const handle of handles) await (await handle).close();
  }

  /** Bytes of a file of the block. A small index is read as a whole: of one that is asked, most is touched. */
  async read(name: string, place: PageRef): Promise<Uint8Array> {
    const { offset, length } = place;
    const size = this.meta.files[name]?.bytes ?? 0;
    if (name !== INDEX_FILE || size > INDEX_BYTES_WHOLE || offset + length > size)
      return this.#read(name, place);
    const whole = await this.cached(name, "index whole", async () => {
      const value = await this.#read(name, { offset: 0, length: size });
      return { value, bytes: size };
    });
    return whole.subarray(offset, offset + length);
  }

  async #read(name: string, place: PageRef): Promise<Uint8Array> {
    const handle = await this.#open(name);
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(place.length).buffer);
    const got = await handle.read(bytes, place.offset);
    if (got !== place.length)
      throw corruptFile(join(this.directory, name), place.offset + got, "the file ends too early");
    return bytes;
  }

  /** The body of one framed page of a file of the block. */
  async readPage(name: string, place: PageRef): Promise<Uint8Array> {
    return openPage(await this.read(name, place), join(this.directory, name), place.offset);
  }

  async unzipPage(name: string, place: PageRef): Promise<Uint8Array> {
    return decompressBytes(await this.readPage(name, place));
  }

  async readRoot(name: string): Promise<Uint8Array> {
    const path = join(this.directory, name);
    const { bytes: size, root } = this.meta.files[name] ?? { bytes: 0, root: undefined };
    if (root !== undefined) return Buffer.from(root, "base64");
    if (size < FILE_HEADER_BYTES + TRAILER_BYTES)
      throw corruptFile(path, size, "the file is too short");
    checkFileHeader(await this.read(name, { offset: 0, length: FILE_HEADER_BYTES }), path);
    const start = Math.max(FILE_HEADER_BYTES, size - ROOT_GUESS_BYTES);
    const tail = await this.read(name, { offset: start, length: size - start });
    const place = decodeTrailer(tail.subarray(tail.length - TRAILER_BYTES), path, size);
    if (place.offset < start) return this.unzipPage(name, place);
    const from = place.offset - start;
    return decompressBytes(openPage(tail.subarray(from, from + place.length), path, place.offset));
  }

  cached<T>(
    file: string,
    key: string,
    load: () => Promise<{ readonly value: T; readonly bytes: number }>,
  ): Promise<T> {
    return this.#context.cache.get(`${this.meta.block}:${key}`, async () => {
      try {
        return await load();
      } catch (error) {
        throw this.nonsense(error, file, 0);
      }
    });
  }

  /** What to throw for an error of decoding: bytes whose checksum is right and that make no sense are damage, all else is what it is. */
  nonsense(error: unknown, file: string, offset: number): unknown {
    if (!(error instanceof CodecError || error instanceof RangeError)) return error;
    return this.damage(file, offset, error.message);
  }

  damage(file: string, offset: number, what: string): FinchError {
    return corruptFile(join(this.directory, file), offset, what);
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
