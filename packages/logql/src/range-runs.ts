/**
 * Rows of a page that lie in the windows of the same steps. They ascend by time, so that such rows are neighbours, and where they end is found by leaps: counting
 * looks at few times of a page.
 */
import type { LogColumns } from "@finch/model";
import type { Selection } from "./line-filter.ts";

/** Steps and their windows, in nanoseconds relative to the (offset) first step. */
export interface Windows {
  readonly originNs: bigint;
  readonly step: number;
  readonly range: number;
  readonly steps: number;
}

/** Rows `ends[i - 1] … ends[i] - 1` of a selection lie in the windows of steps `firsts[i]` to `lasts[i]`; in none when the first is behind the last. */
export interface Runs {
  readonly count: number;
  readonly ends: Uint32Array;
  readonly firsts: Int32Array;
  readonly lasts: Int32Array;
}

/** The first and last step whose window holds a time; first > last when none does. */
export function firstStep(windows: Windows, time: number): number {
  return time <= 0 ? 0 : Math.ceil(time / windows.step);
}

export function lastStep(windows: Windows, time: number): number {
  return Math.min(windows.steps, Math.ceil((time + windows.range) / windows.step)) - 1;
}

/** Whether all times between the two count for the same steps. */
export function isOneStep(windows: Windows, minNs: bigint, maxNs: bigint): boolean {
  const first = Number(minNs - windows.originNs);
  const last = Number(maxNs - windows.originNs);
  return (
    firstStep(windows, first) === firstStep(windows, last) &&
    lastStep(windows, first) === lastStep(windows, last)
  );
}

/**
 * Times of rows in nanoseconds from the origin, exact within 104 days of it; read as 32-bit halves, because big integers would cost an allocation a row.
 */
export class RowTimes {
  readonly #words: Uint32Array;
  readonly #rows: Uint32Array;
  readonly #originLow: number;
  readonly #originHigh: number;

  constructor({ timestampsNs }: LogColumns, { rows }: Selection, originNs: bigint) {
    const { buffer, byteOffset, length } = timestampsNs;
    this.#words = new Uint32Array(buffer, byteOffset, 2 * length);
    this.#rows = rows;
    this.#originLow = Number(BigInt.asUintN(32, originNs));
    this.#originHigh = Number(originNs >> 32n);
  }

  /** Of row `i` of the selection. */
  at(i: number): number {
    const at = 2 * this.#rows[i]!;
    const high = (this.#words[at + 1]! | 0) - this.#originHigh;
    return high * 4294967296 + (this.#words[at]! - this.#originLow);
  }
}

/** All rows in one run, whose times lie in the windows of the same steps as `time`. */
export function oneRun(windows: Windows, time: number, count: number): Runs {
  return {
    count: 1,
    ends: Uint32Array.of(count),
    firsts: Int32Array.of(firstStep(windows, time)),
    lasts: Int32Array.of(lastStep(windows, time)),
  };
}

/** Finds the runs of one page after the other. */
export class RunFinder {
  readonly #windows: Windows;
  #runs = newRuns(256);

  constructor(windows: Windows) {
    this.#windows = windows;
  }

  /** Those of the first `count` rows; valid until the next call. */
  find(times: RowTimes, count: number): Runs {
    const windows = this.#windows;
    const { step, range, steps } = windows;
    let runs = 0;
    for (let from = 0; from < count; runs++) {
      if (runs === this.#runs.ends.length) this.#runs = grown(this.#runs);
      const time = times.at(from);
      const first = firstStep(windows, time);
      const last = lastStep(windows, time);
      // Until here neither changes. Behind the last step there is none that the next times could be in.
      const end = last === steps - 1 ? Infinity : (last + 1) * step - range;
      from = endOfRun(times, { from, count, until: Math.min(first * step, end) });
      this.#runs.ends[runs] = from;
      this.#runs.firsts[runs] = first;
      this.#runs.lasts[runs] = last;
    }
    return { ...this.#runs, count: runs };
  }
}

type RunColumns = Omit<Runs, "count">;

function newRuns(length: number): RunColumns {
  return {
    ends: new Uint32Array(length),
    firsts: new Int32Array(length),
    lasts: new Int32Array(length),
  };
}

function grown(runs: RunColumns): RunColumns {
  const larger = newRuns(2 * runs.ends.length);
  larger.ends.set(runs.ends);
  larger.firsts.set(runs.firsts);
  larger.lasts.set(runs.lasts);
  return larger;
}

/** The first row behind `from` whose time is after `until`: by leaps that double, then halve. */
function endOfRun(
  times: RowTimes,
  { from, count, until }: { readonly from: number; readonly count: number; readonly until: number },
): number {
  let low = from;
  let leap = 1;
  while (low + leap < count && times.at(low + leap) <= until) {
    low += leap;
    leap *= 2;
  }
  // Row `low` is in, row `high` is not.
  let high = Math.min(count, low + leap);
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (times.at(middle) <= until) low = middle;
    else high = middle;
  }
  return high;
}
