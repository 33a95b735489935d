/** The metric store: composes records from batches, applies them to the head once they are durable, answers selections. */
import { join } from "node:path";
import { SampleArena } from "@finch/codec/kernels";
import type { Labels, MetricMetadata, SampleBatch, Series } from "@finch/model";
import type {
  MetricAppendResult,
  ExemplarRequest,
  LabelScope,
  MetricStore,
  OpenMetricStore,
  StoreOptions,
  StoreStatistics,
} from "./api.ts";
import { FILE_HEADER_BYTES } from "./block-format.ts";
import { corruptFile } from "./errors.ts";
import { METADATA_FILE } from "./file-names.ts";
import { ExemplarRing } from "./exemplar-ring.ts";
import { StoreLabels } from "./label-queries.ts";
import { EXEMPLARS_MAX, KEY_BYTES_FACTOR, KEY_BYTES_MIN, METADATA_FAMILIES_MAX } from "./limits.ts";
import { MetricAppender } from "./metric-appender.ts";
import { readPlace, sealMetrics } from "./metric-block.ts";
import { MetricHead } from "./metric-head.ts";
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
  };
}

/** Opens the store of `options.directory`, recovering what the log holds. Lock the data directory first (`lockDirectory`). */
export const openMetricStore: OpenMetricStore = async (options) => {
  const exemplars = new ExemplarRing(EXEMPLARS_MAX);
  const core = await StoreCore.open(metricsSignal(exemplars), options);
  try {
    const metadata = new Map<string, MetricMetadata>();
    for (const block of core.blockSet.blocks) {
      const length =
        (block.meta.files[METADATA_FILE]?.bytes ?? FILE_HEADER_BYTES) - FILE_HEADER_BYTES;
      const body = await block.readPage(METADATA_FILE, { offset: FILE_HEADER_BYTES, length });
      for (const entry of parseMetadata(body, join(block.directory, METADATA_FILE)))
        metadata.set(entry.family, entry);
    }
    for (const entry of core.head.metadata.values()) metadata.set(entry.family, entry);
    return new DurableMetricStore(core, options, { metadata, exemplars });
  } catch (error) {
    await core.close();
    throw error;
  }
};

function parseMetadata(body: Uint8Array, path: string): MetricMetadata[] {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as MetricMetadata[];
  } catch {
    throw corruptFile(path, FILE_HEADER_BYTES, "this is not JSON");
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
    for (const entry of batch.metadata) this.#noteMetadata(entry);
    return this.#counters.count(composed.settle(outcome));
  }

  exemplars(request: ExemplarRequest): ReturnType<MetricStore["exemplars"]> {
    request.signal?.throwIfAborted();
    return Promise.resolve(this.#exemplars.select(request));
  }

  async *select(
    request: MetricRange & { readonly signal: AbortSignal },
  ): AsyncGenerator<readonly Series[]> {
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
