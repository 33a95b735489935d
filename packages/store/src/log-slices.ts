/**
 * Cuts the time of one stream into slices at every beginning and end of a page, so that pages that overlap are merged a slice at a time: a
 * page that spans a day (a few late entries among new ones) does not pull a day of pages into memory at once.
 */

export interface Timed {
  readonly minNs: bigint;
  readonly maxNs: bigint;
}

/** The part of a stream's time with `startNs <= time < endNs`; all entries of one instant are in one slice. */
export interface Slice<P extends Timed> {
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Pages that may have entries in it, in the order they were given. */
  readonly pieces: readonly P[];
}

/** Slices in order of time; those without a page are left out. */
export function slicePieces<P extends Timed>(pieces: readonly P[]): Slice<P>[] {
  const byStart = pieces.map((piece, place) => ({ piece, place }));
  byStart.sort((a, b) => compareNs(a.piece.minNs, b.piece.minNs));
  const cuts = pieces.flatMap(({ minNs, maxNs }) => [minNs, maxNs + 1n]).sort(compareNs);
  const slices: Slice<P>[] = [];
  let active: { piece: P; place: number }[] = [];
  let next = 0;
  for (let i = 0; i + 1 < cuts.length; i++) {
    const startNs = cuts[i]!;
    const endNs = cuts[i + 1]!;
    if (startNs === endNs) continue;
    active = active.filter(({ piece }) => piece.maxNs >= startNs);
    while (next < byStart.length && byStart[next]!.piece.minNs <= startNs)
      active.push(byStart[next++]!);
    if (active.length === 0) continue;
    const ordered = active.toSorted((a, b) => a.place - b.place);
    slices.push({ startNs, endNs, pieces: ordered.map(({ piece }) => piece) });
  }
  return slices;
}

function compareNs(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
