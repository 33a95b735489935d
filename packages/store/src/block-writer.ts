/** Writes a block so that it is either wholly there or not at all: temporary directory → fsync files and directory → rename → fsync parent. */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { FileHandle, FileSystem } from "@finch/runtime";
import {
  BLOCK_VERSION,
  compressBytes,
  encodeFileHeader,
  encodeMeta,
  encodeTrailer,
  framePage,
} from "./block-format.ts";
import type { BlockMeta, FileMeta, PageRef } from "./block-format.ts";
import { blockName, META_FILE, SCRATCH_FILE, TEMPORARY_SUFFIX } from "./file-names.ts";

const BUFFER_BYTES = 256 * 1024;
/** Of a root that is also in the meta file, which is in memory as long as the block is there. */
const META_ROOT_BYTES_MAX = 256;

/** A file being written from front to back, through a buffer. */
export class BlockFile {
  #length = 0;
  #crc = 0;
  readonly #handle: FileHandle;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #buffered = 0;
  #root: string | undefined;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Appends bytes (copied before this resolves) and returns where they stand. */
  async append(bytes: Uint8Array): Promise<PageRef> {
    const offset = this.#length;
    if (!this.#hold(bytes)) await this.#writePast(bytes);
    return { offset, length: bytes.length };
  }

  /** Appends parts, one behind the other; copied before this resolves. */
  async appendAll(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) if (!this.#hold(part)) await this.#writePast(part);
  }

  /** Appends `body` as a framed page, compressed where that pays. */
  async appendZipped(body: Uint8Array): Promise<PageRef> {
    return this.append(framePage(await compressBytes(body)));
  }

  /** Appends the page that says where all others are, and the trailer that says where it is; a short one goes to the meta file, too. */
  async appendRoot(body: Uint8Array): Promise<void> {
    if (body.length <= META_ROOT_BYTES_MAX) this.#root = Buffer.from(body).toString("base64");
    await this.append(encodeTrailer(await this.appendZipped(body)));
  }

  async finish(): Promise<FileMeta> {
    await this.#flush();
    await this.#handle.sync();
    const root = this.#root;
    return { bytes: this.#length, crc32: this.#crc, ...(root !== undefined && { root }) };
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** Takes bytes into the buffer if there is room. */
  #hold(bytes: Uint8Array): boolean {
    if (this.#buffered + bytes.length > BUFFER_BYTES) return false;
    this.#buffer.set(bytes, this.#buffered);
    this.#buffered += bytes.length;
    this.#length += bytes.length;
    return true;
  }

  /** Writes what is in the buffer; then there is room for the bytes, or they are written too. */
  async #writePast(bytes: Uint8Array): Promise<void> {
    await this.#flush();
    if (this.#hold(bytes)) return;
    this.#crc = crc32(bytes, this.#crc);
    await this.#handle.write(bytes, this.#length);
    this.#length += bytes.length;
  }

  async #flush(): Promise<void> {
    if (this.#buffered === 0) return;
    const bytes = this.#buffer.subarray(0, this.#buffered);
    this.#crc = crc32(bytes, this.#crc);
    await this.#handle.write(bytes, this.#length - this.#buffered);
    this.#buffered = 0;
  }
}

export interface BlockTarget {
  readonly fileSystem: FileSystem;
  /** The `blocks` directory. */
  readonly directory: string;
  readonly block: number;
  /** Takes a block from the disk again whose name could not be made durable. */
  abandon(directory: string): Promise<void>;
}

export type BlockContent = Omit<BlockMeta, "version" | "block" | "files">;

/** Where the files of a block go. */
export interface BlockOutput {
  /** Begins a file of the block. */
  readonly createFile: (name: string) => Promise<BlockFile>;
  /** Makes a file that is gone when the block is whole; one at most. */
  readonly openScratch: () => Promise<FileHandle>;
}

/** Makes a block: `fill` writes its files and returns what the meta file says. After a failure nothing visible is left, and the block can be written again. */
export async function writeBlock(
  target: BlockTarget,
  fill: (output: BlockOutput) => Promise<BlockContent>,
): Promise<BlockMeta> {
  const { fileSystem, directory, block } = target;
  const final = join(directory, blockName(block));
  const temporary = final + TEMPORARY_SUFFIX;
  const files = new Map<string, BlockFile>();
  const scratchPath = join(temporary, SCRATCH_FILE);
  let scratch: FileHandle | undefined;
  let isRenamed = false;
  try {
    await fileSystem.remove(temporary);
    await fileSystem.makeDirectory(temporary);
    const content = await fill({
      createFile: async (name) => {
        const file = new BlockFile(await fileSystem.open(join(temporary, name), "create"));
        files.set(name, file);
        await file.append(encodeFileHeader());
        return file;
      },
      openScratch: async () => (scratch = await fileSystem.open(scratchPath, "create")),
    });
    if (scratch !== undefined) await fileSystem.remove(scratchPath);
    const finished: Record<string, FileMeta> = {};
    for (const [name, file] of files) finished[name] = await file.finish();
    const meta: BlockMeta = { version: BLOCK_VERSION, block, ...content, files: finished };
    await writeSynced(fileSystem, join(temporary, META_FILE), encodeMeta(meta));
    await fileSystem.syncDirectory(temporary);
    await fileSystem.rename(temporary, final);
    isRenamed = true;
    await fileSystem.syncDirectory(directory);
    return meta;
  } catch (error) {
    // Best effort: what stays carries the temporary suffix and is removed at the next try or open.
    await fileSystem.remove(temporary).catch(() => {});
    // Written once more under another number, it would be there twice after the next start.
    if (isRenamed) await target.abandon(final);
    throw error;
  } finally {
    for (const file of files.values()) await file.close();
    await scratch?.close();
  }
}

async function writeSynced(fileSystem: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const handle = await fileSystem.open(path, "create");
  try {
    await handle.write(bytes, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
