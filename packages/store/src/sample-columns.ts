/**
 * Samples of one series as columns, and how runs of them are clipped and merged; what head, blocks, compaction and select pass around.
 * Pure. Values keep their bits: they are copied by `set`, never through a variable.
 */
import type { Histogram } from "@finch/model";
import { wordsOf } from "@finch/model";

/** Samples of one series, ascending, one per time. Columns may be shared; nobody changes them. */
export interface SampleColumns {
  /** Unix milliseconds. */
  readonly timestampsMs: Float64Array;
  /** Same length. The sum where `histograms` has one. */
  readonly values: Float64Array;
  /** Same length; missing when no sample is a native histogram. */
  readonly histograms?: readonly (Histogram | undefined)[] | undefined;
  /** Same length, 0 where unknown; missing when never known. */
  readonly startTimestampsMs?: Float64Array | undefined;
  /** As in `Series`: missing unless these are the samples of one place as they were read. */
  readonly isRising?: boolean | undefined;
}

export const NO_SAMPLES: SampleColumns = {
  timestampsMs: new Float64Array(0),
  values: new Float64Array(0),
};

/** Index of the first of `count` ascending numbers that is not below `wanted`. */
export function lowerBound(sorted: Float64Array, count: number, wanted: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The part with `startMs <= time <= endMs`; views. */
export function clipSamples(columns: SampleColumns, startMs: number, endMs: number): SampleColumns {
  const { timestampsMs } = columns;
  const from = lowerBound(timestampsMs, timestampsMs.length, startMs);
  const to = lowerBound(timestampsMs, timestampsMs.length, endMs + 1);
  if (from === 0 && to === timestampsMs.length) return columns;
  return sliceSamples(columns, from, to);
}

/** Rows `from … to`; views. */
export function sliceSamples(columns: SampleColumns, from: number, to: number): SampleColumns {
  return {
    timestampsMs: columns.timestampsMs.subarray(from, to),
    values: columns.values.subarray(from, to),
    histograms: columns.histograms?.slice(from, to),
    startTimestampsMs: columns.startTimestampsMs?.subarray(from, to),
  };
}

/** One run out of several, each ascending; where two have the same time, the earlier argument wins. */
export function mergeSamples(runs: readonly SampleColumns[]): SampleColumns {
  const filled = runs.filter(({ timestampsMs }) => timestampsMs.length > 0);
  if (filled.length < 2) return filled[0] ?? NO_SAMPLES;
  if (isAscending(filled)) return concatenate(filled);
  return filled.reduce(mergeTwo);
}

function isAscending(runs: readonly SampleColumns[]): boolean {
  for (let i = 1; i < runs.length; i++)
    if (runs[i]!.timestampsMs[0]! <= runs[i - 1]!.timestampsMs.at(-1)!) return false;
  return true;
}

/** Runs of which each begins after the one before ends, as one. */
function concatenate(runs: readonly SampleColumns[]): SampleColumns {
  let total = 0;
  for (const { timestampsMs } of runs) total += timestampsMs.length;
  const target = allocate(total, runs);
  let at = 0;
  for (const run of runs) {
    copyRows(target, at, run, 0, run.timestampsMs.length);
    at += run.timestampsMs.length;
  }
  return target;
}

function mergeTwo(a: SampleColumns, b: SampleColumns): SampleColumns {
  const aTimes = a.timestampsMs;
  const bTimes = b.timestampsMs;
  if (aTimes.at(-1)! < bTimes[0]!) return concatenate([a, b]);
  if (bTimes.at(-1)! < aTimes[0]!) return concatenate([b, a]);
  const target = allocate(aTimes.length + bTimes.length, [a, b]);
  let count = 0;
  for (let i = 0, j = 0; i < aTimes.length || j < bTimes.length;) {
    // Runs of rows rather than rows: late samples come in stretches.
    const aEnd = j < bTimes.length ? boundAfter(aTimes, i, bTimes[j]!) : aTimes.length;
    copyRows(target, count, a, i, aEnd);
    count += aEnd - i;
    i = aEnd;
    if (i > 0) while (j < bTimes.length && bTimes[j]! <= aTimes[i - 1]!) j++;
    const bEnd = i < aTimes.length ? boundBefore(bTimes, j, aTimes[i]!) : bTimes.length;
    copyRows(target, count, b, j, bEnd);
    count += bEnd - j;
    j = bEnd;
  }
  return sliceSamples(target, 0, count);
}

/** The first row at or after `from` whose time is above `limit`. */
function boundAfter(times: Float64Array, from: number, limit: number): number {
  let at = from;
  while (at < times.length && times[at]! <= limit) at++;
  return at;
}

/** The first row at or after `from` whose time is not below `limit`. */
function boundBefore(times: Float64Array, from: number, limit: number): number {
  let at = from;
  while (at < times.length && times[at]! < limit) at++;
  return at;
}

interface Target extends SampleColumns {
  readonly histograms: (Histogram | undefined)[] | undefined;
  readonly startTimestampsMs: Float64Array | undefined;
}

function allocate(rows: number, sources: readonly SampleColumns[]): Target {
  return {
    timestampsMs: new Float64Array(rows),
    values: new Float64Array(rows),
    histograms: sources.some(({ histograms }) => histograms !== undefined)
      ? Array.from<Histogram | undefined>({ length: rows })
      : undefined,
    startTimestampsMs: sources.some(({ startTimestampsMs }) => startTimestampsMs !== undefined)
      ? new Float64Array(rows)
      : undefined,
  };
}

function copyRows(
  target: Target,
  at: number,
  source: SampleColumns,
  from: number,
  to: number,
): void {
  if (from === to) return;
  target.timestampsMs.set(source.timestampsMs.subarray(from, to), at);
  wordsOf(target.values).set(wordsOf(source.values).subarray(2 * from, 2 * to), 2 * at);
  if (source.histograms !== undefined)
    for (let row = from; row < to; row++)
      target.histograms![at + row - from] = source.histograms[row];
  if (source.startTimestampsMs !== undefined)
    target.startTimestampsMs!.set(source.startTimestampsMs.subarray(from, to), at);
}
