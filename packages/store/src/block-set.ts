/**
 * The blocks of one store. The directory listing is the manifest: a block carries its final name only once it is whole and durable, and
 * loses it before its files go; whatever has another name is left over and removed at open. A block that is damaged gets a name of its own
 * and is left out; nobody but a person removes it.
 */
import { join } from "node:path";
import { describeError, FinchError } from "@finch/runtime";
import type { FileSystem, Logger } from "@finch/runtime";
import type { Retention } from "./api.ts";
import { Block, openBlock } from "./block.ts";
import type { BlockContext } from "./block.ts";
import type { BlockMeta } from "./block-format.ts";
import type { BlockTarget } from "./block-writer.ts";
import {
  blockName,
  blockOf,
  DAMAGED_SUFFIX,
  REMOVED_SUFFIX,
  TEMPORARY_SUFFIX,
} from "./file-names.ts";
import { IDLE_BLOCKS_MAX, INDEX_CACHE_BYTES, OPEN_BLOCKS_AT_ONCE } from "./limits.ts";
import { PageCache } from "./page-cache.ts";

/** A block that is not read because of damage. */
export interface QuarantinedBlock {
  readonly directory: string;
  readonly reason: string;
}

export class BlockSet {
  readonly directory: string;
  /** Found and removed at open. */
  readonly removedPaths: string[] = [];
  readonly quarantined: QuarantinedBlock[] = [];
  readonly #context: BlockContext;
  readonly #log: Logger;
  /** In the order of their data: each has what was sealed after the one before. */
  #blocks: readonly Block[] = [];
  /** Out of sight, not yet off the disk, and the suffix of the name they get. */
  readonly #leaving = new Map<Block, string>();
  /** Directories of blocks that were written, but whose names could not be made durable. */
  readonly #abandoned = new Set<string>();
  /** Off their names; nothing is to be done for them any more. */
  readonly #gone = new WeakSet<Block>();
  #nextBlock = 1;
  #settling: Promise<void> = Promise.resolve();

