/**
 * Counts series by metric name and by label, for those who look for what makes a store large. Series are read one metric at a time, so that no more
 * labels are in memory than the largest metric has.
 */
import { setImmediate } from "node:timers/promises";
import { createMatcher } from "@finch/model";
import type { Labels } from "@finch/model";
import type { LabelScope, MetricStore } from "@finch/store";
import { readLists } from "../label-lists.ts";
import type { LabelReads } from "../label-lists.ts";

/** Different texts counted at once; when there are more, those seen least are forgotten, and the largest counts stay right within the smallest. */
const COUNTED_MAX = 200_000;

/** Series visited before other work has its turn; some milliseconds. */
const SERIES_AT_ONCE = 5_000;

export interface Count {
  readonly name: string;
  readonly value: number;
}

/** Counts how often a text comes up, in bounded memory. */
export class TextCounter {
  readonly #counts = new Map<string, number>();
  readonly #textsMax: number;

  constructor(textsMax = COUNTED_MAX) {
    this.#textsMax = textsMax;
  }

  add(text: string, count = 1): void {
    this.#counts.set(text, (this.#counts.get(text) ?? 0) + count);
    if (this.#counts.size > this.#textsMax) this.#forget();
  }

  /** The largest counts, those of the same height by their text. */
  top(limit: number): readonly Count[] {
    return topCounts(this.#counts, limit);
  }

  /** Drops the smaller half. */
  #forget(): void {
    const counts = [...this.#counts.values()].sort((a, b) => a - b);
    const least = counts[counts.length >>> 1]!;
    for (const [text, count] of this.#counts) {
      if (count <= least) this.#counts.delete(text);
      if (this.#counts.size <= this.#textsMax / 2) break;
    }
  }
}

/** The `limit` largest of `counts`, largest first, those of the same height by name. */
export function topCounts(
  counts: Iterable<readonly [name: string, value: number]>,
  limit: number,
): readonly Count[] {
  return Array.from(counts, ([name, value]) => ({ name, value }))
    .sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1))
    .slice(0, limit);
}

/**
 * Calls `visit` with the series of each metric in the scope, one metric after the other and of a large one some at a time, in turns with other
 * work. Series without a name come first.
 */
export async function visitSeries(
  store: MetricStore,
  scope: LabelScope,
  reads: LabelReads,
  visit: (metric: string, series: readonly Labels[]) => void,
): Promise<void> {
  const metrics = await store.labelValues("__name__", scope);
  const scopes = ["", ...metrics].map((metric) => ({
    ...scope,
    metric,
    matchers: [...scope.matchers, createMatcher("__name__", "=", metric)],
  }));
  const lists = readLists(reads, scopes, async (one) => ({
    metric: one.metric,
    series: await store.series(one),
  }));
  for await (const { metric, series } of lists) {
    for (let from = 0; from < series.length; from += SERIES_AT_ONCE) {
      visit(metric, series.slice(from, from + SERIES_AT_ONCE));
      await setImmediate();
      reads.signal.throwIfAborted();
    }
  }
}
