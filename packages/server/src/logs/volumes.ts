/** Bytes of lines by label set and step, for `index/volume` and `index/volume_range`. */
import { Labels } from "@finch/model";
import type { LogColumns, Matcher } from "@finch/model";

/** What a stream's bytes are counted under. */
export interface VolumeGrouping {
  /** `series`: its labels that were asked for or matched on; `labels`: each of its label names by itself. */
  readonly by: "series" | "labels";
  readonly targets: readonly string[];
  readonly matchers: readonly Matcher[];
}

/** Steps of equal length; the last one may be cut short by the end of the range. */
export interface VolumeGrid {
  readonly startNs: bigint;
  readonly stepNs: bigint;
  readonly count: number;
}

export interface Volume {
  readonly labels: Labels;
  /** By step. */
  readonly bytes: Float64Array;
  total: number;
}

export class Volumes {
  readonly #grouping: VolumeGrouping;
  readonly #grid: VolumeGrid;
  readonly #byKey = new Map<string, Volume>();
  readonly #groupsOf = new Map<string, readonly Volume[]>();

  constructor(grouping: VolumeGrouping, grid: VolumeGrid) {
    this.#grouping = grouping;
    this.#grid = grid;
  }

  /** Label sets so far. */
  get size(): number {
    return this.#byKey.size;
  }

  /** Counts the lines of a stream, which ascend by time. */
  add(labels: Labels, entries: LogColumns): void {
    const groups = this.#groups(labels);
    const { startNs, stepNs, count } = this.#grid;
    for (let row = 0; row < entries.count;) {
      const step = this.stepOf(entries.timestampsNs[row]!);
      let next = entries.count;
      if (step < count - 1) {
        const endNs = startNs + BigInt(step + 1) * stepNs;
        next = row + 1;
        while (next < entries.count && entries.timestampsNs[next]! < endNs) next++;
      }
      const bytes = entries.lineBounds[next]! - entries.lineBounds[row]!;
      for (const group of groups) {
        group.bytes[step]! += bytes;
        group.total += bytes;
      }
      row = next;
    }
  }

  /** Counts lines of a stream that lie in the step of one of them. */
  addCounted(
    labels: Labels,
    { minNs, bytes }: { readonly minNs: bigint; readonly bytes: number },
  ): void {
    const step = this.stepOf(minNs);
    for (const group of this.#groups(labels)) {
      group.bytes[step]! += bytes;
      group.total += bytes;
    }
  }

  stepOf(timeNs: bigint): number {
    const { startNs, stepNs, count } = this.#grid;
    return count === 1 ? 0 : Math.min(count - 1, Number((timeNs - startNs) / stepNs));
  }

  /** The largest `limit`, by all their bytes; equal ones by name. */
  largest(limit: number): readonly Volume[] {
    return [...this.#byKey.values()]
      .map((volume) => ({ volume, name: volume.labels.toString() }))
      .toSorted((a, b) => b.volume.total - a.volume.total || (a.name < b.name ? -1 : 1))
      .slice(0, limit)
      .map(({ volume }) => volume);
  }

  #groups(stream: Labels): readonly Volume[] {
    const known = this.#groupsOf.get(stream.key);
    if (known !== undefined) return known;
    const groups = volumeKeys(stream, this.#grouping).map((labels) => {
      let volume = this.#byKey.get(labels.key);
      if (volume === undefined) {
        volume = { labels, bytes: new Float64Array(this.#grid.count), total: 0 };
        this.#byKey.set(labels.key, volume);
      }
      return volume;
    });
    this.#groupsOf.set(stream.key, groups);
    return groups;
  }
}

function volumeKeys(labels: Labels, { by, targets, matchers }: VolumeGrouping): readonly Labels[] {
  const all = [...labels].map(([name]) => name);
  if (by === "series") {
    const names = targets.length > 0 ? targets : matchers.map((matcher) => matcher.name);
    return [labels.keep(new Set(names.length > 0 ? names : all))];
  }
  const names = targets.length > 0 ? targets : all;
  return names.filter((name) => labels.has(name)).map((name) => Labels.raw([name, ""]));
}
