/**
 * Merges blocks of a store, in the background and one merge at a time: neighbours of one level into one of the next, blocks with deleted
 * samples into the same without them, and what a retention rule lets go. Works under readers; a crash leaves the sources or the result.
 */
import { describeError, FinchError } from "@finch/runtime";
import type { Clock, FileSystem, Logger } from "@finch/runtime";
import type { Retention, StoreOptions } from "./api.ts";
import type { Block } from "./block.ts";
import type { BlockMeta } from "./block-format.ts";
import type { BlockSet } from "./block-set.ts";
import { writeBlock } from "./block-writer.ts";
import type { BlockOutput } from "./block-writer.ts";
import { longestSpanMs, planCompaction } from "./compaction-plan.ts";
import { concerns } from "./deletes.ts";
import type { Delete, Deletes, RowSelection } from "./deletes.ts";
import { diskFailed } from "./errors.ts";
import { expiredBy, HiddenRows } from "./hidden-rows.ts";
import {
  COMPACTION_FANOUT,
  COMPACTION_RETRY_MS,
  COMPACTION_RETRY_MS_MAX,
  DELETES_KEPT_MAX,
  FREE_SHARE_MAX,
  LINE_DELETE_WAIT_MS,
  RETENTION_RULES_INTERVAL_MS,
} from "./limits.ts";
import type { CompactionResult, CompactionSources } from "./metric-compaction.ts";
import { createPacer } from "./pacer.ts";
import type { Pacer } from "./pacer.ts";

/** Writes the files of a block made of others. */
export type CompactBlocks = (
  sources: CompactionSources,
  output: BlockOutput,
  pacer: Pacer,
) => Promise<CompactionResult>;

/** Whether any row of the block is hidden. */
export type FindHidden = (block: Block, hidden: HiddenRows, pacer: Pacer) => Promise<boolean>;

export interface CompactorParts {
  readonly signalName: string;
  /** Neighbours that are merged at once, at most. */
  readonly mergedMax: number;
  readonly hasHidden: FindHidden | undefined;
  readonly blockSet: BlockSet;
  readonly deletes: Deletes;
  readonly compact: CompactBlocks;
  readonly retention: Retention;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly log: Logger;
  /** As in `StoreLimits`. */
  readonly freeBytesMin: number;
  /** Whether somebody reads from the store: merges then take little of the event loop. */
  readonly isRead: () => boolean;
  /** Ends a merge that is under way. */
  readonly signal: AbortSignal;
}

/** What a signal says of its merges. */
interface SignalOfMerges {
  readonly name: string;
  readonly compact?: CompactBlocks | undefined;
  /** Default: `COMPACTION_FANOUT`. */
  readonly mergedMax?: number | undefined;
  readonly hasHidden?: FindHidden | undefined;
}

/** Undefined where a signal does not merge. */
export function createCompactor(
  { name, compact, mergedMax = COMPACTION_FANOUT, hasHidden }: SignalOfMerges,
  options: StoreOptions,
  parts: Pick<CompactorParts, "blockSet" | "deletes" | "isRead" | "signal">,
): Compactor | undefined {
  if (compact === undefined) return undefined;
  const { fileSystem, clock, log, retention, limits } = options;
  const { freeBytesMin } = limits;
  const work = { signalName: name, compact, mergedMax, hasHidden };
  return new Compactor({ ...parts, ...work, retention, freeBytesMin, fileSystem, clock, log });
}

