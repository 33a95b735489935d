/** A priority queue by time: the newest or the oldest first; among equals, first in first out. */

interface Entry<T> {
  readonly timeNs: bigint;
  readonly order: number;
  readonly value: T;
}

export class TimeHeap<T> {
  readonly #isNewestFirst: boolean;
  readonly #entries: Entry<T>[] = [];
  #pushed = 0;

  constructor(isNewestFirst: boolean) {
    this.#isNewestFirst = isNewestFirst;
  }

  push(timeNs: bigint, value: T): void {
    const entries = this.#entries;
    const entry = { timeNs, order: this.#pushed++, value };
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(entry, entries[parent]!)) break;
      entries[at] = entries[parent]!;
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): T | undefined {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (top === undefined || last === undefined) return undefined;
    if (entries.length > 0) this.#sink(last);
    return top.value;
  }

  /** Whether nothing in the queue comes before `timeNs`. */
  isNext(timeNs: bigint): boolean {
    const top = this.#entries[0];
    if (top === undefined) return true;
    return this.#isNewestFirst ? top.timeNs <= timeNs : top.timeNs >= timeNs;
  }

  #sink(entry: Entry<T>): void {
    const entries = this.#entries;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && this.#isBefore(entries[child + 1]!, entries[child]!))
        child++;
      if (!this.#isBefore(entries[child]!, entry)) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = entry;
  }

  #isBefore(a: Entry<T>, b: Entry<T>): boolean {
    if (a.timeNs === b.timeNs) return a.order < b.order;
    return this.#isNewestFirst ? a.timeNs > b.timeNs : a.timeNs < b.timeNs;
  }
}
