/**
 * Joins what many quiet sources have: the entries of each wait a moment, and all that wait are handed on together. Whatever is behind is then woken, and its disk
 * synced, once for all of them and not once for each.
 */
import type { Clock } from "@finch/runtime";
import type { LogEntry } from "../../receivers.ts";

/** How long entries wait for others: below what somebody notices who watches the lines come. */
const GATHER_MS = 250;
/** What many sources that are busy in the same moment may hold; then nothing waits. */
const ENTRIES_MAX = 2000;

export interface EntryGathererOptions {
  readonly clock: Clock;
  /** Resolves when everything downstream has the entries; rejects only when the signal aborts. */
  readonly forward: (entries: readonly LogEntry[], signal: AbortSignal) => Promise<void>;
  /** Whose abort gives up what waits. */
  readonly signal: AbortSignal;
}

interface Gathered {
  readonly entries: LogEntry[];
  readonly full: AbortController;
  /** Settles as `forward` does. */
  readonly handedOn: Promise<void>;
}

export class EntryGatherer {
  readonly #options: EntryGathererOptions;
  #open: Gathered | undefined;

  constructor(options: EntryGathererOptions) {
    this.#options = options;
  }

  /**
   * Resolves when everything downstream has the entries; rejects only when the gatherer's signal aborts. With `isUrgent` nothing waits: for a source that has more
   * already.
   */
  async handOn(
    entries: readonly LogEntry[],
    { isUrgent }: { readonly isUrgent: boolean },
  ): Promise<void> {
    const open = (this.#open ??= this.#begin());
    for (const entry of entries) open.entries.push(entry);
    if (isUrgent || open.entries.length >= ENTRIES_MAX) this.#close(open);
    await open.handedOn;
  }

  #begin(): Gathered {
    const entries: LogEntry[] = [];
    const full = new AbortController();
    return { entries, full, handedOn: this.#handOnSoon(entries, full.signal) };
  }

  async #handOnSoon(entries: readonly LogEntry[], full: AbortSignal): Promise<void> {
    const { clock, forward, signal } = this.#options;
    await clock.sleep(GATHER_MS, AbortSignal.any([full, signal])).catch(() => {});
    if (this.#open?.entries === entries) this.#open = undefined;
    signal.throwIfAborted();
    await forward(entries, signal);
  }

  /** What comes from now on is gathered anew. */
  #close(gathered: Gathered): void {
    if (this.#open === gathered) this.#open = undefined;
    gathered.full.abort();
  }
}
