/**
 * What one target exposed last time, so that a series that vanishes can be ended with a stale marker. One cache for each target; not shared.
 * Also where exposed labels and the target's labels become the labels of a sample.
 */
import { Labels } from "@finch/model";

interface Known {
  /** Of the sample, as it is forwarded. */
  readonly labels: Labels;
  readonly firstSeenAt: number;
  seenAt: number;
  /** Samples with a timestamp of their own end without a marker, unless asked for. */
  isTracked: boolean;
}

export class SeriesCache {
  readonly #known = new Map<string, Known>();
  readonly #targetLabels: Labels;
  readonly #honorLabels: boolean;
  #round = 0;
  #added = 0;

  constructor(targetLabels: Labels, options: { readonly honorLabels: boolean }) {
    this.#targetLabels = targetLabels;
    this.#honorLabels = options.honorLabels;
  }

  beginScrape(): void {
    this.#round++;
    this.#added = 0;
  }

  /** The labels that a sample exposed as `exposed` is forwarded with. */
  see(exposed: Labels, options: { readonly isTracked: boolean }): Labels {
    const key = exposed.key;
    let known = this.#known.get(key);
    if (known === undefined) {
      const labels = mergeLabels(exposed, this.#targetLabels, { honorLabels: this.#honorLabels });
      known = {
        labels,
        firstSeenAt: this.#round,
        seenAt: this.#round,
        isTracked: options.isTracked,
      };
      this.#known.set(key, known);
      this.#added++;
    } else {
      known.seenAt = this.#round;
      known.isTracked = options.isTracked;
    }
    return known.labels;
  }

  /** Series seen for the first time since {@link beginScrape}. */
  get added(): number {
    return this.#added;
  }

  /** Forgets the series that this scrape did not show, and gives those that must be ended. */
  takeVanished(): readonly Labels[] {
    const vanished: Labels[] = [];
    for (const [key, known] of this.#known) {
      if (known.seenAt === this.#round) continue;
      if (known.isTracked) vanished.push(known.labels);
      this.#known.delete(key);
    }
    return vanished;
  }

  /** Forgets everything after a failed scrape; what only that scrape showed was never forwarded and needs no end. */
  takeForwarded(): readonly Labels[] {
    return this.#takeAll((known) => known.firstSeenAt < this.#round);
  }

  /** Forgets everything, when the target is gone. */
  takeAll(): readonly Labels[] {
    return this.#takeAll(() => true);
  }

  #takeAll(isForwarded: (known: Known) => boolean): readonly Labels[] {
    const all = [...this.#known.values()].filter((known) => known.isTracked && isForwarded(known));
    this.#known.clear();
    return all.map((known) => known.labels);
  }
}

/**
 * Adds the target's labels to those of a sample. Where both have one, the sample's is renamed `exported_NAME` (again, while that is taken),
 * or wins when `honorLabels`.
 */
export function mergeLabels(
  exposed: Labels,
  target: Labels,
  options: { readonly honorLabels: boolean },
): Labels {
  const merged = new Map<string, string>(exposed);
  if (options.honorLabels) {
    for (const [name, value] of target) if (!merged.has(name)) merged.set(name, value);
    return Labels.fromPairs([...merged].flat());
  }
  const conflicting: [string, string][] = [];
  for (const [name, value] of target) {
    const own = merged.get(name);
    if (own !== undefined && own !== "") conflicting.push([name, own]);
    merged.set(name, value);
  }
  // Shorter names first, so that `exported_x` itself, when it clashes, finds its place before it is renamed again.
  for (const [name, value] of conflicting.sort((a, b) => a[0].length - b[0].length)) {
    let renamed = `exported_${name}`;
    while (merged.has(renamed) || target.has(renamed)) renamed = `exported_${renamed}`;
    merged.set(renamed, value);
  }
  return Labels.fromPairs([...merged].flat());
}
