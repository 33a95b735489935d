/** Gathers entries of protocols that know no streams, each with its labels, into the streams of a batch. */
import type { LogBatch } from "@finch/model";
import type { LokiPushLimits } from "./limits.ts";
import { LogBatchBuilder, spanOf } from "./log-batch-builder.ts";

export interface LogEntryDraft {
  readonly timeNs: bigint;
  readonly line: Uint8Array;
  /** `name, value, name, value …`; empty values are none. */
  readonly metadata: readonly string[];
}

export interface GroupedEntries {
  readonly batch: LogBatch;
  readonly rejected: number;
  /** The first few faults in words. */
  readonly faults: readonly string[];
}

export class LogEntryGroups {
  readonly #groups = new Map<
    string,
    { readonly labels: readonly string[]; readonly entries: LogEntryDraft[] }
  >();

  add(labels: readonly string[], entry: LogEntryDraft): void {
    const key = labels.join("\u0001");
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, { labels, entries: [entry] });
    else group.entries.push(entry);
  }

  build(limits: LokiPushLimits): GroupedEntries {
    const builder = new LogBatchBuilder(limits);
    for (const { labels, entries } of this.#groups.values()) {
      builder.beginStream(() => withoutEmpty(labels));
      for (const { timeNs, line, metadata } of entries) {
        const low = Number(BigInt.asUintN(32, timeNs));
        builder.addEntry(low, Number(timeNs >> 32n), spanOf(line), withoutEmpty(metadata));
      }
      builder.endStream();
    }
    const { faults, rejectedEntries } = builder;
    return {
      batch: { streams: builder.finish() },
      rejected: rejectedEntries,
      faults: faults.messages,
    };
  }
}

function withoutEmpty(pairs: readonly string[]): readonly string[] {
  if (pairs.every((text, i) => i % 2 === 0 || text !== "")) return pairs;
  return pairs.flatMap((text, i) => (i % 2 === 1 && text !== "" ? [pairs[i - 1]!, text] : []));
}
