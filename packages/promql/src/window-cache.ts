/**
 * The windows over columns of times, each worked out once: series of one scrape have the same times, whether they share the column or only
 * its content.
 */
import { windowWork } from "./range-slices.ts";
import { slideWindows } from "./window.ts";
import type { WindowShared } from "./window.ts";

/** The windows of all series with one column of times. */
export interface Windows {
  readonly timestampsMs: Float64Array;
  readonly first: Int32Array;
  readonly last: Int32Array;
  readonly shared: WindowShared;
  /** Samples in all windows together. */
  readonly work: number;
}

/** Bytes of windows kept: some 1000 targets at a few hundred steps. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024;
/** Of one step: two bounds, and what functions work out of them. */
const STEP_BYTES = 40;

export class WindowCache {
  readonly #ends: Float64Array;
  readonly #windowMs: number;
  readonly #keptMax: number;
  readonly #known = new Map<number, Windows>();

  /** Windows `(end - windowMs, end]`; ends ascend. */
  constructor({ ends, windowMs }: { readonly ends: Float64Array; readonly windowMs: number }) {
    this.#ends = ends;
    this.#windowMs = windowMs;
    this.#keptMax = Math.max(1, Math.floor(KEPT_BYTES_MAX / (STEP_BYTES * ends.length)));
  }

  windowsOf(timestampsMs: Float64Array): Windows {
    const mark = markOf(timestampsMs);
    const known = this.#known.get(mark);
    if (known !== undefined && isSameContent(known.timestampsMs, timestampsMs)) return known;
    const bounds = {
      first: new Int32Array(this.#ends.length),
      last: new Int32Array(this.#ends.length),
    };
    slideWindows(timestampsMs, this.#ends, this.#windowMs, bounds);
    const windows = { timestampsMs, ...bounds, shared: {}, work: windowWork(bounds) };
    if (this.#known.size >= this.#keptMax) this.#known.clear();
    this.#known.set(mark, windows);
    return windows;
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
