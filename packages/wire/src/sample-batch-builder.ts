/**
 * Collects samples into the columns of a batch, series by series, for every protocol but remote write 1.0 (which reads its columns out of the body
 * as it stands). Holds a request to its limits of series and samples before memory is taken.
 */
import { ByteWriter } from "@finch/codec";
import type { Exemplar, Histogram, Labels, MetricMetadata, SampleBatch } from "@finch/model";
import { STALE_NAN_HIGH, STALE_NAN_LOW } from "@finch/model";
import { tooLarge } from "./errors.ts";
import { readLabelKey, writeLabelKey } from "./label-key.ts";

/** What one request may bring. */
export interface BatchLimits {
  readonly seriesMax: number;
  readonly samplesMax: number;
  readonly metadataMax: number;
  /** Bytes of the labels of all series together; references to a table of symbols would make them without end. */
  readonly labelBytesMax: number;
}

/**
 * `beginSeries`, then `addSample`, `addHistogram`, `addExemplar`, and the labels into {@link keys} or {@link writeLabels}, in any order; then
 * `endSeries` or `dropSeries`. A series may come more than once.
 */
export class SampleBatchBuilder {
  /** Where the label messages of the open series are appended (see `label-key.ts`). */
  readonly keys: ByteWriter;
  readonly #limits: BatchLimits;
  readonly #metadata = new Map<string, MetricMetadata>();
  readonly #histograms = new Map<number, Histogram>();
  readonly #exemplars: { readonly series: number; readonly exemplar: Exemplar }[] = [];
  #timestampsMs: Float64Array;
  #values: Float64Array;
  #words: Uint32Array;
  #starts: Float64Array | undefined;
  #sampleCount = 0;
  #sampleStarts: Uint32Array;
  #keyBounds: Uint32Array;
  #seriesCount = 0;
  #seriesSeen = 0;
  #firstSample = 0;
  #firstExemplar = 0;
  #keyStart = 0;

  /** `expectedSamples` sizes the first columns. */
  constructor(limits: BatchLimits, expectedSamples: number) {
    const rows = Math.max(16, expectedSamples);
    this.#limits = limits;
    this.keys = new ByteWriter(rows * 64);
    this.#timestampsMs = new Float64Array(rows);
    this.#values = new Float64Array(rows);
    this.#words = new Uint32Array(this.#values.buffer);
    this.#sampleStarts = new Uint32Array(rows + 1);
    this.#keyBounds = new Uint32Array(2 * rows);
  }

  /** Samples of the open series. */
  get openSamples(): number {
    return this.#sampleCount - this.#firstSample;
  }

  /** Time of its last sample. */
  get openTimestampMs(): number {
    return this.openSamples === 0 ? 0 : this.#timestampsMs[this.#sampleCount - 1]!;
  }

