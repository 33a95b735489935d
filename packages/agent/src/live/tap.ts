/**
 * Somebody who watches: what passes is kept for them until they take it, a bounded number at a time; of what is more, evenly spread ones are kept
 * and the rest is counted. A slow reader costs what a fast one does.
 */
import type { Clock } from "@finch/runtime";

/** Shown between two takings, and of one batch. */
const KEPT_MAX = 200;
const KEPT_OF_BATCH_MAX = 50;
/** How often a reader is given something. */
const PAUSE_MS = 250;
/** Without anything to show, the reader is told so after this: what is between must not think that nobody is there. */
const QUIET_MS = 15_000;

export interface TapChunk<Item> {
  readonly items: readonly Item[];
  /** What passed and is not among the items. */
  readonly skipped: number;
}

export class Tap<Item> {
  #kept: Item[] = [];
  #skipped = 0;
  #arrived = Promise.withResolvers<void>();

  /** `itemAt` makes what is shown of the `count` things of a batch. */
  offer(count: number, itemAt: (index: number) => Item): void {
    const room = Math.min(KEPT_OF_BATCH_MAX, KEPT_MAX - this.#kept.length, count);
    for (let i = 0; i < room; i++) this.#kept.push(itemAt(Math.floor((i * count) / room)));
    this.#skipped += count - room;
    this.#arrived.resolve();
  }

  /** Chunks as they come, four a second at most, until `signal` aborts; an empty one when it is quiet. */
  async *read(clock: Clock, signal: AbortSignal): AsyncGenerator<TapChunk<Item>> {
    try {
      while (!signal.aborted) {
        const wait = new AbortController();
        await Promise.race([
          this.#arrived.promise,
          clock.sleep(QUIET_MS, AbortSignal.any([signal, wait.signal])).catch(() => {}),
        ]);
        wait.abort();
        if (signal.aborted) return;
        const chunk = { items: this.#kept, skipped: this.#skipped };
        this.#kept = [];
        this.#skipped = 0;
        this.#arrived = Promise.withResolvers();
        yield chunk;
        await clock.sleep(PAUSE_MS, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
