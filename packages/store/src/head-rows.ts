/** Whether rows are in memory yet: what is deleted is sealed first, so that what comes later is told apart from what was there. */
import type { Matcher } from "@finch/model";
import type { RangedHead } from "./label-queries.ts";
import { selectSeries } from "./label-select.ts";
import { createPacer } from "./pacer.ts";
import type { StoreCore } from "./store-core.ts";

/** Whether a head has a row of a series that matches, with `startMs <= time <= endMs`. */
export async function isInHeads(
  core: StoreCore<RangedHead>,
  range: {
    readonly matchers: readonly Matcher[];
    readonly startMs: number;
    readonly endMs: number;
  },
): Promise<boolean> {
  const { matchers, startMs, endMs } = range;
  const view = core.view(startMs, endMs);
  const pacer = createPacer(core.clock);
  try {
    for (const head of view.heads) {
      const series = await selectSeries(head.index, matchers, pacer);
      if (head.seriesInRange(series, startMs, endMs).length > 0) return true;
    }
    return false;
  } finally {
    await view.release();
  }
}
