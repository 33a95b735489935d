/** Figures of the two stores for `/metrics`. */
import type { MetricFamily } from "@finch/runtime";
import type { Store, StoreStatistics } from "@finch/store";

type Read = (statistics: StoreStatistics) => number | undefined;

const FIGURES: readonly (readonly [
  name: string,
  type: "counter" | "gauge",
  help: string,
  read: Read,
])[] = [
  ["head_series", "gauge", "Series or streams in the head.", (s) => s.headSeries],
  ["head_bytes", "gauge", "Bytes of the head.", (s) => s.headBytes],
  ["wal_bytes", "gauge", "Bytes of the write-ahead log on disk.", (s) => s.walBytes],
  ["blocks", "gauge", "Blocks on disk.", (s) => s.blocks],
  ["block_bytes", "gauge", "Bytes of the blocks on disk.", (s) => s.blockBytes],
  ["appended_total", "counter", "Samples or entries made durable.", (s) => s.appendedTotal],
  [
    "rejected_total",
    "counter",
    "Samples or entries refused by time or order.",
    (s) => s.rejectedTotal,
  ],
  ["fsync_total", "counter", "Times the write-ahead log was synced to disk.", (s) => s.fsyncTotal],
  [
    "quarantined_blocks",
    "gauge",
    "Blocks left out of answers because of damage.",
    (s) => s.quarantined.length,
  ],
  [
    "compactions_total",
    "counter",
    "Blocks written in the place of others, merged or without what was deleted.",
    (s) => s.compactionsTotal,
  ],
  [
    "compaction_failures_total",
    "counter",
    "Compactions that failed and are tried again.",
    (s) => s.compactionFailuresTotal,
  ],
  [
    "compacted_bytes_total",
    "counter",
    "Bytes of the blocks that compactions read.",
    (s) => s.compactedBytesTotal,
  ],
  [
    "pending_deletes",
    "gauge",
    "Deletes that are not yet carried out in all blocks.",
    (s) => s.pendingDeletes,
  ],
  ["oldest_timestamp_seconds", "gauge", "Oldest sample or entry.", (s) => inSeconds(s.oldestMs)],
  ["newest_timestamp_seconds", "gauge", "Newest sample or entry.", (s) => inSeconds(s.newestMs)],
  [
    "recovery_records",
    "gauge",
    "Records replayed from the write-ahead log at start.",
    (s) => s.recovery.records,
  ],
  [
    "recovery_seconds",
    "gauge",
    "Time recovery took at start.",
    (s) => s.recovery.durationMs / 1000,
  ],
  [
    "recovery_torn_bytes",
    "gauge",
    "Bytes cut from the end of a torn write-ahead log at start.",
    (s) => s.recovery.tornBytes,
  ],
];

function inSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

export function storeFamilies(stores: Readonly<Record<string, Store>>): readonly MetricFamily[] {
  const all = Object.entries(stores).map(
    ([signal, store]) => [signal, store.statistics()] as const,
  );
  return FIGURES.map(([name, type, help, read]) => ({
    name: `finch_store_${name}`,
    type,
    help,
    samples: all.flatMap(([signal, statistics]) => {
      const value = read(statistics);
      return value === undefined ? [] : [{ labels: { signal }, value }];
    }),
  }));
}
