/**
 * Which blocks are merged next. Only neighbours in the order of their data, so that of two samples with one time the older goes on winning; of
 * one level, so that a sample is rewritten as often as there are levels. Pure.
 */
import type { BlockMeta } from "./block-format.ts";
import {
  COMPACTION_BYTES_MAX,
  COMPACTION_FANOUT,
  COMPACTION_SPAN_MS_MAX,
  COMPACTION_SPAN_MS_MIN,
  COMPACTION_SPAN_SHARE,
} from "./limits.ts";

/** What the plan looks at. */
export type PlannedBlock = Pick<BlockMeta, "level" | "minMs" | "maxMs" | "rows"> & {
  readonly bytes: number;
};

/** Blocks `from … to` of `blocks`, which are in the order of their data, at most `mergedMax`; undefined when nothing is to be merged. */
export function planCompaction(
  blocks: readonly PlannedBlock[],
  spanMsMax: number,
  mergedMax: number = COMPACTION_FANOUT,
): { readonly from: number; readonly to: number } | undefined {
  for (let from = 0; from < blocks.length;) {
    let to = from + 1;
    while (to < blocks.length && canJoin(blocks, from, to, spanMsMax)) to++;
    if (to - from >= COMPACTION_FANOUT) return { from, to: Math.min(to, from + mergedMax) };
    // A run that ended at a level may go on from its second block.
    from = to > from + 1 && to < blocks.length ? from + 1 : to;
  }
  return undefined;
}

function canJoin(
  blocks: readonly PlannedBlock[],
  from: number,
  to: number,
  spanMsMax: number,
): boolean {
  if (blocks[to]!.level !== blocks[from]!.level) return false;
  const run = blocks.slice(from, to + 1);
  // By their newest rows: late samples reach far back without making a block large.
  const newest = run.map(({ maxMs }) => maxMs);
  const ownMs = Math.max(
    0,
    ...run.map(({ minMs, maxMs }) => Math.min(maxMs - minMs, spanMsMax / run.length)),
  );
  if (Math.max(...newest) - Math.min(...newest) + ownMs > spanMsMax) return false;
  return run.reduce((sum, { bytes }) => sum + bytes, 0) <= COMPACTION_BYTES_MAX;
}

/** The longest span that a merged block may have with this retention. */
export function longestSpanMs(maxAgeMs: number): number {
  const share = maxAgeMs * COMPACTION_SPAN_SHARE;
  return Math.min(COMPACTION_SPAN_MS_MAX, Math.max(COMPACTION_SPAN_MS_MIN, share));
}
