/**
 * Counts the samples that each step of a query looks at, in the terms of Prometheus' `stats`: a sample counts at every step whose lookback or
 * window it is in, a histogram for its size in samples. Within a subquery nothing counts but its result.
 */
import type { Histogram } from "@finch/model";
import { sizeInSamples } from "./histogram-buckets.ts";
import { ABSENT, HISTOGRAM } from "./values.ts";
import type { OutputSeries } from "./values.ts";

export class SampleCounter {
  /** By step: samples looked at. */
  readonly looked: Float64Array;
  /** By step: those among them that the step before had not looked at. */
  readonly read: Float64Array;

  constructor(steps: number) {
    this.looked = new Float64Array(steps);
    this.read = new Float64Array(steps);
  }

  /** A series of an instant vector. */
  countInstants({ present, histograms }: OutputSeries): void {
    for (let step = 0; step < present.length; step++) {
      if (present[step] === ABSENT) continue;
      const size = present[step] === HISTOGRAM ? sizeInSamples(histograms![step]!) : 1;
      this.#add(step, size, size);
    }
  }

  /** A series of a range vector: samples `first[step] … last[step] - 1` at each step. */
  countWindows(
    { first, last }: { readonly first: Int32Array; readonly last: Int32Array },
    histograms: readonly (Histogram | undefined)[] | undefined,
  ): void {
    let seen = 0;
    for (let step = 0; step < this.looked.length; step++) {
      const from = first[step]!;
      const to = last[step]!;
      const fresh = Math.max(from, Math.min(seen, to));
      this.#add(step, sizeOf(histograms, from, to), sizeOf(histograms, fresh, to));
      seen = Math.max(seen, to);
    }
  }

  /** What one step looked at, for all of them: the expression does not depend on the step. */
  countAtEvery(once: SampleCounter): void {
    for (let step = 0; step < this.looked.length; step++)
      this.#add(step, once.looked[0]!, once.read[0]!);
  }

  /** What all steps of a subquery looked at, for the only step that asks for it as it is. */
  countAtFirst({ looked, read }: SampleCounter): void {
    for (let step = 0; step < looked.length; step++) this.#add(0, looked[step]!, read[step]!);
  }

  #add(step: number, looked: number, read: number): void {
    this.looked[step] = this.looked[step]! + looked;
    this.read[step] = this.read[step]! + read;
  }
}

function sizeOf(
  histograms: readonly (Histogram | undefined)[] | undefined,
  from: number,
  to: number,
): number {
  if (histograms === undefined) return Math.max(0, to - from);
  let size = 0;
  for (let at = from; at < to; at++) {
    const histogram = histograms[at];
    size += histogram === undefined ? 1 : sizeInSamples(histogram);
  }
  return size;
}
