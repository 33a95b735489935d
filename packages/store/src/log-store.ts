/** The log store: composes records from pushes, applies them to the head once they are durable, tells tails, answers selections. */
import type { Labels, LogBatch, LogColumns, LogPage } from "@finch/model";
import type {
  AppendResult,
  LabelScope,
  LineDelete,
  LogCount,
  LogCountRequest,
  LogSelect,
  LogStore,
  OpenLogStore,
  PatternAnswer,
  PatternRequest,
  Rejection,
  StoreOptions,
  StoreStatistics,
  TailListener,
} from "./api.ts";
import { ByteMemory } from "./byte-memory.ts";
import { StoreLabels } from "./label-queries.ts";
import { LineDeletes } from "./line-deletes.ts";
import { pickRows } from "./log-columns.ts";
import { readSegmentRefs, sealLogs } from "./log-block.ts";
import { compactLogs, hasHiddenLines } from "./log-compaction.ts";
import { countLogs } from "./log-count.ts";
import { LOG_COMPACTION_BLOCKS_MAX } from "./limits.ts";
import { LogHead } from "./log-head.ts";
import type { LogRunOutcome } from "./log-head.ts";
import { ClosedPages } from "./log-page/closed-page.ts";
import { selectPatterns } from "./log-patterns/pattern-select.ts";
import { LogRecordWriter } from "./log-record.ts";
import type { LogRecordRun } from "./log-record.ts";
import { selectLogs } from "./log-select.ts";
import type { LogReadStatistics } from "./log-wish.ts";
import { largerNs } from "./nanoseconds.ts";
import { createPacer } from "./pacer.ts";
import type { Pacer } from "./pacer.ts";
import { StoreCore } from "./store-core.ts";
import type { Signal, StoreView } from "./store-core.ts";
import { StoreCounters } from "./store-counters.ts";

const NS_PER_MS = 1_000_000n;

/** What works on pages, and memory that is used again. */
interface LogMemory {
  readonly closer: ClosedPages;
  readonly memory: ByteMemory;
}

/** All heads of a store close their pages with one encoder, and use each other's memory again. */
function logsSignal({ closer, memory }: LogMemory): Signal<LogHead> {
  return {
    name: "logs",
    createHead: () => new LogHead(closer, memory),
    replay: (head, payload, numbers) => {
      head.apply(payload, numbers);
      while (head.hasFullPages) head.closeOne();
    },
    seal: sealLogs,
    compact: (sources, output, pacer) => compactLogs(sources, { ...output, closer }, pacer),
    mergedMax: LOG_COMPACTION_BLOCKS_MAX,
    hasHidden: hasHiddenLines,
    trimMemory: () => memory.trim(),
  };
}

/** Opens the store of `options.directory`, recovering what the log holds. Lock the data directory first (`lockDirectory`). */
export const openLogStore: OpenLogStore = async (options) => {
  // While a head is sealed, the next one takes what it gives back.
  const memory = new ByteMemory(options.limits.headBytesMax / 2);
  const shared = { closer: new ClosedPages(), memory };
  return new DurableLogStore(await StoreCore.open(logsSignal(shared), options), shared, options);
};

class DurableLogStore implements LogStore {
  readonly #core: StoreCore<LogHead>;
  readonly #closer: ClosedPages;
  /** Of records that are not yet durable, and of heads. */
  readonly #memory: ByteMemory;
  readonly #options: StoreOptions;
  readonly #labels: StoreLabels;
  readonly #deletes: LineDeletes;
  readonly #counters = new StoreCounters();
  readonly #record = new LogRecordWriter();
  readonly #listeners = new Set<TailListener>();
  #isClosing = false;

