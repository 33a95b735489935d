/** Groups pages of one stream that overlap in time: such must be merged, all others stand alone. */

export interface Timed {
  readonly minNs: bigint;
  readonly maxNs: bigint;
}

export interface Cluster<P extends Timed> extends Timed {
  /** In the order they were given. */
  readonly pieces: P[];
}

/** Clusters in order of time. Pieces that share just one instant belong together: an entry may be in both. */
export function clusterPieces<P extends Timed>(pieces: readonly P[]): Cluster<P>[] {
  const order = pieces.map((piece, place) => ({ piece, place }));
  order.sort((a, b) =>
    a.piece.minNs < b.piece.minNs ? -1 : a.piece.minNs > b.piece.minNs ? 1 : a.place - b.place,
  );
  const clusters: { minNs: bigint; maxNs: bigint; members: { piece: P; place: number }[] }[] = [];
  for (const member of order) {
    const { minNs, maxNs } = member.piece;
    const last = clusters.at(-1);
    if (last === undefined || minNs > last.maxNs) {
      clusters.push({ minNs, maxNs, members: [member] });
      continue;
    }
    last.members.push(member);
    if (maxNs > last.maxNs) last.maxNs = maxNs;
  }
  return clusters.map(({ minNs, maxNs, members }) => ({
    minNs,
    maxNs,
    pieces: members.sort((a, b) => a.place - b.place).map(({ piece }) => piece),
  }));
}
