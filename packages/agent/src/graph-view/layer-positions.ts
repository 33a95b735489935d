/** Where slots stand within their layers: as near to the middle of their neighbours as their order and their sizes allow. */
import type { Slot } from "./layered-layout.ts";

const SWEEPS = 24;
/** Long edges are to be straight rather than their ends in the middle. */
const PASSAGE_WEIGHT = 6;

/** Centres across the flow. */
export function alignLayers(
  layers: readonly (readonly Slot[])[],
  gap: number,
): ReadonlyMap<Slot, number> {
  const centres = new Map<Slot, number>();
  for (const layer of layers) {
    let at = 0;
    for (const slot of layer) {
      centres.set(slot, at + slot.across / 2);
      at += slot.across + gap;
    }
  }
  // The last sweep goes forward: a chain ends up straight.
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const isForward = sweep % 2 === 1;
    for (const layer of isForward ? layers : layers.toReversed())
      alignLayer(layer, { side: isForward ? "before" : "after", centres, gap });
  }
  return centres;
}

function alignLayer(
  layer: readonly Slot[],
  to: {
    readonly side: "before" | "after";
    readonly centres: Map<Slot, number>;
    readonly gap: number;
  },
): void {
  const { side, centres, gap } = to;
  const wanted = layer.map((slot) => {
    const neighbours = slot[side];
    if (neighbours.length === 0) return { at: centres.get(slot)!, weight: 0.1 };
    const sum = neighbours.reduce((total, other) => total + centres.get(other)!, 0);
    return { at: sum / neighbours.length, weight: slot.isNode ? 1 : PASSAGE_WEIGHT };
  });
  const offsets: number[] = [];
  for (const [index, slot] of layer.entries()) {
    const previous = layer[index - 1];
    offsets.push(
      previous === undefined
        ? 0
        : offsets[index - 1]! + previous.across / 2 + gap + slot.across / 2,
    );
  }
  const base = ascending(wanted.map(({ at, weight }, i) => ({ at: at - offsets[i]!, weight })));
  for (const [index, slot] of layer.entries()) centres.set(slot, base[index]! + offsets[index]!);
}

/** The ascending numbers that are nearest to those wanted, by the sum of weighted squares: neighbours that are the wrong way round are pooled. */
function ascending(
  wanted: readonly { readonly at: number; readonly weight: number }[],
): readonly number[] {
  const pools: { at: number; weight: number; count: number }[] = [];
  for (const { at, weight } of wanted) {
    pools.push({ at, weight, count: 1 });
    while (pools.length > 1 && pools.at(-2)!.at > pools.at(-1)!.at) {
      const last = pools.pop()!;
      const pool = pools.at(-1)!;
      const total = pool.weight + last.weight;
      pool.at = (pool.at * pool.weight + last.at * last.weight) / total;
      pool.weight = total;
      pool.count += last.count;
    }
  }
  return pools.flatMap(({ at, count }) => Array.from({ length: count }, () => at));
}
