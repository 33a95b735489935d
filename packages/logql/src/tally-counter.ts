/** Adds entries that a source has counted by kind and bins of time: what becomes of a kind is found out once a stream, not once an entry. */
import type { Labels, LogPage, LogTally } from "@finch/model";
import type { Accumulator } from "./range-accumulate.ts";
import { firstStep, lastStep } from "./range-runs.ts";
import type { Windows } from "./range-runs.ts";

/** Kinds remembered of a stream; beyond, they are found out for each page. */
const KINDS_MAX = 4096;
const DROPPED = -1;
const UNKNOWN = -2;

export interface TallyOptions {
  readonly windows: Windows;
  readonly accumulator: Accumulator;
  /** The series that entries like a row of the page belong to; undefined when they are dropped. */
  readonly seriesOf: (page: LogPage, row: number) => number | undefined;
}

export class TallyCounter {
  readonly #options: TallyOptions;
  #stream: Labels | undefined;
  readonly #series = new Map<string, number>();
  /** First and last step of each bin. */
  #firsts = new Int32Array(256);
  #lasts = new Int32Array(256);

  constructor(options: TallyOptions) {
    this.#options = options;
  }

  add(page: LogPage, tally: LogTally): void {
    const { bins, counts } = tally;
    const add = this.#options.accumulator.addCount!;
    this.#findSteps(tally);
    const [firsts, lasts] = [this.#firsts, this.#lasts];
    for (let row = 0; row < page.entries.count; row++) {
      // Of a kind that no window has, nobody asks what becomes of it: it might fail.
      let series = UNKNOWN;
      for (let bin = 0, at = row * bins; bin < bins; bin++, at++) {
        const count = counts[at]!;
        const first = firsts[bin]!;
        const last = lasts[bin]!;
        if (count === 0 || first > last) continue;
        if (series === UNKNOWN) series = this.#seriesOf(page, tally, row);
        if (series === DROPPED) break;
        add(series, first, last, count);
      }
    }
  }

  #findSteps({ bins, firstNs, unitNs }: LogTally): void {
    const { windows } = this.#options;
    if (bins > this.#firsts.length) {
      this.#firsts = new Int32Array(2 * bins);
      this.#lasts = new Int32Array(2 * bins);
    }
    const first = Number(firstNs - windows.originNs);
    for (let bin = 0; bin < bins; bin++) {
      const time = first + bin * unitNs;
      this.#firsts[bin] = firstStep(windows, time);
      this.#lasts[bin] = lastStep(windows, time);
    }
  }

  #seriesOf(page: LogPage, { keys }: LogTally, row: number): number {
    if (this.#stream !== page.labels) {
      this.#stream = page.labels;
      this.#series.clear();
    }
    const known = this.#series.get(keys[row]!);
    if (known !== undefined) return known;
    const series = this.#options.seriesOf(page, row) ?? DROPPED;
    if (this.#series.size < KINDS_MAX) this.#series.set(keys[row]!, series);
    return series;
  }
}
