/** What a store counts since it was opened, and its statistics. */
import type { AppendResult, MetricAppendResult, StoreStatistics } from "./api.ts";
import type { Head, StoreCore } from "./store-core.ts";

export class StoreCounters {
  #appendedTotal = 0;
  #rejectedTotal = 0;

  /** Notes the outcome of an append and returns it. */
  count<Result extends AppendResult | MetricAppendResult>(result: Result): Result {
    this.#appendedTotal += result.accepted;
    this.#rejectedTotal += result.rejections.length;
    return result;
  }

  statistics<H extends Head>(core: StoreCore<H>): StoreStatistics {
    const wal = core.wal.statistics();
    const { oldestMs, newestMs } = core;
    return {
      headSeries: core.head.index.seriesCount,
      headBytes: core.headBytes,
      walBytes: wal.bytes,
      blocks: core.blockSet.blocks.length,
      blockBytes: core.blockSet.bytes,
      appendedTotal: this.#appendedTotal,
      rejectedTotal: this.#rejectedTotal,
      fsyncTotal: wal.fsyncTotal,
      quarantined: [
        ...core.blockSet.quarantined,
        ...core.wal.damagedPaths.map((directory) => ({
          directory,
          reason: "a damaged log segment",
        })),
      ],
      compactionsTotal: core.compactor?.compactedTotal ?? 0,
      compactionFailuresTotal: core.compactor?.failedTotal ?? 0,
      compactedBytesTotal: core.compactor?.bytesReadTotal ?? 0,
      pendingDeletes: core.deletes.entries.length,
      oldestMs: Number.isFinite(oldestMs) ? oldestMs : undefined,
      newestMs: Number.isFinite(newestMs) ? newestMs : undefined,
      recovery: core.recovery,
    };
  }
}