  beginSeries(): void {
    if (++this.#seriesSeen > this.#limits.seriesMax)
      throw tooLarge(
        `the request has more than ${this.#limits.seriesMax} series: send smaller batches`,
      );
    this.#firstSample = this.#sampleCount;
    this.#firstExemplar = this.#exemplars.length;
    this.#keyStart = this.keys.length;
  }

  /** Appends the labels of the open series. */
  writeLabels(labels: Labels): void {
    writeLabelKey(this.keys, labels);
  }

  /** A float by its bits, low word first; `startMs` is 0 where it is not known. */
  addSample(timestampMs: number, low: number, high: number, startMs: number): void {
    const row = this.#addRow(timestampMs, startMs);
    this.#words[2 * row] = low;
    this.#words[2 * row + 1] = high;
  }

  addValue(timestampMs: number, value: number, startMs: number): void {
    const row = this.#addRow(timestampMs, startMs);
    this.#values[row] = value;
  }

  addStale(timestampMs: number): void {
    this.addSample(timestampMs, STALE_NAN_LOW, STALE_NAN_HIGH, 0);
  }

  addHistogram(timestampMs: number, histogram: Histogram, startMs: number): void {
    const row = this.#addRow(timestampMs, startMs);
    this.#values[row] = histogram.sum;
    this.#histograms.set(row, histogram);
  }

  addExemplar(exemplar: Exemplar): void {
    this.#exemplars.push({ series: this.#seriesCount, exemplar });
  }

  /** Gives a start to those samples of the open series that have none. */
  fillStarts(startMs: number): void {
    const starts = (this.#starts ??= new Float64Array(this.#timestampsMs.length));
    for (let row = this.#firstSample; row < this.#sampleCount; row++)
      if (starts[row] === 0) starts[row] = startMs;
  }

  /** Keeps the open series; one without samples and exemplars leaves no trace. Returns whether it was kept. */
  endSeries(): boolean {
    if (this.openSamples === 0 && this.#exemplars.length === this.#firstExemplar) {
      this.dropSeries();
      return false;
    }
    if (this.keys.length > this.#limits.labelBytesMax)
      throw tooLarge(
        `the labels of the request take more than ${this.#limits.labelBytesMax} bytes: send smaller batches`,
      );
    const s = this.#seriesCount++;
    if (s + 2 > this.#sampleStarts.length) {
      this.#sampleStarts = grown(
        this.#sampleStarts,
        new Uint32Array(2 * this.#sampleStarts.length),
      );
      this.#keyBounds = grown(this.#keyBounds, new Uint32Array(2 * this.#sampleStarts.length));
    }
    this.#sampleStarts[s + 1] = this.#sampleCount;
    this.#keyBounds[2 * s] = this.#keyStart;
    this.#keyBounds[2 * s + 1] = this.keys.length;
    return true;
  }

  /** Forgets the open series and all it brought. */
  dropSeries(): void {
    for (let row = this.#firstSample; row < this.#sampleCount; row++) {
      this.#histograms.delete(row);
      if (this.#starts !== undefined) this.#starts[row] = 0;
    }
    this.#sampleCount = this.#firstSample;
    this.#exemplars.length = this.#firstExemplar;
    this.keys.length = this.#keyStart;
  }

  /** The last of a family counts. */
  addMetadata(entry: MetricMetadata): void {
    if (this.#metadata.size >= this.#limits.metadataMax && !this.#metadata.has(entry.family))
      throw tooLarge(`the request has metadata of more than ${this.#limits.metadataMax} families`);
    this.#metadata.set(entry.family, entry);
  }

  /** The batch; the builder is done with then. */
  finish(): SampleBatch {
    const count = this.#seriesCount;
    const samples = this.#sampleCount;
    const keyBytes = this.keys.bytes.subarray(0, this.keys.length);
    const keyBounds = this.#keyBounds.subarray(0, 2 * count);
    const starts = this.#starts?.subarray(0, samples);
    return {
      seriesCount: count,
      sampleStarts: this.#sampleStarts.subarray(0, count + 1),
      timestampsMs: this.#timestampsMs.subarray(0, samples),
      values: this.#values.subarray(0, samples),
      keyBytes,
      keyBounds,
      labelsOf: (s) =>
        readLabelKey({ bytes: keyBytes, start: keyBounds[2 * s]!, end: keyBounds[2 * s + 1]! }),
      metadata: [...this.#metadata.values()],
      ...(this.#histograms.size > 0 && { histograms: this.#histograms }),
      ...(this.#exemplars.length > 0 && { exemplars: this.#exemplars }),
      ...(starts?.some((start) => start !== 0) === true && { startTimestampsMs: starts }),
    };
  }

  #addRow(timestampMs: number, startMs: number): number {
    const row = this.#sampleCount++;
    if (row >= this.#limits.samplesMax)
      throw tooLarge(
        `the request has more than ${this.#limits.samplesMax} samples: send smaller batches`,
      );
    if (row >= this.#timestampsMs.length) this.#growSamples();
    this.#timestampsMs[row] = timestampMs;
    if (startMs !== 0)
      (this.#starts ??= new Float64Array(this.#timestampsMs.length))[row] = startMs;
    return row;
  }

  #growSamples(): void {
    const length = 2 * this.#timestampsMs.length;
    this.#timestampsMs = grown(this.#timestampsMs, new Float64Array(length));
    // By words: a double that passes through a variable may lose the payload of its NaN.
    const words = new Uint32Array(2 * length);
    words.set(this.#words);
    this.#words = words;
    this.#values = new Float64Array(words.buffer);
    if (this.#starts !== undefined) this.#starts = grown(this.#starts, new Float64Array(length));
  }
}

function grown<Column extends Float64Array | Uint32Array>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}
