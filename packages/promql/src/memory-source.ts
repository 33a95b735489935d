/** A source over series in memory, for tests, benches and whoever has no store. */
import type { Series } from "@finch/model";
import type { SelectRequest, SeriesSource } from "./source.ts";

export function createMemorySource(series: readonly Series[]): SeriesSource {
  return {
    async *select({ matchers, startMs, endMs, newestOnly, signal }: SelectRequest) {
      signal.throwIfAborted();
      const batch: Series[] = [];
      for (const one of series) {
        if (!matchers.every(({ name, matches }) => matches(one.labels.get(name)))) continue;
        const cut = cutSeries(one, startMs, endMs);
        const newestMs = cut.timestampsMs.at(-1);
        if (newestMs === undefined) continue;
        // As sparing as a source may be, so that whoever needs more finds out.
        batch.push(newestOnly === true ? cutSeries(cut, newestMs, newestMs) : cut);
      }
      yield batch;
    },
  };
}

/** The samples of a series from `startMs` to `endMs`, both included, without copying them. */
export function cutSeries(series: Series, startMs: number, endMs: number): Series {
  const { labels, timestampsMs, values, histograms, startTimestampsMs } = series;
  const first = lowerBound(timestampsMs, startMs);
  const last = lowerBound(timestampsMs, endMs + 1);
  return {
    labels,
    timestampsMs: timestampsMs.subarray(first, last),
    values: values.subarray(first, last),
    ...(histograms && { histograms: histograms.slice(first, last) }),
    ...(startTimestampsMs && { startTimestampsMs: startTimestampsMs.subarray(first, last) }),
  };
}

function lowerBound(times: Float64Array, wanted: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
