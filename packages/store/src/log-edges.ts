/** Edges of time between which a selection tells entries apart, and which bins of pages tell them apart as well. */
import type { LogEdges } from "@finch/model";
import type { LogSelect } from "./api.ts";
import { BIN_UNITS_NS, binGrid } from "./log-page/time-bins.ts";
import type { BinGrid, PageSpan } from "./log-page/time-bins.ts";

/** How the times of a page are told apart: not at all, by bins, or one by one. */
export type TimesNeed = "none" | "bins" | "all";

export class SelectionEdges {
  readonly #edges: LogEdges;
  /** The widest bins that no edge cuts; 0 when there are none. */
  readonly unitNs: number;

  constructor(edges: LogEdges, { startNs, endNs }: Pick<LogSelect, "startNs" | "endNs">) {
    const { originNs, stepNs, rangeNs, count } = edges;
    this.#edges = edges;
    const distances = [originNs, rangeNs, count > 1 ? stepNs : 0n, startNs - 1n, endNs - 1n];
    this.unitNs =
      BIN_UNITS_NS.findLast((unit) => distances.every((ns) => ns % BigInt(unit) === 0n)) ?? 0;
  }

  /** Whether an edge parts some of these times from the others. */
  part(minNs: bigint, maxNs: bigint): boolean {
    const { originNs, stepNs, rangeNs, count } = this.#edges;
    const between = (firstNs: bigint): boolean => {
      if (firstNs >= minNs) return firstNs < maxNs;
      if (firstNs + stepNs * BigInt(count - 1) < minNs) return false;
      const behind = (minNs - firstNs) % stepNs;
      return behind === 0n ? minNs < maxNs : minNs + stepNs - behind < maxNs;
    };
    return between(originNs) || between(originNs - rangeNs);
  }

  /** The bins of a page, when they tell apart what edges do. */
  binsOf(span: PageSpan): BinGrid | undefined {
    if (this.unitNs === 0) return undefined;
    const grid = binGrid(span);
    return grid !== undefined && grid.unitNs <= this.unitNs ? grid : undefined;
  }

  /** Whether no entry of a bin is before a time and another at it or behind. */
  isBound(timeNs: bigint): boolean {
    return this.unitNs > 0 && (timeNs - 1n) % BigInt(this.unitNs) === 0n;
  }
}
