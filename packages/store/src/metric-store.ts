/** The metric store: composes records from batches, applies them to the head once they are durable, answers selections. */
import { join } from "node:path";
import { KeyHasher } from "@finch/codec/kernels";
import { wordsOf } from "@finch/model";
import type { Labels, MetricMetadata, SampleBatch, Series } from "@finch/model";
import type {
  AppendResult,
  LabelScope,
  MetricStore,
  OpenMetricStore,
  Rejection,
  StoreOptions,
  StoreStatistics,
} from "./api.ts";
import { FILE_HEADER_BYTES } from "./block-format.ts";
import { corruptFile } from "./errors.ts";
import { METADATA_FILE } from "./file-names.ts";
import { StoreLabels } from "./label-queries.ts";
import { KEY_BYTES_FACTOR, KEY_BYTES_MIN, METADATA_FAMILIES_MAX } from "./limits.ts";
import { readPlace, sealMetrics } from "./metric-block.ts";
import { MetricHead } from "./metric-head.ts";
import { MetricRecordWriter } from "./metric-record.ts";
import { selectMetrics } from "./metric-select.ts";
import type { MetricRange } from "./metric-select.ts";
import { growInt32, growUint32 } from "./number-columns.ts";
import { createPacer } from "./pacer.ts";
import { StoreCore } from "./store-core.ts";
import type { Signal } from "./store-core.ts";
import { StoreCounters } from "./store-counters.ts";
import { TimeRows } from "./time-rows.ts";

/** Instead of a series' number. */
const NOT_WANTED = -2;
const NO_ROOM = -1;

const METRICS: Signal<MetricHead> = {
  name: "metrics",
  createHead: () => new MetricHead(),
  replay: (head, payload, numbers) => void head.apply(payload, numbers),
  seal: sealMetrics,
};