  private constructor(fileSystem: FileSystem, log: Logger, directory: string) {
    this.#context = {
      fileSystem,
      cache: new PageCache(INDEX_CACHE_BYTES),
      idle: new Set(),
      idleMax: IDLE_BLOCKS_MAX,
    };
    this.#log = log;
    this.directory = directory;
  }

  static async open(fileSystem: FileSystem, log: Logger, directory: string): Promise<BlockSet> {
    await fileSystem.makeDirectory(directory);
    const set = new BlockSet(fileSystem, log, directory);
    const numbers: number[] = [];
    for (const name of await fileSystem.list(directory)) {
      const path = join(directory, name);
      const number = blockOf(name);
      if (number !== undefined) numbers.push(number);
      if (name.endsWith(DAMAGED_SUFFIX)) {
        set.quarantined.push({ directory: path, reason: "found damaged by an earlier run" });
        set.avoid(blockOf(name.slice(0, -DAMAGED_SUFFIX.length)) ?? 0);
      }
      if (!name.endsWith(TEMPORARY_SUFFIX) && !name.endsWith(REMOVED_SUFFIX)) continue;
      await fileSystem.remove(path);
      set.removedPaths.push(path);
      log.info("removed what an interrupted seal, compaction or removal left", { path });
    }
    await set.#openBlocks(numbers);
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

  /** The newest seal that is in a block. */
  get lastSeal(): number {
    return this.#blocks.reduce((last, { meta }) => Math.max(last, meta.lastSeal), 0);
  }

  /** The newest delete that a block names. */
  get lastDelete(): number {
    return this.#blocks.reduce((last, { meta }) => Math.max(last, meta.deletes), 0);
  }

  /** Blocks that left and still stand under their names on disk, because it refuses. */
  get hasLeavers(): boolean {
    return this.#leaving.size + this.#abandoned.size > 0;
  }

  /** Where the next block is written. */
  takeTarget(): BlockTarget {
    const { fileSystem } = this.#context;
    const abandon = async (directory: string) => {
      this.#abandoned.add(directory);
      await this.settle();
    };
    return { fileSystem, directory: this.directory, block: this.#nextBlock++, abandon };
  }

  /** Numbers up to this are not given. */
  avoid(number: number): void {
    this.#nextBlock = Math.max(this.#nextBlock, number + 1);
  }

  /** Adds a block that was just written. */
  add(meta: BlockMeta): void {
    this.#blocks = [...this.#blocks, this.#blockOf(meta)];
  }

  /** Puts a block that was just written in the place of those it was made of. */
  async replace(sources: readonly Block[], meta: BlockMeta): Promise<void> {
    const left = this.#blocks.filter((block) => !sources.includes(block));
    this.#blocks = [...left, this.#blockOf(meta)].sort(
      (a, b) => a.meta.firstSeal - b.meta.firstSeal || a.meta.block - b.meta.block,
    );
    // One that expired meanwhile leaves already.
    for (const block of sources)
      if (!this.#gone.has(block)) this.#leaving.set(block, REMOVED_SUFFIX);
    await this.settle();
  }

  /** Removes blocks that are too old, and the oldest ones while the store takes more of the disk than it may. */
  async expire(
    retention: Retention,
    now: { readonly nowMs: number; readonly otherBytes: number },
  ): Promise<void> {
    const { totalBytes } = await this.#context.fileSystem.space(this.directory);
    const bytesMax = Math.min(totalBytes * retention.maxDiskShare, retention.maxBytes ?? Infinity);
    let bytes = this.bytes + now.otherBytes;
    const oldestFirst = this.#blocks.toSorted(
      (a, b) => a.meta.maxMs - b.meta.maxMs || a.meta.block - b.meta.block,
    );
    for (const block of oldestFirst) {
      const isOld = block.meta.maxMs < now.nowMs - retention.maxAgeMs;
      if (!isOld && bytes <= bytesMax) break;
      bytes -= block.bytes;
      this.#hide(block, REMOVED_SUFFIX);
      const reason = isOld ? "age" : "size";
      this.#log.info("a block expires", { block: block.directory, reason, bytes: block.bytes });
    }
    await this.settle();
  }

  /** If `error` says that a file of a block is damaged, leaves the block out from here on and sets it aside. */
  async setAside(error: unknown): Promise<void> {
    if (!(error instanceof FinchError) || error.kind !== "corrupt") return;
    const path = String(error.fields?.["path"] ?? "");
    const block = this.#blocks.find(({ directory }) => path.startsWith(`${directory}/`));
    if (block === undefined) return;
    this.#noteDamage(block.directory, error);
    this.#hide(block, DAMAGED_SUFFIX);
    await this.settle();
  }

  /** Takes the names of blocks that left; their files go when the last reader is done. A disk that refuses is tried again. */
  settle(): Promise<void> {
    this.#settling = this.#settling.then(() => this.#settleOnce());
    return this.#settling;
  }

  async #settleOnce(): Promise<void> {
    for (const directory of this.#abandoned) {
      try {
        await this.#rename(directory, directory + REMOVED_SUFFIX);
        this.#abandoned.delete(directory);
        await this.#removeRenamed(directory + REMOVED_SUFFIX);
      } catch (error) {
        this.#log.warn("cannot take back a block yet", { directory, cause: describeError(error) });
      }
    }
    const refused: Block[] = [];
    for (const [block, suffix] of this.#leaving) {
      // Tried again when it is returned.
      if (block.isLent) {
        refused.push(block);
        continue;
      }
      // Not before one it was made of: that would be found at the next start, and it would not.
      if (refused.some(({ meta }) => block.meta.sources.includes(meta.block))) continue;
      try {
        await this.#takeName(block, suffix);
      } catch (error) {
        refused.push(block);
        this.#log.warn("cannot take the name of a block yet", {
          block: block.directory,
          cause: describeError(error),
        });
      }
    }
  }

  async close(): Promise<void> {
    for (const block of [...this.#blocks, ...this.#leaving.keys()]) await block.close();
  }

  #hide(block: Block, suffix: string): void {
    this.#blocks = this.#blocks.filter((other) => other !== block);
    this.#leaving.set(block, suffix);
  }

  async #takeName(block: Block, suffix: string): Promise<void> {
    const renamed = block.directory + suffix;
    // Readers go on over open files.
    await block.openAll();
    await this.#rename(block.directory, renamed);
    this.#leaving.delete(block);
    this.#gone.add(block);
    await block.retire(async () => {
      if (suffix === REMOVED_SUFFIX) await this.#removeRenamed(renamed);
    });
  }

  /** Durable when it resolves: a crash must not bring a name back over a directory that lacks files. */
  async #rename(from: string, to: string): Promise<void> {
    const { fileSystem } = this.#context;
    // An earlier attempt may have got that far.
    if ((await fileSystem.list(from)).length > 0) await fileSystem.rename(from, to);
    await fileSystem.syncDirectory(this.directory);
  }

  /** What stays carries the suffix and is removed at the next open. */
  async #removeRenamed(path: string): Promise<void> {
    try {
      await this.#context.fileSystem.remove(path);
    } catch (error) {
      this.#log.warn("cannot remove a block yet", { path, cause: describeError(error) });
    }
  }

  async #openBlocks(numbers: readonly number[]): Promise<void> {
    const opened: Block[] = [];
    const waiting = [...numbers];
    const openNext = async () => {
      for (let number = waiting.shift(); number !== undefined; number = waiting.shift()) {
        this.avoid(number);
        const block = await this.#openBlock(number);
        if (block !== undefined) opened.push(block);
      }
    };
    await Promise.all(Array.from({ length: OPEN_BLOCKS_AT_ONCE }, openNext));
    opened.sort((a, b) => a.meta.firstSeal - b.meta.firstSeal || a.meta.block - b.meta.block);
    const kept: Block[] = [];
    for (const block of opened) {
      const made = opened.find((other) => isMadeOf(other.meta, block.meta));
      if (made === undefined) kept.push(block);
      else this.#leaving.set(block, REMOVED_SUFFIX);
    }
    this.#blocks = kept;
    for (const { directory } of this.#leaving.keys()) {
      this.removedPaths.push(directory);
      this.#log.info("removed a block that was merged into another", { path: directory });
    }
    await this.settle();
  }

  /** Undefined for one that is damaged: it is set aside. Files of another format, or a process out of handles, stop the start. */
  async #openBlock(number: number): Promise<Block | undefined> {
    const directory = join(this.directory, blockName(number));
    try {
      return await openBlock(this.#context, directory);
    } catch (error) {
      const code = (error as { code?: string }).code ?? "";
      const isDamage =
        (error instanceof FinchError && error.kind === "corrupt") || code === "ENOENT";
      if (!isDamage && !["EIO", "EACCES", "EPERM"].includes(code)) throw error;
      this.#noteDamage(directory, error);
      // What could not be read may be well again at the next start.
      if (!isDamage) return undefined;
      try {
        await this.#rename(directory, directory + DAMAGED_SUFFIX);
      } catch (cause) {
        this.#log.warn("cannot rename a damaged block", { directory, cause: describeError(cause) });
      }
      return undefined;
    }
  }

  #noteDamage(directory: string, error: unknown): void {
    const reason = describeError(error);
    this.quarantined.push({ directory: directory + DAMAGED_SUFFIX, reason });
    this.#log.error("a damaged block is set aside; queries go on without it", {
      block: directory + DAMAGED_SUFFIX,
      cause: reason,
    });
  }

  #blockOf(meta: BlockMeta): Block {
    return new Block(this.#context, join(this.directory, blockName(meta.block)), meta);
  }
}

/** Whether `made` has all that `source` has: it is a compaction of it whose sources were not removed before a crash. */
function isMadeOf(made: BlockMeta, source: BlockMeta): boolean {
  return made.sources.includes(source.block);
}
