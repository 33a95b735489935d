/**
 * Merges blocks of a store, in the background and one merge at a time: neighbours of one level into one of the next, blocks with deleted
 * samples into the same without them, and what a retention rule lets go. Works under readers; a crash leaves the sources or the result.
 */
import { describeError, FinchError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import type { Retention } from "./api.ts";
import type { Block } from "./block.ts";
import type { BlockSet } from "./block-set.ts";
import { writeBlock } from "./block-writer.ts";
import type { BlockFile } from "./block-writer.ts";
import { longestSpanMs, planCompaction } from "./compaction-plan.ts";
import type { Deletes } from "./deletes.ts";
import { diskFailed } from "./errors.ts";
import { COMPACTION_RETRY_MS, RETENTION_RULES_INTERVAL_MS } from "./limits.ts";
import type { CompactionResult, CompactionSource, DropRule } from "./metric-compaction.ts";
import { createPacer } from "./pacer.ts";
import type { Pacer } from "./pacer.ts";

/** Writes the files of a block made of others. */
export type CompactBlocks = (
  sources: readonly CompactionSource[],
  createFile: (name: string) => Promise<BlockFile>,
  pacer: Pacer,
) => Promise<CompactionResult>;

export interface CompactorParts {
  readonly signalName: string;
  readonly blockSet: BlockSet;
  readonly deletes: Deletes;
  readonly compact: CompactBlocks;
  readonly retention: Retention;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends a merge that is under way. */
  readonly signal: AbortSignal;
}

export class Compactor {
  /** Merges since the store was opened, and those that failed. */
  mergedTotal = 0;
  failedTotal = 0;
  readonly #parts: CompactorParts;
  #running: Promise<void> = Promise.resolve();
  #isIdle = true;
  #retryMs = -Infinity;
  #rulesMs = -Infinity;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /** Starts what is due, unless something is under way or failed not long ago; failures are logged. */
  start(): void {
    const { clock, log, signal } = this.#parts;
    if (!this.#isIdle || clock.monotonicMs() < this.#retryMs) return;
    this.#isIdle = false;
    void this.run()
      .catch((error: unknown) => {
        if (signal.aborted) return;
        this.#retryMs = clock.monotonicMs() + COMPACTION_RETRY_MS;
        log.error("cannot merge blocks; it is tried again", { cause: describeError(error) });
      })
      .finally(() => {
        this.#isIdle = true;
      });
  }

  /** Merges as long as something is due. */
  run(): Promise<void> {
    return this.#inTurn(async () => {
      const { blockSet, retention, clock, signal } = this.#parts;
      const spanMs = longestSpanMs(retention.maxAgeMs);
      while (!signal.aborted && !blockSet.hasLeavers) {
        const planned = blockSet.blocks.map(({ meta, bytes }) => ({ ...meta, bytes }));
        const plan = planCompaction(planned, spanMs);
        if (plan === undefined) break;
        await this.#merge(blockSet.blocks.slice(plan.from, plan.to), { isNextLevel: true });
      }
      if (clock.monotonicMs() - this.#rulesMs < RETENTION_RULES_INTERVAL_MS) return;
      this.#rulesMs = clock.monotonicMs();
      await this.#applyRules();
    });
  }

  /** Carries out all deletes: blocks with deleted samples are written anew. */
  clean(): Promise<void> {
    return this.#inTurn(async () => {
      const { blockSet, deletes, signal } = this.#parts;
      const pacer = createPacer(this.#parts.clock, signal);
      for (const block of blockSet.blocks) {
        signal.throwIfAborted();
        for (const { matchers } of deletes.pendingFor(block.meta)) {
          const hit = await reading(block, blockSet, () => block.index.select(matchers, pacer));
          if (hit.length === 0) continue;
          await this.#merge([block], { isNextLevel: false });
          break;
        }
      }
      await deletes.prune(blockSet);
    });
  }

  /** Resolves when nothing is under way. */
  async settle(): Promise<void> {
    await this.#running;
  }

  /** Blocks that are wholly older than a rule allows lose the series it names. */
  async #applyRules(): Promise<void> {
    const { blockSet, signal, clock } = this.#parts;
    const pacer = createPacer(clock, signal);
    for (const block of blockSet.blocks) {
      signal.throwIfAborted();
      for (const { matchers, beforeMs } of this.#drops()) {
        if (block.meta.rows === 0 || block.meta.maxMs >= beforeMs) continue;
        const hit = await reading(block, blockSet, () => block.index.select(matchers, pacer));
        if (hit.length === 0) continue;
        await this.#merge([block], { isNextLevel: false });
        break;
      }
    }
  }

  #drops(): DropRule[] {
    const nowMs = this.#parts.clock.nowMs();
    return (this.#parts.retention.rules ?? []).map(({ matchers, maxAgeMs }) => ({
      matchers,
      beforeMs: nowMs - maxAgeMs,
    }));
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
    const { blockSet, deletes, compact, clock, log, signal } = this.#parts;
    // Before the deletes are asked for: one that comes later is carried out the next time.
    const carriedOut = deletes.lastId;
    const drops = this.#drops();
    const sources = blocks.map((block) => ({
      block,
      deletes: deletes.pendingFor(block.meta),
      drops,
    }));
    const metas = blocks.map(({ meta }) => meta);
    const { directory } = blockSet;
    for (const block of blocks) block.acquire();
    try {
      const meta = await writeBlock(blockSet.takeTarget(), async (createFile) => {
        const result = await compact(sources, createFile, createPacer(clock, signal));
        signal.throwIfAborted();
        const { series, rows } = result;
        const isEmpty = rows === 0;
        return {
          signal: this.#parts.signalName,
          // A block without rows stays until its time is over: it knows where the log is cut.
          minMs: isEmpty ? Math.min(...metas.map(({ minMs }) => minMs)) : result.minMs,
          maxMs: isEmpty ? Math.max(...metas.map(({ maxMs }) => maxMs)) : result.maxMs,
          series,
          rows,
          walCutBefore: Math.max(...metas.map(({ walCutBefore }) => walCutBefore)),
          level: Math.max(...metas.map(({ level }) => level)) + (isNextLevel ? 1 : 0),
          firstSeal: Math.min(...metas.map(({ firstSeal }) => firstSeal)),
          lastSeal: Math.max(...metas.map(({ lastSeal }) => lastSeal)),
          sources: metas.flatMap(({ block, sources: earlier }) => [...earlier, block]),
          deletes: carriedOut,
        };
      });
      await blockSet.replace(blocks, meta);
      this.mergedTotal++;
      log.info("merged blocks", {
        block: meta.block,
        sources: metas.map(({ block }) => block).join(),
        series: meta.series,
        rows: meta.rows,
      });
    } catch (error) {
      if (!signal.aborted) this.failedTotal++;
      await blockSet.setAside(error);
      throw error instanceof FinchError || signal.aborted ? error : diskFailed(directory, error);
    } finally {
      for (const block of blocks) await block.release();
    }
  }
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
