/** The metric store: composes records from batches, applies them to the head once they are durable, answers selections. */
import { SampleArena } from "@finch/codec/kernels";
import type { Labels, MetricMetadata, SampleBatch, Series } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import type {
  BlockSummary,
  Cardinality,
  MetricAppendResult,
  ExemplarRequest,
  LabelScope,
  MetricLoan,
  MetricSelection,
  MetricStore,
  OpenMetricStore,
  StoreOptions,
  StoreStatistics,
} from "./api.ts";
import type { Block } from "./block.ts";
import { lendBlocks } from "./block-loan.ts";
import { countCardinality } from "./cardinality.ts";
import type { CardinalityRequest } from "./cardinality.ts";
import { ExemplarRing } from "./exemplar-ring.ts";
import { isInHeads } from "./head-rows.ts";
import { StoreLabels } from "./label-queries.ts";
import {
  EXEMPLARS_MAX,
  HEAD_AGE_MAX_MS,
  KEY_BYTES_FACTOR,
  KEY_BYTES_MIN,
  METADATA_FAMILIES_MAX,
  OPEN_BLOCKS_AT_ONCE,
} from "./limits.ts";
import { MetricAppender } from "./metric-appender.ts";
import { readPlace, sealMetrics } from "./metric-block.ts";
import { compactMetrics } from "./metric-compaction.ts";
import { MetricHead } from "./metric-head.ts";
import { readBlockMetadata } from "./metric-metadata.ts";
import { selectMetrics } from "./metric-select.ts";
import type { MetricRange } from "./metric-select.ts";
import { createPacer } from "./pacer.ts";
import { StoreCore } from "./store-core.ts";
import type { Signal } from "./store-core.ts";
import { StoreCounters } from "./store-counters.ts";
import { TimeRows } from "./time-rows.ts";

/** All heads of a store have one memory, and its exemplars outlive each of them. */
function metricsSignal(exemplars: ExemplarRing): Signal<MetricHead> {
  const arena = new SampleArena();
  return {
    name: "metrics",
    createHead: () => new MetricHead(arena, exemplars),
    replay: (head, payload, numbers) => void head.apply(payload, numbers),
    seal: sealMetrics,
    compact: (sources, { createFile }, pacer) => compactMetrics(sources, createFile, pacer),
  };
}

/** Opens the store of `options.directory`, recovering what the log holds. Lock the data directory first (`lockDirectory`). */
export const openMetricStore: OpenMetricStore = async (options) => {
  const exemplars = new ExemplarRing(EXEMPLARS_MAX);
  const core = await StoreCore.open(metricsSignal(exemplars), options);
  try {
    const metadata = await readMetadata(core.blockSet.blocks, options);
    for (const entry of core.head.metadata.values()) metadata.set(entry.family, entry);
    return new DurableMetricStore(core, options, { metadata, exemplars });
  } catch (error) {
    await core.close();
    throw error;
  }
};

/** Metadata of all blocks, a number of them at once; the newer ones win. */
async function readMetadata(
  blocks: readonly Block[],
  options: StoreOptions,
): Promise<Map<string, MetricMetadata>> {
  const metadata = new Map<string, MetricMetadata>();
  for (let from = 0; from < blocks.length; from += OPEN_BLOCKS_AT_ONCE) {
    const some = blocks.slice(from, from + OPEN_BLOCKS_AT_ONCE);
    for (const entries of await Promise.all(some.map((block) => metadataOf(block, options))))
      for (const entry of entries) metadata.set(entry.family, entry);
  }
  return metadata;
}

/** Of a block whose metadata is damaged none is taken: its samples are worth more. */
async function metadataOf(block: Block, { log }: StoreOptions): Promise<readonly MetricMetadata[]> {
  block.acquire();
  try {
    return await readBlockMetadata(block);
  } catch (error) {
    if (!(error instanceof FinchError) || error.kind !== "corrupt") throw error;
    log.error("the metadata of a block is damaged and left out", { cause: describeError(error) });
    return [];
  } finally {
    await block.release();
  }
}

class DurableMetricStore implements MetricStore {
  readonly #core: StoreCore<MetricHead>;
  readonly #options: StoreOptions;
  readonly #labels: StoreLabels;
  readonly #metadata: Map<string, MetricMetadata>;
  readonly #counters: StoreCounters;
  readonly #exemplars: ExemplarRing;
  readonly #appender = new MetricAppender();

