/** Grows the columns of a `SampleSet`. Values are written as bits where they are stale markers, which a plain number would lose. */
import { setStaleAt, wordsOf } from "@finch/model";
import type { Exemplar, Histogram, Labels, MetricMetadata } from "@finch/model";
import type { SampleSet, SeriesExemplar } from "../../receivers.ts";

export class SampleBuilder {
  readonly #labels: Labels[] = [];
  #timestampsMs = new Float64Array(256);
  #values = new Float64Array(256);
  #histograms: Map<number, Histogram> | undefined;
  #startTimestampsMs: Float64Array<ArrayBuffer> | undefined;
  #exemplars: SeriesExemplar[] | undefined;

  get count(): number {
    return this.#labels.length;
  }

  get isEmpty(): boolean {
    return this.#labels.length === 0 && this.#exemplars === undefined;
  }

  add(labels: Labels, timestampMs: number, value: number): void {
    this.#values[this.#next(labels, timestampMs)] = value;
  }

  addHistogram(labels: Labels, timestampMs: number, histogram: Histogram): void {
    const index = this.#next(labels, timestampMs);
    this.#values[index] = histogram.sum;
    (this.#histograms ??= new Map()).set(index, histogram);
  }

  /** `labels` are those of the series. */
  addExemplar(labels: Labels, exemplar: Exemplar): void {
    (this.#exemplars ??= []).push({ labels, exemplar });
  }

  /** Adds a stale marker: the series ends here. */
  addStale(labels: Labels, timestampMs: number): void {
    setStaleAt(wordsOf(this.#values), this.#next(labels, timestampMs));
  }

  /** Copies sample `index` of another set under new labels, its bits untouched. */
  copy(
    labels: Labels,
    from: Pick<SampleSet, "timestampsMs" | "values" | "histograms" | "startTimestampsMs">,
    index: number,
  ): void {
    const at = this.#next(labels, from.timestampsMs[index]!);
    this.#values.set(from.values.subarray(index, index + 1), at);
    const histogram = from.histograms?.get(index);
    if (histogram !== undefined) (this.#histograms ??= new Map()).set(at, histogram);
    const startMs = from.startTimestampsMs?.[index] ?? 0;
    if (startMs === 0) return;
    this.#startTimestampsMs ??= new Float64Array(this.#values.length);
    this.#startTimestampsMs[at] = startMs;
  }

  /** The set; the builder must not be used afterwards. */
  build(metadata: readonly MetricMetadata[]): SampleSet {
    const count = this.#labels.length;
    return {
      labels: this.#labels,
      timestampsMs: this.#timestampsMs.subarray(0, count),
      values: this.#values.subarray(0, count),
      metadata,
      ...(this.#histograms === undefined ? {} : { histograms: this.#histograms }),
      ...(this.#startTimestampsMs === undefined
        ? {}
        : { startTimestampsMs: this.#startTimestampsMs.subarray(0, count) }),
      ...(this.#exemplars === undefined ? {} : { exemplars: this.#exemplars }),
    };
  }

  #next(labels: Labels, timestampMs: number): number {
    const index = this.#labels.push(labels) - 1;
    if (index === this.#values.length) {
      this.#timestampsMs = grown(this.#timestampsMs);
      this.#values = grown(this.#values);
      if (this.#startTimestampsMs !== undefined)
        this.#startTimestampsMs = grown(this.#startTimestampsMs);
    }
    this.#timestampsMs[index] = timestampMs;
    return index;
  }
}

function grown(column: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(column.length * 2);
  larger.set(column);
  return larger;
}
