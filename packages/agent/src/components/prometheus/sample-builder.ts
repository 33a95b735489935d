/** Grows the columns of a `SampleSet`. Values are written as bits where they are stale markers, which a plain number would lose. */
import { setStaleAt, wordsOf, type Labels, type MetricMetadata } from "@finch/model";
import type { SampleSet } from "../../receivers.ts";

export class SampleBuilder {
  readonly #labels: Labels[] = [];
  #timestampsMs = new Float64Array(256);
  #values = new Float64Array(256);

  get count(): number {
    return this.#labels.length;
  }

  add(labels: Labels, timestampMs: number, value: number): void {
    this.#values[this.#next(labels, timestampMs)] = value;
  }

  /** Adds a stale marker: the series ends here. */
  addStale(labels: Labels, timestampMs: number): void {
    setStaleAt(wordsOf(this.#values), this.#next(labels, timestampMs));
  }

  /** Copies sample `index` of another set under new labels, its bits untouched. */
  copy(labels: Labels, from: Pick<SampleSet, "timestampsMs" | "values">, index: number): void {
    const at = this.#next(labels, from.timestampsMs[index]!);
    this.#values.set(from.values.subarray(index, index + 1), at);
  }

  /** The set; the builder must not be used afterwards. */
  build(metadata: readonly MetricMetadata[]): SampleSet {
    const count = this.#labels.length;
    return {
      labels: this.#labels,
      timestampsMs: this.#timestampsMs.subarray(0, count),
      values: this.#values.subarray(0, count),
      metadata,
    };
  }

  #next(labels: Labels, timestampMs: number): number {
    const index = this.#labels.push(labels) - 1;
    if (index === this.#values.length) {
      this.#timestampsMs = grown(this.#timestampsMs);
      this.#values = grown(this.#values);
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
