/**
 * What both stores share: WAL, the generations of the head, sealing, blocks, recovery, retention. A signal brings its head, its records and
 * its block files (see {@link Signal}). How a generation becomes a block without a gap or a repetition: `docs/format/README.md`.
 */
import { join } from "node:path";
import { describeError, FinchError } from "@finch/runtime";
import type { Clock, FileSystem, Logger } from "@finch/runtime";
import type { RecoveryReport, StoreOptions } from "./api.ts";
import type { Block } from "./block.ts";
import { BlockSet } from "./block-set.ts";
import { writeBlock } from "./block-writer.ts";
import type { BlockFile } from "./block-writer.ts";
import { createCompactor } from "./compactor.ts";
import type { CompactBlocks, Compactor, FindHidden } from "./compactor.ts";
import { Deletes } from "./deletes.ts";
import { diskFailed, diskLow, queueFull, storeClosed } from "./errors.ts";
import { BLOCKS_DIRECTORY, WAL_DIRECTORY } from "./file-names.ts";
import { expiredBy, HiddenRows } from "./hidden-rows.ts";
import type { IndexLimits, LabelIndex } from "./label-index.ts";
import {
  FREE_SHARE_MAX,
  FULL_INDEX_SHARE,
  HEAD_AGE_MAX_MS,
  HEAD_OVERFLOW_FACTOR,
  IDLE_SERIES_MS,
  IDLE_SERIES_SHARE,
  LABEL_BYTES_FACTOR,
  LABEL_BYTES_MIN,
  LOG_BYTES_FACTOR,
  MAINTENANCE_INTERVAL_MS,
  SEALABLE_SHARE_MIN,
  SEGMENT_BYTES_MAX,
  SPACE_LOOK_MS,
} from "./limits.ts";
import { makeDurableDirectory } from "./durable-directory.ts";
import { createPacer } from "./pacer.ts";
import type { Pacer } from "./pacer.ts";
import { replayWal } from "./store-replay.ts";
import type { ReplayNumbers } from "./store-replay.ts";
import { checkStoreVersion, writeStoreVersion } from "./store-version.ts";
import { openStoreWal } from "./wal.ts";
import type { StoreWal } from "./wal.ts";

export interface Head {
  readonly bytes: number;
  /** Of these, what grows with rows. The rest comes with the series: a new head would soon hold as much. */
  readonly rowBytes: number;
  readonly rows: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** It should be sealed for a reason of its own. */
  readonly isCrowded: boolean;
  readonly index: LabelIndex;
  /** Share of its series or streams that got nothing for `ageMs`; a head that does not say is sealed by age and size alone. */
  idleShare?(ageMs: number): number;
  /** Called once nobody reads the head any more, for memory that is not left to the collector. */
  close?(): void;
}

/** What makes a store one of metrics or of logs. */
export interface Signal<H extends Head> {
  readonly name: "metrics" | "logs";
  createHead(): H;
  /** Takes a record of the WAL into a head that is being recovered; `numbers` carries series numbers from record to record. */
  replay(head: H, payload: Uint8Array, numbers: ReplayNumbers): void;
  /** Writes the files of a block; returns how many series and rows it has. */
  seal(
    head: H,
    createFile: (name: string) => Promise<BlockFile>,
    pacer: Pacer,
  ): Promise<{ readonly series: number; readonly rows: number }>;
  /** Writes blocks anew, joined or without what is hidden; a signal without it keeps them as they were sealed. */
  readonly compact?: CompactBlocks;
  /** Blocks that are merged at once, at most. */
  readonly mergedMax?: number;
  /** Called every {@link MAINTENANCE_INTERVAL_MS}, for memory that is not left to the collector. */
  trimMemory?(): void;
  /** Whether a block has hidden rows, where the matchers of what hides them do not say. */
  readonly hasHidden?: FindHidden;
}

interface Generation<H> {
  readonly head: H;
  createdMs: number;
  /** Bytes of its records in the log. */
  logBytes: number;
  /** Records on their way to the WAL that will be applied to the head. */
  pending: number;
  onIdle: (() => void) | undefined;
  /** Views that hold the head, and the store itself as long as it is not in a block. */
  holders: number;
}

function createGeneration<H>(head: H, createdMs: number, logBytes: number): Generation<H> {
  return { head, createdMs, logBytes, pending: 0, onIdle: undefined, holders: 1 };
}

function letGo<H extends Head>(generation: Generation<H>): void {
  if (--generation.holders === 0) generation.head.close?.();
}

/** Heads and blocks as they were at one moment, oldest first. */
export interface StoreView<H> {
  readonly blocks: readonly Block[];
  readonly heads: readonly H[];
  /** Rows that stand there and are deleted or expired. */
  readonly hidden: HiddenRows;
  release(): Promise<void>;
}