/** Opens the store of `options.directory`, recovering what the log holds. Lock the data directory first (`lockDirectory`). */
export const openMetricStore: OpenMetricStore = async (options) => {
  const core = await StoreCore.open(METRICS, options);
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
    return new DurableMetricStore(core, options, metadata);
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
  readonly #record = new MetricRecordWriter();
  readonly #hasher = new KeyHasher();
  /** Of the batch at hand: series numbers, and how many samples of each are taken. */
  #series = new Int32Array(64) as Int32Array;
  #wanted = new Uint32Array(64) as Uint32Array;

  constructor(
    core: StoreCore<MetricHead>,
    options: StoreOptions,
    metadata: Map<string, MetricMetadata>,
  ) {
    this.#core = core;
    this.#options = options;
    this.#metadata = metadata;
    this.#labels = new StoreLabels(core, (block) => {
      const times = new TimeRows(block);
      return (payload) => times.row(readPlace(payload).row);
    });
    this.#counters = new StoreCounters();
  }

  async append(batch: SampleBatch): Promise<AppendResult> {
    this.#core.admit();
    const { head } = this.#core;
    const rejections: Rejection[] = [];
    const runs = this.#compose(head, batch, rejections);
    if (this.#record.isEmpty)
      return this.#counters.count({ accepted: 0, duplicates: 0, rejections });
    const payload = this.#record.finish();
    const outcome = await this.#core.commit(payload, () => head.apply(payload, undefined));
    for (const entry of batch.metadata) this.#noteMetadata(entry);
    for (const { run, timestampMs } of outcome.conflicts) {
      rejections.push({ index: runs[run]!, reason: "duplicate-timestamp", timestampMs });
    }
    return this.#counters.count({
      accepted: outcome.accepted,
      duplicates: outcome.duplicates,
      rejections,
    });
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

  /** Fills the record; returns the series of the batch that each run of it stands for. */
  #compose(head: MetricHead, batch: SampleBatch, rejections: Rejection[]): number[] {
    const oldestMs = this.#core.windowStartMs;
    const latestMs = this.#core.clock.nowMs() + this.#options.limits.futureWindowMs;
    this.#resolve(head, batch, { oldestMs, latestMs });
    const record = this.#record;
    const { refusals } = this.#core.wal;
    const words = wordsOf(batch.values);
    const runs: number[] = [];
    record.clear();
    for (let s = 0; s < batch.seriesCount; s++) {
      const from = batch.sampleStarts[s]!;
      const to = batch.sampleStarts[s + 1]!;
      const series = this.#series[s]!;
      if (series === NO_ROOM) {
        const timestampMs = batch.timestampsMs[from]!;
        rejections.push({ index: s, reason: "too-many-series", timestampMs });
        continue;
      }
      if (series !== NOT_WANTED) {
        if (head.needsDefinition(series, refusals)) record.define(series, head.labelsOf(series));
        record.beginRun(series, this.#wanted[s]!);
        runs.push(s);
      }
      for (let i = from; i < to; i++) {
        const timestampMs = batch.timestampsMs[i]!;
        if (timestampMs < oldestMs) rejections.push({ index: s, reason: "too-old", timestampMs });
        else if (timestampMs > latestMs)
          rejections.push({ index: s, reason: "too-far-in-future", timestampMs });
        else record.addSample(timestampMs, words[2 * i]!, words[2 * i + 1]!);
      }
    }
    for (const entry of batch.metadata) {
      if (
        !isSameMetadata(head.metadata.get(entry.family), entry) &&
        head.metadata.size < METADATA_FAMILIES_MAX
      )
        record.addMetadata(entry);
    }
    return runs;
  }

  /** Series numbers of a batch, all of them before anything is composed: a fault must leave nothing half done. */
  #resolve(
    head: MetricHead,
    batch: SampleBatch,
    window: { readonly oldestMs: number; readonly latestMs: number },
  ): void {
    const { keys, index } = head;
    const limits = this.#core.indexLimits;
    const { headBytesMax } = this.#options.limits;
    const keyBytesMax = Math.max(KEY_BYTES_MIN, KEY_BYTES_FACTOR * headBytesMax);
    const hashes =
      batch.keyHashes ?? this.#hasher.hash(batch.keyBytes, batch.keyBounds, batch.seriesCount);
    this.#series = growInt32(this.#series, batch.seriesCount);
    this.#wanted = growUint32(this.#wanted, batch.seriesCount);
    keys.rewind();
    for (let s = 0; s < batch.seriesCount; s++) {
      const from = batch.sampleStarts[s]!;
      const to = batch.sampleStarts[s + 1]!;
      this.#wanted[s] = to - from - countOutside(batch.timestampsMs, { from, to, ...window });
      // What has no sample to be taken must not fill the head.
      if (this.#wanted[s] === 0) {
        this.#series[s] = NOT_WANTED;
        continue;
      }
      let series = keys.find(hashes, s);
      if (series < 0) {
        series = index.intern(batch.labelsOf(s), limits);
        if (series >= 0) keys.add(hashes, s, { series, bytesMax: keyBytesMax });
      }
      this.#series[s] = series < 0 ? NO_ROOM : series;
    }
  }

  #noteMetadata(entry: MetricMetadata): void {
    if (this.#metadata.size < METADATA_FAMILIES_MAX || this.#metadata.has(entry.family))
      this.#metadata.set(entry.family, entry);
  }
}

function countOutside(
  timestampsMs: Float64Array,
  bounds: {
    readonly from: number;
    readonly to: number;
    readonly oldestMs: number;
    readonly latestMs: number;
  },
): number {
  const { from, to, oldestMs, latestMs } = bounds;
  let count = 0;
  for (let i = from; i < to; i++)
    if (timestampsMs[i]! < oldestMs || timestampsMs[i]! > latestMs) count++;
  return count;
}

function isSameMetadata(a: MetricMetadata | undefined, b: MetricMetadata): boolean {
  return a !== undefined && a.type === b.type && a.help === b.help && a.unit === b.unit;
}
