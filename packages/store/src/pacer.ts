/** Cuts long work on the event loop into slices, so that appends and requests get their turn between them. */
import { setImmediate, setTimeout } from "node:timers/promises";
import type { Clock } from "@finch/runtime";
import { BACKGROUND_REST_MS, SLICE_MS } from "./limits.ts";

export interface Pacer {
  /** Whether the slice is used up; then `await rest()`. */
  isDue(): boolean;
  /** The same after a small piece of work, a microsecond or so: looks at the clock once in a while only. */
  isDueAfterLittle(): boolean;
  /** Lets others run, then begins the next slice; rejects with the signal's reason when it was aborted. */
  rest(): Promise<void>;
}

/** Small pieces of work between two looks at the clock. */
const LITTLE = 64;

/** Work in the background says by `isInTheWay` when somebody waits: its slices then come seldom. */
export function createPacer(
  clock: Clock,
  signal?: AbortSignal,
  isInTheWay: () => boolean = () => false,
): Pacer {
  let sliceStartMs = clock.monotonicMs();
  let little = 0;
  const isDue = () => clock.monotonicMs() - sliceStartMs >= SLICE_MS;
  return {
    isDue,
    isDueAfterLittle: () => (++little & (LITTLE - 1)) === 0 && isDue(),
    async rest() {
      if (isInTheWay()) await setTimeout(BACKGROUND_REST_MS);
      else await setImmediate();
      signal?.throwIfAborted();
      sliceStartMs = clock.monotonicMs();
    },
  };
}

/** Items sorted in one go: little enough that even slow comparisons take a fraction of a slice. */
const RUN = 256;

/** Sorts in place by `compare` (total order of distinct items, or stable among equals), resting between slices. */
export async function sortPaced(
  items: Uint32Array,
  compare: (a: number, b: number) => number,
  pacer: Pacer,
): Promise<void> {
  for (let start = 0; start < items.length; start += RUN) {
    items.subarray(start, start + RUN).sort(compare);
    if (pacer.isDue()) await pacer.rest();
  }
  let from: Uint32Array = items;
  let to: Uint32Array = new Uint32Array(items.length);
  for (let width = RUN; width < items.length; width *= 2) {
    for (let start = 0; start < items.length; start += 2 * width) {
      let left = start;
      const middle = Math.min(start + width, items.length);
      let right = middle;
      const end = Math.min(start + 2 * width, items.length);
      for (let at = start; at < end; at++) {
        const takeLeft = left < middle && (right >= end || compare(from[left]!, from[right]!) <= 0);
        to[at] = takeLeft ? from[left++]! : from[right++]!;
        if ((at & 1023) === 0 && pacer.isDue()) await pacer.rest();
      }
    }
    [from, to] = [to, from];
  }
  if (from !== items) items.set(from);
}
