/**
 * The windows over columns of times, each worked out once: series of one scrape have the same times, whether they share the column or only
 * its content.
 */
import { ColumnBlocks } from "./column-blocks.ts";
import { slideWindows } from "./window.ts";
import type { WindowShared } from "./window.ts";

/** The windows of all series with one column of times. */
export interface Windows {
  readonly timestampsMs: Float64Array;
  readonly first: Int32Array;
  readonly last: Int32Array;
  readonly shared: WindowShared;
  /** Samples in all windows together; one counts in each window it is in. */
  readonly work: number;
  /** No window is empty. */
  readonly isFull: boolean;
}

export const NO_WINDOWS: Windows = {
  timestampsMs: new Float64Array(0),
  first: new Int32Array(0),
  last: new Int32Array(0),
  shared: {},
  work: 0,
  isFull: true,
};

/** Bytes of windows kept: some 3000 targets at a few hundred steps. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024;
/** Of one step: two bounds, and what functions work out of them. */
const STEP_BYTES = 16;

export class WindowCache {
  readonly #ends: Float64Array;
  readonly #windowMs: number;
  readonly #keptMax: number;
  readonly #blocks: ColumnBlocks;
  readonly #byColumn = new Map<Float64Array, Windows>();
  readonly #byMark = new Map<number, Windows>();

  /** Windows `(end - windowMs, end]`; ends ascend. */
  constructor({ ends, windowMs }: { readonly ends: Float64Array; readonly windowMs: number }) {
    this.#ends = ends;
    this.#windowMs = windowMs;
    this.#blocks = new ColumnBlocks(ends.length);
    this.#keptMax = Math.max(1, Math.floor(KEPT_BYTES_MAX / (STEP_BYTES * ends.length)));
  }

  windowsOf(timestampsMs: Float64Array): Windows {
    let windows = this.#byColumn.get(timestampsMs);
    if (windows !== undefined) return windows;
    const mark = markOf(timestampsMs);
    windows = this.#byMark.get(mark);
    if (windows === undefined || !isSameContent(windows.timestampsMs, timestampsMs)) {
      if (this.#byMark.size >= this.#keptMax) this.#byMark.clear();
      windows = this.#slide(timestampsMs);
      this.#byMark.set(mark, windows);
    }
    // Each may keep windows that are forgotten above: twice the limit at worst.
    if (this.#byColumn.size >= this.#keptMax) this.#byColumn.clear();
    this.#byColumn.set(timestampsMs, windows);
    return windows;
  }

  /** Gives the memory of the windows back: nobody may look at them any more. */
  close(): void {
    this.#byColumn.clear();
    this.#byMark.clear();
    this.#blocks.free();
  }

  #slide(timestampsMs: Float64Array): Windows {
    const steps = this.#ends.length;
    const first = this.#blocks.integers();
    const last = this.#blocks.integers();
    slideWindows(timestampsMs, this.#ends, this.#windowMs, { first, last });
    let work = 0;
    let isFull = true;
    for (let step = 0; step < steps; step++) {
      const samples = last[step]! - first[step]!;
      work += samples;
      if (samples === 0) isFull = false;
    }
    const shared = { blocks: this.#blocks };
    return { timestampsMs, first, last, shared, work, isFull };
  }
}

/** The same for columns of the same content, and hardly ever for others. */
function markOf(times: Float64Array): number {
  const { length } = times;
  if (length === 0) return 0;
  return times[0]! + times[length - 1]! * 1.375 + times[length >> 1]! * 1.6875 + length;
}

function isSameContent(a: Float64Array, b: Float64Array): boolean {
  if (a.length !== b.length) return false;
  if (a.buffer === b.buffer && a.byteOffset === b.byteOffset) return true;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
