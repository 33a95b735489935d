/**
 * Takes the records of the log into a head when a store is opened. Damage does not keep it from opening: what cannot be read is said and left out, and
 * rows whose series was defined in a lost record go to a series without labels, which no selector finds.
 */
import { join } from "node:path";
import { CodecError } from "@finch/codec";
import { Labels } from "@finch/model";
import type { StoreOptions } from "./api.ts";
import { segmentName, WAL_DIRECTORY } from "./file-names.ts";
import { growUint32 } from "./number-columns.ts";
import type { Head, Signal } from "./store-core.ts";
import type { StoreWal } from "./wal.ts";
import { SEGMENT_HEADER_BYTES } from "./wal-format.ts";

const REPLAY_REPORT_MS = 5000;

/** The numbers of series or streams in records, and those of the head that is recovered. */
export class ReplayNumbers {
  /** Uses of numbers that no record had defined. */
  undefinedUses = 0;
  readonly #head: Head;
  /** Number in the head + 1, or 0. */
  #known = new Uint32Array(1024) as Uint32Array;

  constructor(head: Head) {
    this.#head = head;
  }

  set(number: number, series: number): void {
    this.#known = growUint32(this.#known, number + 1);
    this.#known[number] = series + 1;
  }

  get(number: number): number {
    const known = this.#known[number] ?? 0;
    if (known > 0) return known - 1;
    this.undefinedUses++;
    return this.#head.index.intern(Labels.EMPTY);
  }
}

/** Returns how many records there were. */
export async function replayWal<H extends Head>(
  signal: Signal<H>,
  head: H,
  source: { readonly wal: StoreWal; readonly options: StoreOptions; readonly from: number },
): Promise<number> {
  const { wal, options, from } = source;
  const { clock, log, directory } = options;
  const numbers = new ReplayNumbers(head);
  const pathOf = (segment: number): string => join(directory, WAL_DIRECTORY, segmentName(segment));
  let records = 0;
  let reportedMs = clock.monotonicMs();
  for await (const { payload, next } of wal.read({ segment: from, offset: SEGMENT_HEADER_BYTES })) {
    const before = numbers.undefinedUses;
    try {
      signal.replay(head, payload, numbers);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      await wal.noteDamage(
        pathOf(next.segment),
        `the record before byte ${next.offset} makes no sense (${error.message})`,
      );
    }
    if (numbers.undefinedUses > before) {
      const what = "records name series whose definitions are lost with earlier records";
      await wal.noteDamage(pathOf(next.segment), what);
    }
    records++;
    if (clock.monotonicMs() - reportedMs > REPLAY_REPORT_MS) {
      reportedMs = clock.monotonicMs();
      log.info("replaying the log", { records, rows: head.rows, segment: next.segment });
    }
  }
  return records;
}
