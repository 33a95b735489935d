/**
 * The blocks of one store. The directory listing is the manifest: a block carries its final name only once it is whole and durable, and
 * loses it before its files go; whatever has another name is left over and removed at open.
 */
import { join } from "node:path";
import type { FileSystem, Logger } from "@finch/runtime";
import type { Retention } from "./api.ts";
import { Block, openBlock } from "./block.ts";
import type { BlockMeta } from "./block-format.ts";
import { blockName, blockOf, REMOVED_SUFFIX, TEMPORARY_SUFFIX } from "./file-names.ts";
import { INDEX_CACHE_BYTES } from "./limits.ts";
import { PageCache } from "./page-cache.ts";

export class BlockSet {
  readonly directory: string;
  /** Found and removed at open. */
  readonly removedPaths: readonly string[];
  readonly #fileSystem: FileSystem;
  readonly #log: Logger;
  readonly #cache = new PageCache(INDEX_CACHE_BYTES);
  /** In the order they were sealed. */
  #blocks: readonly Block[] = [];
  /** Out of sight, not yet off the disk. */
  readonly #leaving = new Set<Block>();
  #nextBlock = 1;

  private constructor(
    fileSystem: FileSystem,
    log: Logger,
    directory: string,
    removedPaths: readonly string[],
  ) {
    this.#fileSystem = fileSystem;
    this.#log = log;
    this.directory = directory;
    this.removedPaths = removedPaths;
  }

  static async open(fileSystem: FileSystem, log: Logger, directory: string): Promise<BlockSet> {
    await fileSystem.makeDirectory(directory);
    const removedPaths: string[] = [];
    const numbers: number[] = [];
    for (const name of await fileSystem.list(directory)) {
      const number = blockOf(name);
      if (number !== undefined) numbers.push(number);
      if (!name.endsWith(TEMPORARY_SUFFIX) && !name.endsWith(REMOVED_SUFFIX)) continue;
      const path = join(directory, name);
      await fileSystem.remove(path);
      removedPaths.push(path);
      log.info("removed what an interrupted seal or removal left", { path });
    }
    const set = new BlockSet(fileSystem, log, directory, removedPaths);
    const blocks: Block[] = [];
    for (const number of numbers.sort((a, b) => a - b)) blocks.push(await set.#openBlock(number));
    set.#blocks = blocks;
    set.#nextBlock = (numbers.at(-1) ?? 0) + 1;
    return set;
  }

  get blocks(): readonly Block[] {
    return this.#blocks;
  }

  get bytes(): number {
    return this.#blocks.reduce((sum, block) => sum + block.bytes, 0);
  }

  /** WAL segments below this are in blocks. */
  get walCutBefore(): number {
    return this.#blocks.reduce((max, { meta }) => Math.max(max, meta.walCutBefore), 1);
  }

  takeNumber(): number {
    return this.#nextBlock++;
  }

  /** Adds a block that was just written. */
  add(meta: BlockMeta): void {
    const directory = join(this.directory, blockName(meta.block));
    this.#blocks = [
      ...this.#blocks,
      new Block({ fileSystem: this.#fileSystem, cache: this.#cache }, directory, meta),
    ];
  }

  /** Removes blocks that are too old, and the oldest ones while the store takes more than its share of the disk. */
  async expire(
    retention: Retention,
    now: { readonly nowMs: number; readonly otherBytes: number },
  ): Promise<void> {
    const { totalBytes } = await this.#fileSystem.space(this.directory);
    const bytesMax = totalBytes * retention.maxDiskShare;
    let bytes = this.bytes + now.otherBytes;
    const oldestFirst = this.#blocks.toSorted(
      (a, b) => a.meta.maxMs - b.meta.maxMs || a.meta.block - b.meta.block,
    );
    for (const block of oldestFirst) {
      const isOld = block.meta.maxMs < now.nowMs - retention.maxAgeMs;
      if (!isOld && bytes <= bytesMax) break;
      bytes -= block.bytes;
      this.#blocks = this.#blocks.filter((other) => other !== block);
      this.#leaving.add(block);
      const reason = isOld ? "age" : "disk share";
      this.#log.info("a block expires", { block: block.directory, reason, bytes: block.bytes });
    }
    for (const block of this.#leaving) await block.retire(() => this.#erase(block));
  }

  async close(): Promise<void> {
    for (const block of [...this.#blocks, ...this.#leaving]) await block.close();
  }

  async #erase(block: Block): Promise<void> {
    const removed = block.directory + REMOVED_SUFFIX;
    try {
      await this.#fileSystem.rename(block.directory, removed);
      // Durable first: a crash must not bring the name back over a directory that lacks files.
      await this.#fileSystem.syncDirectory(this.directory);
      await this.#fileSystem.remove(removed);
      this.#leaving.delete(block);
    } catch (error) {
      this.#log.warn("cannot remove an expired block yet", {
        block: block.directory,
        cause: String(error),
      });
    }
  }

  #openBlock(number: number): Promise<Block> {
    return openBlock(
      { fileSystem: this.#fileSystem, cache: this.#cache },
      join(this.directory, blockName(number)),
    );
  }
}