export class StoreCore<H extends Head> {
  readonly clock: Clock;
  readonly wal: StoreWal;
  readonly blockSet: BlockSet;
  readonly deletes: Deletes;
  readonly compactor: Compactor | undefined;
  readonly recovery: RecoveryReport;
  readonly #signal: Signal<H>;
  readonly #options: StoreOptions;
  readonly #fileSystem: FileSystem;
  readonly #log: Logger;
  #current: Generation<H>;
  /** Being written as a block, or waiting to be tried again. */
  #frozen: { readonly generation: Generation<H>; readonly boundary: number } | undefined;
  #sealing: Promise<void> | undefined;
  #expiring: Promise<void> | undefined;
  /** Held by those who read. */
  #views = 0;
  #freeBytes = Infinity;
  #freeBytesMin = 0;
  #spaceSeenMs = -Infinity;
  readonly #stopping = new AbortController();
  #maintenance: Promise<void> = Promise.resolve();

  private constructor(
    signal: Signal<H>,
    options: StoreOptions,
    parts: {
      wal: StoreWal;
      blockSet: BlockSet;
      deletes: Deletes;
      head: H;
      recovery: RecoveryReport;
    },
  ) {
    this.#signal = signal;
    this.#options = options;
    this.#fileSystem = options.fileSystem;
    this.#log = options.log;
    this.clock = options.clock;
    this.wal = parts.wal;
    this.blockSet = parts.blockSet;
    this.deletes = parts.deletes;
    this.compactor = createCompactor(signal, options, {
      blockSet: parts.blockSet,
      deletes: parts.deletes,
      isRead: () => this.#views > 0,
      signal: this.#stopping.signal,
    });
    this.recovery = parts.recovery;
    const nowMs = options.clock.nowMs();
    this.#current = createGeneration(
      parts.head,
      Math.min(nowMs, parts.head.minMs),
      parts.wal.statistics().bytes,
    );
  }

  static async open<H extends Head>(
    signal: Signal<H>,
    options: StoreOptions,
  ): Promise<StoreCore<H>> {
    const { fileSystem, directory, log, clock, limits } = options;
    const startMs = clock.monotonicMs();
    await makeDurableDirectory(fileSystem, directory);
    const isKnown = await checkStoreVersion(fileSystem, directory, signal.name);
    const hasLog = (await fileSystem.list(directory)).includes(WAL_DIRECTORY);
    const blockSet = await BlockSet.open(fileSystem, log, join(directory, BLOCKS_DIRECTORY));
    const deletes = await Deletes.open(fileSystem, log, {
      directory,
      idFloor: blockSet.lastDelete,
      compile: options.compileSelection,
    });
    blockSet.avoid(deletes.lastSeal);
    const wal = await openStoreWal({
      directory: join(directory, WAL_DIRECTORY),
      fileSystem,
      log,
      segmentBytesMax: SEGMENT_BYTES_MAX,
      pendingBytesMax: limits.pendingBytesMax,
      firstSegment: blockSet.walCutBefore,
      // The last segment of a log is never cut, so that one without any has never been written to, or was removed.
      mustExist: blockSet.walCutBefore > 1 || (isKnown && !hasLog),
    });
    if (!isKnown) await writeStoreVersion(fileSystem, directory, signal.name);
    try {
      const head = signal.createHead();
      const records = await replayWal(signal, head, { wal, options, from: blockSet.walCutBefore });
      const recovery: RecoveryReport = {
        records,
        durationMs: clock.monotonicMs() - startMs,
        tornBytes: wal.recovered.tornBytes,
        removedPaths: [...blockSet.removedPaths, ...wal.recovered.removedPaths],
      };
      const core = new StoreCore(signal, options, {
        wal,
        blockSet,
        deletes,
        head,
        recovery,
      });
      await core.#cutWal();
      await core.#checkSpace();
      core.#maintenance = core.#maintain();
      return core;
    } catch (error) {
      await wal[Symbol.asyncDispose]();
      await blockSet.close();
      throw error;
    }
  }

  get head(): H {
    return this.#current.head;
  }

  /** Newest time of all rows, or -Infinity. */
  get newestMs(): number {
    let newest = Math.max(
      this.#current.head.maxMs,
      this.#frozen?.generation.head.maxMs ?? -Infinity,
    );
    for (const { meta } of this.blockSet.blocks) newest = Math.max(newest, meta.maxMs);
    return newest;
  }

  /** Rows may be as old as this. A clock that was ahead for a while must not shut out what comes after: rows of the future do not count. */
  get windowStartMs(): number {
    return Math.min(this.newestMs, this.clock.nowMs()) - this.#options.limits.outOfOrderWindowMs;
  }

  get indexLimits(): IndexLimits {
    const { headSeriesMax, headBytesMax } = this.#options.limits;
    const bytesMax = Math.max(LABEL_BYTES_MIN, LABEL_BYTES_FACTOR * headBytesMax);
    return { seriesMax: headSeriesMax, bytesMax };
  }

  get oldestMs(): number {
    let oldest = Math.min(
      this.#current.head.minMs,
      this.#frozen?.generation.head.minMs ?? Infinity,
    );
    for (const { meta } of this.blockSet.blocks) oldest = Math.min(oldest, meta.minMs);
    return oldest;
  }

  get headBytes(): number {
    return this.#current.head.bytes + (this.#frozen?.generation.head.bytes ?? 0);
  }

  /** Whether writes are refused for want of free space. */
  get isDiskLow(): boolean {
    return this.#freeBytes < this.#freeBytesMin;
  }

  /** Finds out whether there is space again, once a second at most: a write need not wait for the maintenance to see it. */
  async lookForSpace(): Promise<void> {
    if (this.clock.monotonicMs() - this.#spaceSeenMs < SPACE_LOOK_MS) return;
    await this.#attempt("look for free space", () => this.#checkSpace());
  }

  /** Throws when the store cannot take a write. */
  admit(): void {
    if (this.#stopping.signal.aborted) throw storeClosed(this.#options.directory);
    const { headBytesMax } = this.#options.limits;
    if (this.isDiskLow) throw diskLow(this.#options.directory, this.#freeBytes, this.#freeBytesMin);
    const bytesMax = HEAD_OVERFLOW_FACTOR * headBytesMax;
    const frozenBytes = this.#frozen?.generation.head.rowBytes ?? 0;
    if (this.#current.head.rowBytes + frozenBytes > bytesMax)
      throw queueFull("data waiting to be sealed", bytesMax);
  }

  /** Makes a record that was composed for `head`, in this turn of the event loop, durable, and then calls `apply`; in the order of calls. */
  async commit<T>(payload: Uint8Array, apply: () => T): Promise<T> {
    const generation = this.#current;
    generation.pending++;
    try {
      await this.wal.append(payload);
      generation.logBytes += payload.length;
      return apply();
    } finally {
      generation.pending--;
      if (generation.pending === 0) generation.onIdle?.();
      this.#sealIfLarge();
    }
  }

  view(startMs: number, endMs: number): StoreView<H> {
    const blocks = this.blockSet.blocks.filter(
      ({ meta }) => meta.minMs <= endMs && meta.maxMs >= startMs,
    );
    for (const block of blocks) block.acquire();
    const generations =
      this.#frozen === undefined ? [this.#current] : [this.#frozen.generation, this.#current];
    for (const generation of generations) generation.holders++;
    this.#views++;
    let isHeld = true;
    return {
      blocks,
      heads: generations.map(({ head }) => head),
      hidden: new HiddenRows(
        this.deletes.entries,
        expiredBy(this.#options.retention.rules ?? [], this.clock.nowMs()),
      ),
      release: async () => {
        if (!isHeld) return;
        isHeld = false;
        this.#views--;
        for (const generation of generations) letGo(generation);
        for (const block of blocks) await block.release();
      },
    };
  }

  /** Seals all that was there at the call. */
  async flush(): Promise<void> {
    await this.#sealing?.catch(() => {});
    if (this.#frozen !== undefined) await this.#seal();
    await this.#seal();
  }

  /** Calls that overlap share one run. */
  expire(): Promise<void> {
    this.#expiring ??= this.#expireOnce().finally(() => {
      this.#expiring = undefined;
    });
    return this.#expiring;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#maintenance;
    await Promise.allSettled([this.#sealing, this.#expiring, this.compactor?.settle()]);
    await this.wal[Symbol.asyncDispose]();
    await this.blockSet.close();
  }

  async #expireOnce(): Promise<void> {
    const otherBytes = this.wal.statistics().bytes;
    await this.blockSet.expire(this.#options.retention, { nowMs: this.clock.nowMs(), otherBytes });
    await this.#checkSpace();
  }

  #sealIfLarge(): void {
    const { head, logBytes } = this.#current;
    if (this.#sealing !== undefined || this.#frozen !== undefined || this.#stopping.signal.aborted)
      return;
    const { headBytesMax } = this.#options.limits;
    const isLargeOrLong = head.bytes >= headBytesMax || head.maxMs - head.minMs >= HEAD_AGE_MAX_MS;
    const isWorthwhile = head.rowBytes >= headBytesMax * SEALABLE_SHARE_MIN;
    if (
      !(isLargeOrLong && isWorthwhile) &&
      !head.isCrowded &&
      logBytes < LOG_BYTES_FACTOR * headBytesMax
    )
      return;
    this.#seal().catch((error: unknown) =>
      this.#log.error("cannot seal the head", { cause: describeError(error) }),
    );
  }

  #seal(): Promise<void> {
    this.#sealing ??= this.#sealOnce().finally(() => {
      this.#sealing = undefined;
    });
    return this.#sealing;
  }

  async #sealOnce(): Promise<void> {
    if (this.#frozen === undefined && this.#current.head.rows === 0 && this.#current.pending === 0)
      return;
    this.#frozen ??= await this.#freeze();
    const { generation, boundary } = this.#frozen;
    const { head } = generation;
    if (head.rows > 0) {
      try {
        const target = this.blockSet.takeTarget();
        const { lastId } = this.deletes;
        const meta = await writeBlock(target, async ({ createFile }) => {
          const written = await this.#signal.seal(head, createFile, createPacer(this.clock));
          return {
            signal: this.#signal.name,
            minMs: head.minMs,
            maxMs: head.maxMs,
            walCutBefore: boundary,
            level: 0,
            firstSeal: target.block,
            lastSeal: target.block,
            sources: [],
            deletes: lastId,
            ...written,
          };
        });
        this.blockSet.add(meta);
        this.#log.info("sealed a block", {
          block: meta.block,
          series: meta.series,
          rows: meta.rows,
        });
      } catch (error) {
        throw error instanceof FinchError ? error : diskFailed(this.blockSet.directory, error);
      }
    }
    this.#frozen = undefined;
    letGo(generation);
    await this.#cutWal(boundary);
  }

  /** New records go to a new head from here on; resolves when the old one has all of its. */
  async #freeze(): Promise<{ readonly generation: Generation<H>; readonly boundary: number }> {
    const generation = this.#current;
    const boundaryKnown = this.wal.rotate();
    this.#current = createGeneration(this.#signal.createHead(), this.clock.nowMs(), 0);
    // Visible as frozen at once, so that no reader misses it.
    const frozen = { generation, boundary: 0 };
    this.#frozen = frozen;
    frozen.boundary = await boundaryKnown;
    if (generation.pending > 0) {
      await new Promise<void>((resolve) => {
        generation.onIdle = resolve;
      });
    }
    return frozen;
  }

  /** A failure only delays it: records of segments that are in blocks are skipped at recovery. */
  async #cutWal(before = this.blockSet.walCutBefore): Promise<void> {
    try {
      await this.wal.cut(before);
    } catch (error) {
      this.#log.warn("cannot cut the log yet", { before, cause: describeError(error) });
    }
  }

  async #checkSpace(): Promise<void> {
    this.#spaceSeenMs = this.clock.monotonicMs();
    const { totalBytes, freeBytes } = await this.#fileSystem.space(this.#options.directory);
    this.#freeBytes = freeBytes;
    this.#freeBytesMin = Math.min(this.#options.limits.freeBytesMin, totalBytes * FREE_SHARE_MAX);
  }

  async #maintain(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.clock.sleep(MAINTENANCE_INTERVAL_MS, signal).catch(() => {});
      if (signal.aborted) return;
      // Each by itself: on a full disk no head can be sealed, and what expires makes the room for it.
      await this.#attempt("expire blocks", () => this.expire());
      await this.#attempt("seal the head", () => this.#sealIfDue());
      this.#signal.trimMemory?.();
      this.compactor?.start();
    }
  }

  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#log.error(`cannot ${what}; it is tried again`, { cause: describeError(error) });
    }
  }

  async #sealIfDue(): Promise<void> {
    const { head, createdMs } = this.#current;
    const ageMs = this.clock.nowMs() - createdMs;
    // Below zero: the clock jumped back.
    const isOld = head.rows > 0 && (ageMs >= HEAD_AGE_MAX_MS || ageMs < 0);
    if (isOld || this.#frozen !== undefined || this.#isFullOfIdle(head)) await this.#seal();
    else this.#sealIfLarge();
  }

  /** Series that are gone take room that new ones need: a new head begins with those that go on. */
  #isFullOfIdle(head: H): boolean {
    const { seriesMax, bytesMax } = this.indexLimits;
    const isNearlyFull =
      head.index.seriesCount >= FULL_INDEX_SHARE * seriesMax ||
      head.index.bytes >= FULL_INDEX_SHARE * bytesMax;
    return isNearlyFull && (head.idleShare?.(IDLE_SERIES_MS) ?? 0) >= IDLE_SERIES_SHARE;
  }
}