  constructor(
    core: StoreCore<MetricHead>,
    options: StoreOptions,
    kept: { readonly metadata: Map<string, MetricMetadata>; readonly exemplars: ExemplarRing },
  ) {
    this.#core = core;
    this.#options = options;
    this.#metadata = kept.metadata;
    this.#exemplars = kept.exemplars;
    this.#labels = new StoreLabels(core, (block) => {
      const times = new TimeRows(block);
      return (payload) => times.row(readPlace(payload).row);
    });
    this.#counters = new StoreCounters();
  }

  async append(batch: SampleBatch): Promise<MetricAppendResult> {
    const core = this.#core;
    if (core.isDiskLow) await core.lookForSpace();
    core.admit();
    const { head } = core;
    const { limits } = this.#options;
    const composed = this.#appender.compose(head, batch, {
      oldestMs: core.windowStartMs,
      latestMs: core.clock.nowMs() + limits.futureWindowMs,
      indexLimits: core.indexLimits,
      keyBytesMax: Math.max(KEY_BYTES_MIN, KEY_BYTES_FACTOR * limits.headBytesMax),
      refusals: core.wal.refusals,
    });
    const { payload } = composed;
    if (payload === undefined) return this.#counters.count(composed.settle(undefined));
    const outcome = await core.commit(payload, () => head.apply(payload, undefined));
    this.#appender.reuse(payload);
    for (const entry of batch.metadata) this.#noteMetadata(entry);
    return this.#counters.count(composed.settle(outcome));
  }

  exemplars(request: ExemplarRequest): ReturnType<MetricStore["exemplars"]> {
    request.signal?.throwIfAborted();
    return Promise.resolve(this.#exemplars.select(request));
  }

  async *select(request: Parameters<MetricStore["select"]>[0]): AsyncGenerator<readonly Series[]> {
    const { startMs, endMs, signal } = request;
    signal.throwIfAborted();
    const view = this.#core.view(startMs, endMs);
    try {
      for await (const batch of selectMetrics(
        view,
        request,
        createPacer(this.#core.clock, signal),
      )) {
        signal.throwIfAborted();
        yield batch;
      }
    } catch (error) {
      await this.#core.blockSet.setAside(error);
      throw error;
    } finally {
      await view.release();
    }
  }

  lend(request: MetricSelection): MetricLoan | undefined {
    const { startMs, endMs, matchers, signal } = request;
    const { clock, blockSet } = this.#core;
    const view = this.#core.view(startMs, endMs);
    if (view.blocks.length === 0) {
      void view.release();
      return undefined;
    }
    for (const block of view.blocks) block.lend();
    let isLent = true;
    return {
      lent: lendBlocks(matchers, view.blocks, { standing: blockSet.blocks, hidden: view.hidden }),
      heads: selectMetrics({ ...view, blocks: [] }, request, createPacer(clock, signal)),
      setAside: (fault) => blockSet.setAside(fault),
      release: async () => {
        if (!isLent) return;
        isLent = false;
        for (const block of view.blocks) await block.takeBack();
        await view.release();
        if (blockSet.hasLeavers) await blockSet.settle();
      },
    };
  }

  async deleteSeries(request: MetricRange): Promise<void> {
    const { matchers, startMs, endMs } = request;
    const core = this.#core;
    // What is in memory becomes a block: deletes concern blocks alone, so that what comes later is told apart from what was there.
    if (await isInHeads(core, request)) await core.flush();
    await core.deletes.add({ matchers, startMs, endMs, seal: core.blockSet.lastSeal });
  }

  async cleanTombstones(): Promise<void> {
    await this.#core.compactor?.clean();
  }

  async compact(): Promise<void> {
    await this.#core.compactor?.run();
  }

  blocks(): readonly BlockSummary[] {
    return this.#core.blockSet.blocks.map(({ meta, bytes }) => {
      const { block, minMs, maxMs, series, rows, level, sources } = meta;
      return { block, minMs, maxMs, series, samples: rows, bytes, level, sources };
    });
  }

  async cardinality(
    request: CardinalityRequest & { readonly signal?: AbortSignal },
  ): Promise<Cardinality> {
    const core = this.#core;
    const view = core.view(core.newestMs - HEAD_AGE_MAX_MS, Infinity);
    try {
      return await countCardinality(view, request, createPacer(core.clock, request.signal));
    } catch (error) {
      await core.blockSet.setAside(error);
      throw error;
    } finally {
      await view.release();
    }
  }

  metadata(): ReadonlyMap<string, MetricMetadata> {
    return this.#metadata;
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

  #noteMetadata(entry: MetricMetadata): void {
    if (this.#metadata.size < METADATA_FAMILIES_MAX || this.#metadata.has(entry.family))
      this.#metadata.set(entry.family, entry);
  }
}
