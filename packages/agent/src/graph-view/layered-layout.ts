/**
 * Places the nodes of a directed graph in layers, so that edges lead from one layer to later ones and cross little. Parts that are not connected
 * stand side by side; nodes without edges in rows at the end. Sizes and places are in pixels. Deterministic, and fast enough for a thousand nodes.
 */
import { orderLayers } from "./layer-order.ts";
import { alignLayers } from "./layer-positions.ts";

/** `right`: layers are columns from left to right; `down`: rows from top to bottom. */
export type Direction = "right" | "down";

export interface LayoutNode {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}

export interface LayoutEdge {
  readonly from: string;
  readonly to: string;
}

export interface LayoutOptions {
  readonly direction: Direction;
  /** Between layers: room for what is written at edges. */
  readonly layerGap: number;
  /** Between nodes of a layer. */
  readonly nodeGap: number;
  /** Nodes without edges begin a new row beyond this, unless the graph itself is longer. */
  readonly rowLengthMin: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Layout<Edge extends LayoutEdge = LayoutEdge> {
  readonly width: number;
  readonly height: number;
  /** Centres, by id. */
  readonly places: ReadonlyMap<string, Point>;
  /** From the border of one node to that of the other, with a point in each layer between. */
  readonly routes: readonly Route<Edge>[];
}

/** The way of an edge. */
export interface Route<Edge> {
  readonly edge: Edge;
  readonly points: readonly Point[];
  /** Its parts between layers, where there is room beside it. */
  readonly gaps: readonly (readonly [Point, Point])[];
}

/** A node of a layer, or the place where a longer edge passes through it. Sizes are across (within a layer) and along (the flow). */
export interface Slot {
  readonly id: string;
  readonly isNode: boolean;
  readonly across: number;
  readonly along: number;
  readonly before: Slot[];
  readonly after: Slot[];
}

/** `edges` whose ends are no nodes are left out. */
export function layOut<Edge extends LayoutEdge>(
  nodes: readonly LayoutNode[],
  edges: readonly Edge[],
  options: LayoutOptions,
): Layout<Edge> {
  const known = new Set(nodes.map(({ id }) => id));
  const used = edges.filter(({ from, to }) => from !== to && known.has(from) && known.has(to));
  const parts = connectedParts(nodes, used);
  const plane = new Plane<Edge>(options);
  for (const part of parts) if (part.edges.length > 0) plane.addPart(part.nodes, part.edges);
  plane.addRows(parts.filter((part) => part.edges.length === 0).flatMap((part) => part.nodes));
  return plane.finish();
}

interface Part<Edge> {
  readonly nodes: LayoutNode[];
  readonly edges: Edge[];
}

/** The largest first. */
function connectedParts<Edge extends LayoutEdge>(
  nodes: readonly LayoutNode[],
  edges: readonly Edge[],
): readonly Part<Edge>[] {
  const leaders = new Map(nodes.map(({ id }) => [id, id]));
  const leaderOf = (id: string): string => {
    let at = id;
    for (let up = leaders.get(at)!; up !== at; up = leaders.get(at)!) at = up;
    return at;
  };
  for (const { from, to } of edges) leaders.set(leaderOf(from), leaderOf(to));
  const parts = new Map<string, Part<Edge>>();
  for (const node of nodes) {
    const leader = leaderOf(node.id);
    const part = parts.get(leader) ?? { nodes: [], edges: [] };
    part.nodes.push(node);
    parts.set(leader, part);
  }
  for (const edge of edges) parts.get(leaderOf(edge.from))!.edges.push(edge);
  return [...parts.values()].toSorted((a, b) => b.nodes.length - a.nodes.length);
}

/** Gathers parts below one another; coordinates are (along, across) until the end. */
class Plane<Edge extends LayoutEdge> {
  readonly #options: LayoutOptions;
  readonly #places = new Map<string, Point>();
  readonly #routes: Route<Edge>[] = [];
  #length = 0;
  #breadth = 0;

  constructor(options: LayoutOptions) {
    this.#options = options;
  }