  constructor(core: StoreCore<LogHead>, { closer, memory }: LogMemory, options: StoreOptions) {
    this.#core = core;
    this.#closer = closer;
    this.#memory = memory;
    this.#options = options;
    this.#deletes = new LineDeletes(core, options);
    this.#labels = new StoreLabels(core, () => (payload) => {
      const pages = readSegmentRefs(payload).flatMap((segment) => segment.pages);
      // In the order of their beginnings.
      const newestNs = pages.reduce((newest, { maxNs }) => largerNs(newest, maxNs), 0n);
      return { minMs: toMs(pages[0]?.minNs ?? 0n), maxMs: toMs(newestNs) };
    });
  }

  async append(batch: LogBatch): Promise<AppendResult> {
    if (this.#core.isDiskLow) await this.#core.lookForSpace();
    this.#core.admit();
    const { head } = this.#core;
    const rejections: Rejection[] = [];
    const runs = this.#compose(head, batch, rejections);
    if (runs.length === 0) return this.#counters.count({ accepted: 0, duplicates: 0, rejections });
    const payload = this.#record.finish((bytes) => this.#memory.take(bytes));
    this.#record.clear();
    const outcomes = await this.#core
      .commit(payload, () => {
        const applied = head.append(runs);
        this.#tell(head, applied);
        return applied;
      })
      .finally(() => this.#memory.give(payload));
    if (head.hasFullPages && !this.#isClosing) void this.#closePages(head);
    let accepted = 0;
    let count = 0;
    for (const { entries, newRows } of outcomes) {
      accepted += newRows.length;
      count += entries.count;
    }
    return this.#counters.count({ accepted, duplicates: count - accepted, rejections });
  }

  async *select(request: LogSelect, statistics: LogReadStatistics): AsyncGenerator<LogPage> {
    yield* this.#read(request, (view, pacer) => selectLogs(view, request, statistics, pacer));
  }

  /** What `begin` reads of the store as it is. */
  async *#read<T>(
    { signal, startNs, endNs }: Pick<LogSelect, "signal" | "startNs" | "endNs">,
    begin: (view: StoreView<LogHead>, pacer: Pacer) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    signal.throwIfAborted();
    const view = this.#core.view(toMs(startNs), toMs(endNs) + 1);
    try {
      for await (const read of begin(view, createPacer(this.#core.clock, signal))) {
        signal.throwIfAborted();
        yield read;
      }
    } catch (error) {
      await this.#core.blockSet.setAside(error);
      throw error;
    } finally {
      await view.release();
    }
  }

  async *count(request: LogCountRequest, statistics: LogReadStatistics): AsyncGenerator<LogCount> {
    yield* this.#read(request, (view, pacer) => countLogs(view, request, statistics, pacer));
  }

  async patterns(request: PatternRequest): Promise<PatternAnswer> {
    const { signal, startNs, endNs } = request;
    signal.throwIfAborted();
    const view = this.#core.view(toMs(startNs), toMs(endNs) + 1);
    try {
      const pacer = createPacer(this.#core.clock, signal);
      return await selectPatterns(view, request, this.#closer, pacer);
    } catch (error) {
      await this.#core.blockSet.setAside(error);
      throw error;
    } finally {
      await view.release();
    }
  }

  deleteLines(request: Parameters<LogStore["deleteLines"]>[0]): Promise<LineDelete> {
    return this.#deletes.add(request);
  }

  lineDeletes(): readonly LineDelete[] {
    return this.#deletes.list();
  }

  async carryOutDeletes(): Promise<void> {
    await this.#core.compactor?.clean();
  }

  async compact(): Promise<void> {
    await this.#core.compactor?.run();
  }

  cancelDelete(id: number, options: { readonly force: boolean }): Promise<void> {
    return this.#deletes.cancel(id, options);
  }

  tail(listener: TailListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  labelNames(scope: LabelScope): Promise<readonly string[]> {
    return this.#labels.names(scope);
  }

  labelValues(name: string, scope: LabelScope): Promise<readonly string[]> {
    return this.#labels.values(name, scope);
  }

  series(scope: LabelScope): Promise<readonly Labels[]> {
    return this.#labels.series(scope);
  }

  statistics(): StoreStatistics {
    return this.#counters.statistics(this.#core);
  }

  flush(): Promise<void> {
    return this.#core.flush();
  }

  expire(): Promise<void> {
    return this.#core.expire();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#core.close();
  }

  /** Closes the full pages of a head between other work; those of one that is sealed meanwhile are closed by its seal. */
  async #closePages(head: LogHead): Promise<void> {
    this.#isClosing = true;
    const pacer = createPacer(this.#core.clock);
    while (head.hasFullPages) {
      await pacer.rest();
      head.closeOne();
    }
    this.#isClosing = false;
  }

  /** Fills the record; returns what it has. */
  #compose(head: LogHead, batch: LogBatch, rejections: Rejection[]): readonly LogRecordRun[] {
    const { refusals } = this.#core.wal;
    const oldestMs = this.#core.windowStartMs;
    const latestMs = this.#core.clock.nowMs() + this.#options.limits.futureWindowMs;
    const limits = this.#core.indexLimits;
    // All streams before anything is composed: a fault must leave nothing half done.
    const runs: LogRecordRun[] = [];
    for (const [index, { labels, entries: given }] of batch.streams.entries()) {
      const entries = keepWithin(given, { index, oldestMs, latestMs }, rejections);
      if (entries.count === 0) continue;
      const stream = head.intern(labels, limits);
      if (stream >= 0) {
        runs.push({ stream, entries });
        continue;
      }
      const timestampMs = Number(entries.timestampsNs[0]! / NS_PER_MS);
      rejections.push({ index, reason: "too-many-series", timestampMs });
    }
    this.#record.clear();
    for (const { stream, entries } of runs) {
      if (head.needsDefinition(stream, refusals))
        this.#record.define(stream, head.labelsOf(stream));
      this.#record.addRun(stream, entries);
    }
    return runs;
  }

  #tell(head: LogHead, outcomes: readonly LogRunOutcome[]): void {
    if (this.#listeners.size === 0) return;
    for (const { stream, entries, newRows } of outcomes) {
      if (newRows.length === 0) continue;
      const labels = head.labelsOf(stream);
      // A copy: the sender's memory is only lent.
      const fresh = pickRows(entries, newRows);
      for (const listener of this.#listeners) listener(labels, fresh);
    }
  }
}

/** The rows within the window of time; the others are noted as rejections. */
function keepWithin(
  entries: LogColumns,
  window: { readonly index: number; readonly oldestMs: number; readonly latestMs: number },
  rejections: Rejection[],
): LogColumns {
  const { index, oldestMs, latestMs } = window;
  const { timestampsNs, count } = entries;
  const words = new Int32Array(timestampsNs.buffer, timestampsNs.byteOffset, 2 * count);
  // Good to a microsecond, which is enough for a window.
  const msAt = (row: number) =>
    Math.floor((words[2 * row + 1]! * 2 ** 32 + (words[2 * row]! >>> 0)) / 1e6);
  let outside = 0;
  for (let row = 0; row < count; row++) {
    const timestampMs = msAt(row);
    if (timestampMs < oldestMs || timestampMs > latestMs) outside++;
  }
  if (outside === 0) return entries;
  const rows = new Uint32Array(count - outside);
  let kept = 0;
  for (let row = 0; row < count; row++) {
    const timestampMs = msAt(row);
    if (timestampMs < oldestMs) rejections.push({ index, reason: "too-old", timestampMs });
    else if (timestampMs > latestMs)
      rejections.push({ index, reason: "too-far-in-future", timestampMs });
    else rows[kept++] = row;
  }
  return pickRows(entries, rows);
}

function toMs(ns: bigint): number {
  return Number(ns / NS_PER_MS);
}
