/** What functions of range vectors have to say about the samples of one series; each remark at most once a series. */
import type { Annotations } from "./annotations.ts";
import type { Position } from "./errors.ts";

/** What was done to histograms with different custom bounds, or with colliding resets. */
export type HistogramOperation = "addition" | "subtraction" | "aggregation";

export class RangeNotes {
  readonly #annotations: Annotations;
  readonly #position: Position;
  #metric = "";
  #made = new Set<string>();

  constructor(annotations: Annotations, position: Position) {
    this.#annotations = annotations;
    this.#position = position;
  }

  get metric(): string {
    return this.#metric;
  }

  /** The name of the series that is looked at next. */
  set metric(name: string) {
    this.#metric = name;
    if (this.#made.size > 0) this.#made = new Set();
  }

  /** A window has floats and histograms. */
  mixedSamples(): void {
    this.#once("mixed", () => this.#annotations.mixedSamples(this.#metric, this.#position));
  }

  /** A function of floats left out the histograms of a window. */
  ignoredHistograms(): void {
    this.#once("ignored", () => this.#annotations.ignoredInRange(this.#metric, this.#position));
  }

  /** Histograms with an exponential schema and with custom bounds. */
  mixedLayouts(): void {
    this.#once("layouts", () => this.#annotations.mixedLayouts(this.#metric, this.#position));
  }

  /** A function of counters got gauge histograms. */
  notCounter(): void {
    this.#once("counter", () => this.#annotations.notCounter(this.#metric, this.#position));
  }

  /** A function of gauges got counter histograms. */
  notGauge(): void {
    this.#once("gauge", () => this.#annotations.notGauge(this.#metric, this.#position));
  }

  /** Custom bounds were cut down to those that all have. */
  reconciled(operation: HistogramOperation): void {
    this.#once(operation, () => this.#annotations.reconciledBounds(operation, this.#position));
  }

  /** Some histograms say that their counter was reset, others that it was not. */
  collidingResets(): void {
    this.#once("collision", () => this.#annotations.collidingResets("aggregation", this.#position));
  }

  /** A counter began before the sample in front of it, at another time than that one's. Counted by window. */
  overlappingStarts(): void {
    this.#annotations.overlappingStarts(this.#metric, this.#position);
  }

  #once(remark: string, make: () => void): void {
    if (this.#made.has(remark)) return;
    this.#made.add(remark);
    make();
  }
}
