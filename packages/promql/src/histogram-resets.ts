/** Whether the counter behind a histogram began anew between two samples. */
import type { Histogram, HistogramBuckets } from "@finch/model";
import { customBucketMap, hasCustomBounds, sameBounds, sharedBounds } from "./histogram-bounds.ts";
import { coarsen, isSameLayout, regroup, viewBuckets } from "./histogram-buckets.ts";
import type { BucketList } from "./histogram-buckets.ts";
import { beyondZero, widenZero } from "./histogram-zero.ts";

/**
 * True when the hint says so, or when any count of `previous` is larger or has no bucket to be in: buckets may get coarser and the zero
 * bucket wider without a reset, never the other way round.
 */
export function detectReset(current: Histogram, previous: Histogram): boolean {
  if (current.resetHint === "reset") return true;
  if (current.resetHint === "not-reset") return false;
  if (current.count < previous.count) return true;
  if (hasCustomBounds(current)) {
    if (!hasCustomBounds(previous)) return true;
    if (!sameBounds(current.customBounds, previous.customBounds))
      return isAnySharedLower(current, previous);
  }
  if (current.schema > previous.schema) return true;
  return !isPlainGrowth(current, previous) && isAnyLower(current, previous);
}

/** What mostly is the case: the same layout, and no count lower. */
function isPlainGrowth(current: Histogram, previous: Histogram): boolean {
  return (
    current.schema === previous.schema &&
    current.zeroThreshold === previous.zeroThreshold &&
    current.zeroCount >= previous.zeroCount &&
    isNoneLower(current.positive, previous.positive) &&
    isNoneLower(current.negative, previous.negative)
  );
}

function isNoneLower(current: HistogramBuckets, previous: HistogramBuckets): boolean {
  const { counts } = current;
  const before = previous.counts;
  if (counts.length !== before.length || !isSameLayout(current.spans, previous.spans)) return false;
  for (let at = 0; at < counts.length; at++) if (!(counts[at]! >= before[at]!)) return false;
  return true;
}

function isAnyLower(current: Histogram, previous: Histogram): boolean {
  const { schema, zeroThreshold } = current;
  if (zeroThreshold < previous.zeroThreshold) return true;
  const positive = viewBuckets(previous.positive);
  const negative = viewBuckets(previous.negative);
  if (hasCustomBounds(current)) return isBucketLower(viewBuckets(current.positive), positive);
  const zero = widenZero(
    {
      schema: previous.schema,
      zeroThreshold: previous.zeroThreshold,
      zeroCount: previous.zeroCount,
      zeroError: 0,
      positive,
      negative,
    },
    zeroThreshold,
  );
  // An edge inside a populated bucket of the previous histogram cannot come from merging its buckets.
  if (zero.zeroThreshold !== zeroThreshold || current.zeroCount < zero.zeroCount) return true;
  const outside = (list: BucketList, from: number) =>
    beyondZero(coarsen(list, from, schema), schema, zeroThreshold);
  return (
    isBucketLower(
      outside(viewBuckets(current.positive), schema),
      outside(positive, previous.schema),
    ) ||
    isBucketLower(
      outside(viewBuckets(current.negative), schema),
      outside(negative, previous.schema),
    )
  );
}

function isBucketLower(current: BucketList, previous: BucketList): boolean {
  let at = 0;
  for (let from = 0; from < previous.indexes.length; from++) {
    const index = previous.indexes[from]!;
    while (at < current.indexes.length && current.indexes[at]! < index) at++;
    const before = previous.counts[from]!;
    const isThere = current.indexes[at] === index;
    if (isThere ? current.counts[at]! < before : before !== 0) return true;
  }
  return false;
}

/** Compares histograms with different custom bounds by the bounds they share. */
function isAnySharedLower(current: Histogram, previous: Histogram): boolean {
  const shared = sharedBounds(current.customBounds, previous.customBounds);
  const regrouped = ({ positive, customBounds }: Histogram) =>
    regroup(viewBuckets(positive), customBucketMap(customBounds, shared));
  return isBucketLower(regrouped(current), regrouped(previous));
}
