/**
 * Reads ranges of many series of sample stores one behind the other into one column of values, and gives series with the same times the same array of
 * them: what a row of times is, the store knows, so that equal times are told by the rows they are made of and decoded once.
 */
import type { RangeWish, SampleArena, SampleStore } from "./sample-store.ts";

/** Times, and the stretches of rows that they are: row, first place, places … */
interface KnownTimes {
  readonly parts: Uint32Array;
  readonly timestampsMs: Float64Array;
}

/** Of the columns of times that are remembered: those of some thousand targets over an hour or two. */
const KNOWN_BYTES_MAX = 16 * 1024 * 1024;

const PART_WORDS = 3;
const NO_TIMES: Float64Array = new Float64Array(0);

/** For one reader of one arena. What was read since the last `flush` lies in the arena, which others read too: nothing may be awaited before it. */
export class SampleRangeReader {
  readonly #arena: SampleArena;
  readonly #known = new Map<number, KnownTimes[]>();
  #knownBytes = 0;
  #target = NO_TIMES;
  /** Where in the target the values go that wait in the arena, and how many they are. */
  #at = 0;
  #waiting = 0;
  #timestampsMs = NO_TIMES;
  #isRising: boolean | undefined;

  constructor(arena: SampleArena) {
    this.#arena = arena;
  }

  /** Times of the last series that was read; shared, not to be changed. */
  get timestampsMs(): Float64Array {
    return this.#timestampsMs;
  }

  /** Whether no value of the last series that was read is NaN or below the one before; undefined where only the newest was asked for. */
  get isRising(): boolean | undefined {
    return this.#isRising;
  }

  /**
   * Reads samples of a series; after `flush` their values are in `target` from `at` on. Returns how many there are; -1 when there are so many that
   * {@link SampleStore.read} has to be asked.
   */
  read(
    store: SampleStore,
    series: number,
    want: RangeWish & { readonly target: Float64Array; readonly at: number },
  ): number {
    if (want.target !== this.#target || want.at !== this.#at + this.#waiting) {
      this.flush();
      this.#target = want.target;
      this.#at = want.at;
    }
    let rows = store.readRange(series, want, this.#waiting);
    if (rows < 0 && this.#waiting > 0) {
      this.flush();
      rows = store.readRange(series, want, 0);
    }
    if (rows < 0) return rows;
    this.#waiting += rows;
    this.#timestampsMs = rows === 0 ? NO_TIMES : this.#timesOf(rows);
    const { u32, rangeChunksAt } = this.#arena;
    this.#isRising = want.newestOnly ? undefined : u32[(rangeChunksAt >>> 2) + 1] === 1;
    return rows;
  }

  /** Copies what waits to the target. */
  flush(): void {
    if (this.#waiting === 0) return;
    const { f64, rangeValuesAt } = this.#arena;
    const first = rangeValuesAt >>> 3;
    this.#target.set(f64.subarray(first, first + this.#waiting), this.#at);
    this.#at += this.#waiting;
    this.#waiting = 0;
  }

  /** The times of the parts that the kernel has written. */
  #timesOf(rows: number): Float64Array {
    const { u32, rangePartsAt, rangeChunksAt } = this.#arena;
    const first = rangePartsAt >>> 2;
    const words = PART_WORDS * u32[rangeChunksAt >>> 2]!;
    let hash = rows;
    for (let i = 0; i < words; i++) hash = Math.imul(hash ^ u32[first + i]!, 0x9e3779b1);
    let list = this.#known.get(hash);
    if (list !== undefined) {
      for (const known of list) if (isAt(u32, first, words, known.parts)) return known.timestampsMs;
    }
    if (this.#knownBytes > KNOWN_BYTES_MAX) {
      this.#known.clear();
      this.#knownBytes = 0;
      list = undefined;
    }
    const parts = u32.slice(first, first + words);
    const timestampsMs = this.#decode(parts, rows);
    if (list === undefined) this.#known.set(hash, [{ parts, timestampsMs }]);
    else list.push({ parts, timestampsMs });
    this.#knownBytes += parts.byteLength + timestampsMs.byteLength;
    return timestampsMs;
  }

  /** Rows as `asm/sample-store.ts` draws them. */
  #decode(parts: Uint32Array, rows: number): Float64Array {
    const { u32, f64 } = this.#arena;
    const times = new Float64Array(rows);
    let at = 0;
    for (let i = 0; i < parts.length; i += PART_WORDS) {
      const row = parts[i]!;
      const firstMs = f64[(row + 16) >>> 3]!;
      const from = ((row + 24) >>> 2) + parts[i + 1]!;
      const count = parts[i + 2]!;
      for (let place = from; place < from + count; place++) times[at++] = firstMs + u32[place]!;
    }
    return times;
  }
}

function isAt(words: Uint32Array, first: number, count: number, wanted: Uint32Array): boolean {
  if (wanted.length !== count) return false;
  for (let i = 0; i < count; i++) if (words[first + i] !== wanted[i]) return false;
  return true;
}