export class Compactor {
  /** Blocks written in the place of others since the store was opened, and attempts that failed. */
  compactedTotal = 0;
  failedTotal = 0;
  /** Bytes of the blocks that were read for it. */
  bytesReadTotal = 0;
  readonly #parts: CompactorParts;
  #running: Promise<void> = Promise.resolve();
  #isIdle = true;
  #retryMs = -Infinity;
  #failuresInTurn = 0;
  #rulesDueMs = -Infinity;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /** Starts what is due, unless something is under way or failed not long ago; failures are logged. */
  start(): void {
    const { clock, log, signal } = this.#parts;
    if (!this.#isIdle || clock.monotonicMs() < this.#retryMs) return;
    this.#isIdle = false;
    void this.run()
      .then(() => {
        this.#failuresInTurn = 0;
      })
      .catch((error: unknown) => {
        if (signal.aborted) return;
        const waitMs = COMPACTION_RETRY_MS * 2 ** this.#failuresInTurn++;
        const retryMs = Math.min(waitMs, COMPACTION_RETRY_MS_MAX);
        this.#retryMs = clock.monotonicMs() + retryMs;
        const cause = describeError(error);
        log.error("cannot merge blocks; it is tried again", { retryMs, cause });
      })
      .finally(() => {
        this.#isIdle = true;
      });
  }

  /** Merges as long as something is due; on a disk that is nearly full, nothing is. */
  run(): Promise<void> {
    return this.#inTurn(async () => {
      const { blockSet, deletes, clock } = this.#parts;
      if (!(await this.#joinBlocks())) return;
      await this.#forget((entry) => !blockSet.blocks.some(({ meta }) => concerns(entry, meta)));
      const waitedFor = clock.nowMs() - LINE_DELETE_WAIT_MS;
      const isDue = ({ lines }: Delete) => lines !== undefined && lines.createdMs <= waitedFor;
      const { entries } = deletes;
      if (entries.length > DELETES_KEPT_MAX || entries.some(isDue)) await this.#carryOutDeletes();
      if (clock.monotonicMs() < this.#rulesDueMs) return;
      this.#rulesDueMs = clock.monotonicMs() + RETENTION_RULES_INTERVAL_MS;
      await this.#applyRules();
    });
  }

  /** Answers whether there was room for all that is due. */
  async #joinBlocks(): Promise<boolean> {
    const { blockSet, mergedMax, retention, signal } = this.#parts;
    const spanMs = longestSpanMs(retention.maxAgeMs);
    while (!signal.aborted && !blockSet.hasLeavers) {
      const planned = blockSet.blocks.map(({ meta, bytes }) => ({ ...meta, bytes }));
      const plan = planCompaction(planned, spanMs, mergedMax);
      if (plan === undefined) break;
      const blocks = blockSet.blocks.slice(plan.from, plan.to);
      if (!(await this.#hasRoomFor(blocks))) return false;
      await this.#merge(blocks, { isNextLevel: true });
    }
    return true;
  }

  /** Carries out all deletes: blocks with deleted samples are written anew. */
  clean(): Promise<void> {
    return this.#inTurn(() => this.#carryOutDeletes());
  }

  /** Resolves when nothing is under way. */
  async settle(): Promise<void> {
    await this.#running;
  }

  async #carryOutDeletes(): Promise<void> {
    const { blockSet, deletes, signal } = this.#parts;
    const { lastId } = deletes;
    for (const block of blockSet.blocks) {
      signal.throwIfAborted();
      await this.#clear(
        block,
        deletes.entries.filter((entry) => concerns(entry, block.meta)),
      );
    }
    await this.#forget(({ id }) => id <= lastId);
  }

  async #forget(isDone: (entry: Delete) => boolean): Promise<void> {
    // A block that could not lose its name yet is seen again after a crash.
    if (!this.#parts.blockSet.hasLeavers) await this.#parts.deletes.forget(isDone);
  }

  /** Blocks that are wholly older than a rule allows lose the series it names. */
  async #applyRules(): Promise<void> {
    const { blockSet, signal } = this.#parts;
    const { expired } = this.#hidden();
    for (const block of blockSet.blocks) {
      signal.throwIfAborted();
      const { rows, maxMs } = block.meta;
      const due = expired.filter(({ endMs }) => rows > 0 && maxMs <= endMs);
      if (due.length > 0 && (await this.#hasRoomFor([block]))) await this.#clear(block, due);
    }
  }

  /** Writes a block without its hidden rows, if one of the selections finds a series in it. */
  async #clear(block: Block, selections: readonly RowSelection[]): Promise<void> {
    const { blockSet, clock, hasHidden, isRead, signal } = this.#parts;
    const pacer = createPacer(clock, signal, isRead);
    for (const { matchers } of selections) {
      if (!blockSet.blocks.includes(block)) return;
      const hit = await reading(block, blockSet, () => block.index.select(matchers, pacer));
      if (hit.length === 0) continue;
      if (hasHidden !== undefined) {
        const hidden = this.#hidden();
        if (!(await reading(block, blockSet, () => hasHidden(block, hidden, pacer)))) return;
      }
      await this.#merge([block], { isNextLevel: false });
      return;
    }
  }

  #hidden(): HiddenRows {
    const { deletes, retention, clock } = this.#parts;
    return new HiddenRows(deletes.entries, expiredBy(retention.rules ?? [], clock.nowMs()));
  }

