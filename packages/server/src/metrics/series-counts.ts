/**
 * Visits series for those who count them by the values of a label, which the store does not count by itself. Series are read one metric at a time,
 * so that no more labels are in memory than the largest metric has.
 */
import { setImmediate } from "node:timers/promises";
import { createMatcher } from "@finch/model";
import type { Labels } from "@finch/model";
import type { LabelScope, MetricStore } from "@finch/store";
import { readLists } from "../label-lists.ts";
import type { LabelReads } from "../label-lists.ts";

/** Series visited before other work has its turn; some milliseconds. */
const SERIES_AT_ONCE = 5_000;

export interface Count {
  readonly name: string;
  readonly value: number;
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
