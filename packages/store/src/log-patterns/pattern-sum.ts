/** The patterns of pages, summed by the steps of a query. */
import type { PagePattern, PagePatterns } from "./page-patterns.ts";
import { PatternClusters } from "./pattern-clusters.ts";
import type { MinedPattern } from "./pattern-clusters.ts";

/** Patterns told apart at a time; beyond it the rarest are given up. */
const CLUSTERS_MAX = 2000;

/** Times in seconds; a range is `start <= time < end`. */
interface Range {
  readonly start: number;
  readonly end: number;
}

type Counts = Pick<PagePattern, "bins" | "counts">;

export class PatternSum {
  readonly #range: Range;
  readonly #step: number;
  readonly #clusters = new PatternClusters(CLUSTERS_MAX);

  constructor(range: { readonly startNs: bigint; readonly endNs: bigint }, stepSeconds: number) {
    this.#range = { start: seconds(range.startNs), end: seconds(range.endNs) };
    this.#step = stepSeconds;
  }

  /** Adds a page whose lines lie between these times. Lines of a bin that spans steps, or an end of the range, are taken to be spread evenly. */
  addPage(
    { binSeconds, patterns, others }: PagePatterns,
    span: { readonly minNs: bigint; readonly maxNs: bigint },
  ): void {
    const page = { start: seconds(span.minNs), end: seconds(span.maxNs + 1n) };
    for (const { pattern, level, ...counts } of patterns)
      this.#spread(counts, binSeconds, page, (step, count) => {
        this.#clusters.addCounted(pattern, { level, step, count });
      });
    this.#spread(others, binSeconds, page, (step, count) => {
      this.#clusters.countOthers(step, count);
    });
  }

  /** Adds what was counted by the steps of the query. */
  addCounted(mined: PatternClusters): void {
    for (const { pattern, level, samples } of mined.patterns())
      for (const [step, count] of samples)
        this.#clusters.addCounted(pattern, { level, step: step * this.#step, count });
    for (const [step, count] of mined.others) this.#clusters.countOthers(step * this.#step, count);
  }

  finish(): { readonly patterns: readonly MinedPattern[]; readonly others: number } {
    const patterns = this.#clusters.patterns();
    let others = 0;
    for (const count of this.#clusters.others.values()) others += count;
    return { patterns, others };
  }

  #spread(
    { bins, counts }: Counts,
    binSeconds: number,
    page: Range,
    add: (step: number, count: number) => void,
  ): void {
    const step = this.#step;
    const { start, end } = this.#range;
    for (const [i, bin] of bins.entries()) {
      const count = counts[i]!;
      const from = Math.max(bin * binSeconds, page.start);
      const to = Math.max(from, Math.min((bin + 1) * binSeconds, page.end));
      const first = Math.floor(Math.max(from, start) / step);
      if (from >= start && to <= end && to <= (first + 1) * step) {
        add(first * step, count);
        continue;
      }
      const before = (time: number): number =>
        Math.round(count * Math.min(1, Math.max(0, (time - from) / (to - from))));
      const until = Math.min(to, end);
      for (let at = first; at * step < until; at++) {
        const some = before(Math.min((at + 1) * step, end)) - before(Math.max(at * step, start));
        if (some > 0) add(at * step, some);
      }
    }
  }
}

function seconds(ns: bigint): number {
  return Number(ns / 1_000_000_000n) + Number(ns % 1_000_000_000n) / 1e9;
}