  /** Whether the disk keeps what writes need free beside a copy of the blocks. */
  async #hasRoomFor(blocks: readonly Block[]): Promise<boolean> {
    const { fileSystem, blockSet, freeBytesMin } = this.#parts;
    const { totalBytes, freeBytes } = await fileSystem.space(blockSet.directory);
    const bytes = blocks.reduce((sum, block) => sum + block.bytes, 0);
    return freeBytes - bytes >= Math.min(freeBytesMin, totalBytes * FREE_SHARE_MAX);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#running.then(work);
    this.#running = done.catch(() => {});
    return done;
  }

  async #merge(
    blocks: readonly Block[],
    { isNextLevel }: { readonly isNextLevel: boolean },
  ): Promise<void> {
    const { blockSet, deletes, compact, clock, isRead, signal } = this.#parts;
    // One that comes later is carried out the next time.
    const carriedOut = deletes.lastId;
    const hidden = this.#hidden();
    const { directory } = blockSet;
    const areThere = () => blocks.every((block) => blockSet.blocks.includes(block));
    // One that left since it was planned is off its name already.
    if (!areThere()) return;
    for (const block of blocks) block.acquire();
    try {
      const meta = await writeBlock(blockSet.takeTarget(), async (output) => {
        const pacer = createPacer(clock, signal, isRead);
        const result = await compact({ blocks, hidden }, output, pacer);
        signal.throwIfAborted();
        if (!areThere()) throw new SourceGone();
        return {
          signal: this.#parts.signalName,
          ...describeMerged(
            blocks.map(({ meta: source }) => source),
            result,
            isNextLevel,
          ),
          deletes: carriedOut,
        };
      });
      await blockSet.replace(blocks, meta);
      this.#note(blocks, meta);
    } catch (error) {
      // It expired while it was read, which must not bring it back; what is left is planned again.
      if (error instanceof SourceGone) return;
      if (!signal.aborted) this.failedTotal++;
      await blockSet.setAside(error);
      const isNamed = error instanceof FinchError || signal.aborted;
      throw isNamed ? error : diskFailed(directory, error);
    } finally {
      for (const block of blocks) await block.release();
    }
  }

  #note(sources: readonly Block[], meta: BlockMeta): void {
    this.compactedTotal++;
    for (const { bytes } of sources) this.bytesReadTotal += bytes;
    this.#parts.log.info("merged blocks", {
      block: meta.block,
      sources: sources.map((source) => source.meta.block).join(),
      series: meta.series,
      rows: meta.rows,
    });
  }
}

/** A block that was being merged has left meanwhile. */
class SourceGone extends Error {
  override readonly name = "SourceGone";
}

function describeMerged(
  sources: readonly BlockMeta[],
  { series, rows, minMs, maxMs }: CompactionResult,
  isNextLevel: boolean,
): Omit<BlockMeta, "version" | "block" | "files" | "signal" | "deletes"> {
  const isEmpty = rows === 0;
  const level = Math.max(...sources.map((source) => source.level));
  return {
    // A block without rows stays until its time is over: it knows where the log is cut.
    minMs: isEmpty ? Math.min(...sources.map((source) => source.minMs)) : minMs,
    maxMs: isEmpty ? Math.max(...sources.map((source) => source.maxMs)) : maxMs,
    series,
    rows,
    walCutBefore: Math.max(...sources.map((source) => source.walCutBefore)),
    level: isNextLevel ? level + 1 : level,
    firstSeal: Math.min(...sources.map((source) => source.firstSeal)),
    lastSeal: Math.max(...sources.map((source) => source.lastSeal)),
    sources: sources.flatMap(({ block, sources: earlier }) => [...earlier, block]),
  };
}

/** Holds a block while `work` reads it; damage sets it aside. */
async function reading<T>(block: Block, blockSet: BlockSet, work: () => Promise<T>): Promise<T> {
  block.acquire();
  try {
    return await work();
  } catch (error) {
    await blockSet.setAside(error);
    throw error;
  } finally {
    await block.release();
  }
}
