/** The order of slots within their layers: moved towards the middle of their neighbours, back and forth, and the order with fewest crossings is kept. */
import type { Slot } from "./layered-layout.ts";

const SWEEPS = 12;

/** Sorts each layer in place. */
export function orderLayers(layers: Slot[][]): void {
  let best = layers.map((layer) => layer.slice());
  let fewest = countCrossings(layers);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const isForward = sweep % 2 === 0;
    const indices = layers.map((_, index) => index);
    for (const index of isForward ? indices : indices.toReversed())
      sortByNeighbours(layers[index]!, isForward ? "before" : "after", positionsOf(layers));
    const crossings = countCrossings(layers);
    if (crossings >= fewest) continue;
    fewest = crossings;
    best = layers.map((layer) => layer.slice());
  }
  for (const [index, layer] of best.entries()) layers[index] = layer;
}

function positionsOf(layers: readonly (readonly Slot[])[]): ReadonlyMap<Slot, number> {
  const positions = new Map<Slot, number>();
  for (const layer of layers)
    for (const [index, slot] of layer.entries()) positions.set(slot, index);
  return positions;
}

/** Those without neighbours on that side keep their places. */
function sortByNeighbours(
  layer: Slot[],
  side: "before" | "after",
  positions: ReadonlyMap<Slot, number>,
): void {
  const weights = new Map<Slot, number>();
  for (const [index, slot] of layer.entries()) {
    const neighbours = slot[side];
    const sum = neighbours.reduce((total, other) => total + positions.get(other)!, 0);
    weights.set(slot, neighbours.length === 0 ? index : sum / neighbours.length);
  }
  layer.sort((a, b) => weights.get(a)! - weights.get(b)!);
}

function countCrossings(layers: readonly (readonly Slot[])[]): number {
  const positions = positionsOf(layers);
  let crossings = 0;
  for (const layer of layers) {
    const ends = layer.flatMap((slot) =>
      slot.after.map((next) => positions.get(next)!).toSorted((a, b) => a - b),
    );
    for (let i = 0; i < ends.length; i++)
      for (let j = i + 1; j < ends.length; j++) if (ends[i]! > ends[j]!) crossings++;
  }
  return crossings;
}
