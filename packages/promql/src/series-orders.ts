/**
 * The order of label sets that series of a selector had the last time. A dashboard's query selects the same series again and again, and a
 * source mostly hands them out as before: then who remembers need not sort, but only look that every series is behind the one before it.
 * What is remembered is but a guess, and no answer depends on it.
 */
import { compareLabels } from "@finch/model";
import { sortPaced } from "./pace.ts";
import type { Breather } from "./pace.ts";
import type { RangeSeries } from "./values.ts";

/** Series of all orders remembered, four bytes each; the order not used for longest goes first. */
const SERIES_MAX = 500_000;
/** Fewer are sorted as quickly as they are looked at. */
const SERIES_MIN = 8;
/** A selector with a longer text is not remembered. Without it a few megabyte queries would stay. */
const KEY_LENGTH_MAX = 2048;
/** Series put in place between two looks at the clock. */
const PLACED = 256;

/** For the queries of one engine. */
export class SeriesOrders {
  /** By selector: which series of the source comes first, second … */
  readonly #orders = new Map<string, Uint32Array>();
  #remembered = 0;

  /** A copy sorted by labels. `key` is the same for selections that may well have the same series. */
  async sort(
    breather: Breather,
    key: string,
    series: readonly RangeSeries[],
  ): Promise<readonly RangeSeries[]> {
    const { length } = series;
    if (length < SERIES_MIN || length > SERIES_MAX || key.length > KEY_LENGTH_MAX)
      return await sortPaced(breather, series, byLabels);
    const known = this.#orders.get(key);
    if (known?.length === length) {
      const placed = await placeBy(breather, known, series);
      if (placed !== undefined) {
        this.#remember(key, known);
        return placed;
      }
    }
    const numbers = Array.from(series, (_, number) => number);
    const compare = (a: number, b: number) => byLabels(series[a]!, series[b]!);
    const sorted = await sortPaced(breather, numbers, compare);
    this.#remember(key, Uint32Array.from(sorted));
    return sorted.map((number) => series[number]!);
  }

  #remember(key: string, order: Uint32Array): void {
    this.#forget(key);
    this.#orders.set(key, order);
    this.#remembered += order.length;
    for (const oldest of this.#orders.keys()) {
      if (this.#remembered <= SERIES_MAX) return;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    this.#remembered -= this.#orders.get(key)?.length ?? 0;
    this.#orders.delete(key);
  }
}

function byLabels(a: RangeSeries, b: RangeSeries): number {
  return compareLabels(a.labels, b.labels);
}

/** The series in the order given; undefined when they are not sorted then. */
async function placeBy(
  breather: Breather,
  order: Uint32Array,
  series: readonly RangeSeries[],
): Promise<readonly RangeSeries[] | undefined> {
  const placed: RangeSeries[] = [series[order[0]!]!];
  for (let at = 1; at < order.length; at++) {
    const next = series[order[at]!]!;
    if (byLabels(placed[at - 1]!, next) >= 0) return undefined;
    placed.push(next);
    if (at % PLACED === 0 && breather.isBreathDue()) await breather.breathe();
  }
  return placed;
}
