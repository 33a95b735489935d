/**
 * When series began to be counted, where nobody says: at the first sample that was seen, and again at one that is lower than the one before, which is how
 * a restart of the counting shows.
 */

interface Seen {
  startNs: bigint;
  value: number;
  seenMs: number;
}

/** Series that are remembered; more would only be memory. One that is forgotten begins anew. */
const SERIES_MAX = 1_000_000;

export class StartTimes {
  readonly #seen = new Map<string, Seen>();
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  startOf(
    key: string,
    { value, timeNs }: { readonly value: number; readonly timeNs: bigint },
  ): bigint {
    const seenMs = this.#monotonicMs();
    const known = this.#seen.get(key);
    if (known === undefined) {
      if (this.#seen.size >= SERIES_MAX) this.#seen.delete(this.#seen.keys().next().value!);
      this.#seen.set(key, { startNs: timeNs, value, seenMs });
      return timeNs;
    }
    if (value < known.value) known.startNs = timeNs;
    known.value = value;
    known.seenMs = seenMs;
    return known.startNs;
  }

  /** Forgets what was not seen for so long. */
  forget(idleMs: number): void {
    const beforeMs = this.#monotonicMs() - idleMs;
    for (const [key, { seenMs }] of this.#seen) if (seenMs < beforeMs) this.#seen.delete(key);
  }
}