  addPart(nodes: readonly LayoutNode[], edges: readonly Edge[]): void {
    const { layerGap, nodeGap } = this.#options;
    const layers = makeLayers(nodes, edges, (node) => this.#turn(node.width, node.height));
    orderLayers(layers.slots);
    const centres = alignLayers(layers.slots, nodeGap);
    // Parts stand below one another, whichever way they go.
    const isDown = this.#options.direction === "down";
    const gap = this.#routes.length === 0 ? 0 : nodeGap * 2;
    const start = isDown || gap === 0 ? 0 : this.#breadth + gap;
    const least = Math.min(
      ...layers.slots.flat().map((slot) => centres.get(slot)! - slot.across / 2),
    );
    const spans = new Map<Slot, Span>();
    let along = isDown && gap > 0 ? this.#length + gap : 0;
    for (const layer of layers.slots) {
      const thickness = Math.max(...layer.map((slot) => slot.along));
      for (const slot of layer) {
        const across = start + centres.get(slot)! - least;
        const margin = slot.isNode ? (thickness - slot.along) / 2 : 0;
        spans.set(slot, { from: along, to: along + thickness, margin, across });
        this.#breadth = Math.max(this.#breadth, across + slot.across / 2);
      }
      along += thickness + layerGap;
    }
    this.#length = Math.max(this.#length, along - layerGap);
    for (const [slot, { from, to, across }] of spans)
      if (slot.isNode) this.#places.set(slot.id, this.#point({ x: (from + to) / 2, y: across }));
    for (const { edge, slots } of layers.chains) {
      const way = slots.map((slot) => spans.get(slot)!);
      this.#routes.push({
        edge,
        points: routeOf(way).map(this.#point),
        gaps: gapsOf(way).map((ends) => ends.map(this.#point) as [Point, Point]),
      });
    }
  }

  /** Nodes without edges, in rows. */
  addRows(nodes: readonly LayoutNode[]): void {
    const { nodeGap, rowLengthMin, direction } = this.#options;
    if (nodes.length === 0) return;
    const isDown = direction === "down";
    const rowLength = Math.max(rowLengthMin, isDown ? this.#breadth : this.#length);
    let y = (isDown ? this.#length : this.#breadth) + (this.#routes.length === 0 ? 0 : nodeGap * 2);
    let x = 0;
    let rowHeight = 0;
    for (const node of nodes) {
      if (x > 0 && x + node.width > rowLength) {
        y += rowHeight + nodeGap;
        x = 0;
        rowHeight = 0;
      }
      this.#places.set(node.id, { x: x + node.width / 2, y: y + node.height / 2 });
      x += node.width + nodeGap;
      rowHeight = Math.max(rowHeight, node.height);
      if (isDown) this.#breadth = Math.max(this.#breadth, x - nodeGap);
      else this.#length = Math.max(this.#length, x - nodeGap);
    }
    if (isDown) this.#length = y + rowHeight;
    else this.#breadth = y + rowHeight;
  }

  finish(): Layout<Edge> {
    const { x: width, y: height } = this.#point({ x: this.#length, y: this.#breadth });
    return { width, height, places: this.#places, routes: this.#routes };
  }

  #turn(width: number, height: number): { readonly along: number; readonly across: number } {
    return this.#options.direction === "right"
      ? { along: width, across: height }
      : { along: height, across: width };
  }

  readonly #point = ({ x, y }: Point): Point =>
    this.#options.direction === "right" ? { x, y } : { x: y, y: x };
}

/** Where the layer of a slot begins and ends along the flow, and how far within a node does. */
interface Span {
  readonly from: number;
  readonly to: number;
  readonly margin: number;
  readonly across: number;
}

/** From the border of the first to that of the last; straight through layers, so that it covers no node of them. */
function routeOf(spans: readonly Span[]): readonly Point[] {
  const isBack = spans[0]!.from > spans.at(-1)!.from;
  const forward = isBack ? spans.toReversed() : spans;
  const points = forward.flatMap(({ from, to, margin, across }, index) => {
    const start = index === 0 ? to - margin : from;
    const end = index === forward.length - 1 ? from + margin : to;
    return (start === end ? [start] : [start, end]).map((x) => ({ x, y: across }));
  });
  return isBack ? points.toReversed() : points;
}

function gapsOf(spans: readonly Span[]): readonly (readonly [Point, Point])[] {
  return spans.slice(1).map((span, index) => {
    const before = spans[index]!;
    const isBack = before.from > span.from;
    return [
      { x: isBack ? before.from : before.to, y: before.across },
      { x: isBack ? span.to : span.from, y: span.across },
    ];
  });
}

interface Layers<Edge> {
  readonly slots: Slot[][];
  /** The slots an edge passes, from its beginning to its end. */
  readonly chains: readonly { readonly edge: Edge; readonly slots: readonly Slot[] }[];
}

/** How broad the way of a long edge through a layer is. */
const PASSAGE_ACROSS = 12;

function makeLayers<Edge extends LayoutEdge>(
  nodes: readonly LayoutNode[],
  edges: readonly Edge[],
  turn: (node: LayoutNode) => { readonly along: number; readonly across: number },
): Layers<Edge> {
  const ranks = rankNodes(nodes, edges);
  const slots: Slot[][] = [];
  const byId = new Map<string, Slot>();
  const put = (id: string, rank: number, size: ReturnType<typeof turn>, isNode: boolean): Slot => {
    const slot: Slot = { id, isNode, ...size, before: [], after: [] };
    (slots[rank] ??= []).push(slot);
    return slot;
  };
  for (const node of nodes) byId.set(node.id, put(node.id, ranks.get(node.id)!, turn(node), true));
  const chains = edges.map((edge) => {
    const [from, to] = [byId.get(edge.from)!, byId.get(edge.to)!];
    const [first, last] = [ranks.get(edge.from)!, ranks.get(edge.to)!];
    // An edge of a circle leads back; its way is laid the other way round.
    const step = first < last ? 1 : -1;
    const chain = [from];
    for (let rank = first + step; rank !== last; rank += step)
      chain.push(put("", rank, { along: 0, across: PASSAGE_ACROSS }, false));
    chain.push(to);
    for (let i = 1; i < chain.length; i++) {
      const [earlier, later] = step > 0 ? [chain[i - 1]!, chain[i]!] : [chain[i]!, chain[i - 1]!];
      earlier.after.push(later);
      later.before.push(earlier);
    }
    return { edge, slots: chain };
  });
  return { slots, chains };
}

/** The longest way from a beginning; what nothing leads to stands right before what it leads to. Edges that close a circle do not count. */
function rankNodes(
  nodes: readonly LayoutNode[],
  edges: readonly LayoutEdge[],
): ReadonlyMap<string, number> {
  const after = new Map<string, string[]>(nodes.map(({ id }) => [id, []]));
  for (const { from, to } of edges) after.get(from)!.push(to);
  const order: string[] = [];
  const state = new Map<string, "open" | "done">();
  const forward = new Map<string, string[]>();
  const visit = (id: string) => {
    state.set(id, "open");
    const next = after.get(id)!.filter((to) => state.get(to) !== "open");
    forward.set(id, next);
    for (const to of next) if (!state.has(to)) visit(to);
    state.set(id, "done");
    order.push(id);
  };
  for (const { id } of nodes) if (!state.has(id)) visit(id);
  const ranks = new Map<string, number>(nodes.map(({ id }) => [id, 0]));
  const hasBefore = new Set<string>();
  for (const id of order.toReversed())
    for (const to of forward.get(id)!) {
      ranks.set(to, Math.max(ranks.get(to)!, ranks.get(id)! + 1));
      hasBefore.add(to);
    }
  for (const id of order) {
    const next = forward.get(id)!;
    if (hasBefore.has(id) || next.length === 0) continue;
    ranks.set(id, Math.min(...next.map((to) => ranks.get(to)!)) - 1);
  }
  return ranks;
}
