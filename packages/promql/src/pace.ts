/** Long work in slices: whoever evaluates lets others of its thread run between them, and stops there when the query was aborted. */

export interface Breather {
  /** Whether the slice of time is used up; then `await breathe()`. Cheap enough for once a series. */
  isBreathDue(): boolean;
  /** Lets other work of the thread run; rejects when the query was aborted. */
  breathe(): Promise<void>;
}

/** Items sorted without a breath. */
const RUN = 2048;
/** Items merged between two looks at the clock. */
const MERGED = 256;

/** A sorted copy; stable, with a breath where one is due. */
export async function sortPaced<Item>(
  breather: Breather,
  items: readonly Item[],
  compare: (a: Item, b: Item) => number,
): Promise<Item[]> {
  let from: Item[] = [];
  for (let start = 0; start < items.length; start += RUN) {
    for (const item of items.slice(start, start + RUN).sort(compare)) from.push(item);
    if (breather.isBreathDue()) await breather.breathe();
  }
  for (let width = RUN; width < from.length; width *= 2) {
    const to: Item[] = [];
    for (let start = 0; start < from.length; start += 2 * width) {
      const middle = Math.min(start + width, from.length);
      const end = Math.min(start + 2 * width, from.length);
      let left = start;
      let right = middle;
      while (left < middle || right < end) {
        const takeLeft = left < middle && (right >= end || compare(from[left]!, from[right]!) <= 0);
        to.push(takeLeft ? from[left++]! : from[right++]!);
        if (to.length % MERGED === 0 && breather.isBreathDue()) await breather.breathe();
      }
    }
    from = to;
  }
  return from;
}
