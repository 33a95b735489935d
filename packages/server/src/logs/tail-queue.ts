/**
 * What a tail has yet to send: bounded, so that a slow client costs a fixed amount of memory and never slows ingest down. What does not fit is
 * dropped, the newest first, and remembered by stream and time so that the client is told.
 */
import type { Labels } from "@finch/model";
import type { TailEntry } from "@finch/logql";

export interface DroppedEntry {
  readonly labels: Labels;
  readonly timestampNs: bigint;
}

/** Dropped entries told one by one; beyond that the client knows well enough. */
const DROPPED_TOLD_MAX = 1000;

/** Characters of waiting lines and of the labels that each has for itself: they can be long, and a pipeline can make them longer. */
const CHARACTERS_WAITING_MAX = 16 * 1024 * 1024;

export class TailQueue {
  readonly #max: number;
  #rows: TailEntry[] = [];
  #characters = 0;
  #dropped: DroppedEntry[] = [];
  #wake: (() => void) | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  push(rows: readonly TailEntry[]): void {
    for (const row of rows) {
      if (this.#rows.length < this.#max && this.#characters < CHARACTERS_WAITING_MAX) {
        this.#rows.push(row);
        this.#characters += charactersOf(row);
      } else if (this.#dropped.length < DROPPED_TOLD_MAX) {
        this.#dropped.push({ labels: row.stream, timestampNs: row.timestampNs });
      }
    }
    if (rows.length > 0) this.#wake?.();
  }

  /** Everything there is, at least one row; waits for it. Rejects when the signal aborts. One caller at a time. */
  async take(
    signal: AbortSignal,
  ): Promise<{ readonly rows: readonly TailEntry[]; readonly dropped: readonly DroppedEntry[] }> {
    while (this.#rows.length === 0) await this.#more(signal);
    return this.takeNow();
  }

  /** Everything there is, which may be nothing. */
  takeNow(): { readonly rows: readonly TailEntry[]; readonly dropped: readonly DroppedEntry[] } {
    const rows = this.#rows;
    const dropped = this.#dropped;
    this.#rows = [];
    this.#characters = 0;
    this.#dropped = [];
    return { rows, dropped };
  }

  #more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        this.#wake = undefined;
        signal.removeEventListener("abort", onAbort);
        finish();
      };
      const onAbort = () => settle(() => reject(signal.reason as Error));
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      this.#wake = () => settle(resolve);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}

function charactersOf({ line, parsed, structuredMetadata }: TailEntry): number {
  let characters = line.length;
  for (const { pairs } of [parsed, structuredMetadata])
    for (const text of pairs) characters += text.length;
  return characters;
}
