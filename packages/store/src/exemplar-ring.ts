/**
 * The newest exemplars of a store, over all its heads, in a ring: a new one takes the place of the oldest. Rules as in Prometheus: those of one
 * series come in order of time, then value, then labels; the newest of a series again is taken and kept once.
 */
import { compareLabels, type Exemplar, type Labels, type Matcher } from "@finch/model";

interface ExemplarSeries {
  readonly labels: Labels;
  /** Slots of its exemplars. */
  oldest: number;
  newest: number;
}

interface Slot {
  readonly series: ExemplarSeries;
  readonly exemplar: Exemplar;
  /** The slot of the next newer one of the series, or -1. */
  newer: number;
}

export class ExemplarRing {
  readonly #slots: Slot[] = [];
  readonly #series = new Map<string, ExemplarSeries>();
  readonly #max: number;
  #next = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Whether the exemplar may come after what there is of its series. */
  add(labels: Labels, exemplar: Exemplar): boolean {
    let series = this.#series.get(labels.key);
    if (series !== undefined) {
      const order = compareExemplars(exemplar, this.#slots[series.newest]!.exemplar);
      if (order <= 0) return order === 0;
    }
    const place = this.#next;
    this.#next = (place + 1) % this.#max;
    this.#forget(place);
    // It may have been the last of this series that made room.
    series = this.#series.get(labels.key);
    if (series === undefined) {
      series = { labels, oldest: place, newest: place };
      this.#series.set(labels.key, series);
    } else {
      this.#slots[series.newest]!.newer = place;
      series.newest = place;
    }
    this.#slots[place] = { series, exemplar, newer: -1 };
    return true;
  }

  /** Exemplars with `startMs <= time <= endMs` of series that match, both in order. */
  select(request: {
    readonly matchers: readonly Matcher[];
    readonly startMs: number;
    readonly endMs: number;
  }): { readonly labels: Labels; readonly exemplars: readonly Exemplar[] }[] {
    const { matchers, startMs, endMs } = request;
    const found: { readonly labels: Labels; readonly exemplars: readonly Exemplar[] }[] = [];
    for (const series of this.#series.values()) {
      if (!matchers.every((matcher) => matcher.matches(series.labels.get(matcher.name)))) continue;
      const exemplars: Exemplar[] = [];
      for (let at = series.oldest; at >= 0; at = this.#slots[at]!.newer) {
        const { exemplar } = this.#slots[at]!;
        if (exemplar.timestampMs >= startMs && exemplar.timestampMs <= endMs)
          exemplars.push(exemplar);
      }
      if (exemplars.length > 0) found.push({ labels: series.labels, exemplars });
    }
    return found.sort((a, b) => compareLabels(a.labels, b.labels));
  }

  #forget(place: number): void {
    const slot = this.#slots[place];
    if (slot === undefined) return;
    const { series } = slot;
    if (slot.newer < 0) this.#series.delete(series.labels.key);
    else series.oldest = slot.newer;
  }
}

/** 0 means the same. */
function compareExemplars(a: Exemplar, b: Exemplar): number {
  if (a.timestampMs !== b.timestampMs) return a.timestampMs - b.timestampMs;
  if (a.value !== b.value && !(Number.isNaN(a.value) && Number.isNaN(b.value)))
    return a.value > b.value ? 1 : -1;
  return compareLabels(a.labels, b.labels);
}
