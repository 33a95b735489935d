/** A log store in memory, for tests of the API; behaves as `@finch/store` promises. */
import { createMemorySource } from "@finch/logql";
import type { Labels } from "@finch/model";
import type { LogBatch } from "@finch/model";
import type {
  AppendResult,
  LabelScope,
  LogStore,
  StoreStatistics,
  TailListener,
} from "@finch/store";

export function openMemoryLogStore(): LogStore {
  const source = createMemorySource();
  const listeners = new Set<TailListener>();
  const streams = new Map<string, { readonly labels: Labels; readonly timesMs: number[] }>();
  let appended = 0;
  const inScope = ({ matchers, startMs, endMs }: LabelScope) =>
    [...streams.values()]
      .filter(
        ({ labels, timesMs }) =>
          matchers.every((matcher) => matcher.matches(labels.get(matcher.name))) &&
          timesMs.some((ms) => ms >= startMs && ms <= endMs),
      )
      .map(({ labels }) => labels);
  return {
    append(batch: LogBatch): Promise<AppendResult> {
      for (const { labels, entries } of batch.streams) {
        const rows = Array.from({ length: entries.count }, (_, row) => ({
          timestampNs: entries.timestampsNs[row]!,
          line: Buffer.from(
            entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]),
          ).toString("utf8"),
          metadata: entries.metadataSets[entries.metadataOf[row]!]!,
        }));
        source.append(labels, rows);
        let stream = streams.get(labels.key);
        if (stream === undefined) streams.set(labels.key, (stream = { labels, timesMs: [] }));
        for (const row of rows) stream.timesMs.push(Number(row.timestampNs / 1_000_000n));
        appended += entries.count;
        for (const listener of listeners) listener(labels, entries);
      }
      return Promise.resolve({ accepted: appended, duplicates: 0, rejections: [] });
    },
    select: (request, statistics) => source.select(request, statistics),
    async *count(request, statistics) {
      const select = { ...request, needles: [], lines: "all", direction: "any" } as const;
      for await (const { labels, entries } of source.select(select, statistics))
        yield { kind: "lines", labels, entries };
    },
    // Patterns and deletes are tested against the real store.
    patterns: () => Promise.reject(new Error("the store in memory has no patterns")),
    deleteLines: () => Promise.reject(new Error("the store in memory deletes nothing")),
    lineDeletes: () => [],
    carryOutDeletes: () => Promise.resolve(),
    compact: () => Promise.resolve(),
    cancelDelete: () => Promise.reject(new Error("the store in memory deletes nothing")),
    tail: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    labelNames: (scope) =>
      Promise.resolve(
        [
          ...new Set(inScope(scope).flatMap((labels) => [...labels].map(([name]) => name))),
        ].toSorted(),
      ),
    labelValues: (name, scope) =>
      Promise.resolve(
        [...new Set(inScope(scope).map((labels) => labels.get(name)))]
          .filter((value) => value !== "")
          .toSorted(),
      ),
    series: (scope) => Promise.resolve(inScope(scope).toSorted((a, b) => (a.key < b.key ? -1 : 1))),
    statistics: () => statisticsOf(streams.size, appended),
    flush: () => Promise.resolve(),
    expire: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function statisticsOf(headSeries: number, appendedTotal: number): StoreStatistics {
  return {
    headSeries,
    headBytes: 0,
    walBytes: 0,
    blocks: 0,
    blockBytes: 0,
    appendedTotal,
    rejectedTotal: 0,
    fsyncTotal: 0,
    quarantined: [],
    compactionsTotal: 0,
    compactionFailuresTotal: 0,
    compactedBytesTotal: 0,
    pendingDeletes: 0,
    oldestMs: undefined,
    newestMs: undefined,
    recovery: { records: 0, durationMs: 0, tornBytes: 0, removedPaths: [] },
  };
}
