/** Draws a flow graph as SVG: for `finch agent graph`, and for the pages of the agent, which write rates to its edges. */
import { layOut } from "./layered-layout.ts";
import type { Direction, Point, Route } from "./layered-layout.ts";
import type { FlowEdge, FlowGraph, FlowKind, FlowNode } from "./flow-graph.ts";

export interface GraphSvgOptions {
  readonly direction: Direction;
  /** Where a click on a node leads; none when absent. */
  readonly hrefOf?: (node: FlowNode) => string | undefined;
  /** Further classes of a node, such as its health. */
  readonly classOf?: (node: FlowNode) => string;
  /** Room and an empty text for a rate at each edge. */
  readonly hasRates: boolean;
  /** What nodes that are outside are, for the legend. */
  readonly outsideText: string;
  /** The look within the picture; pages have it in their own style. */
  readonly isStandalone: boolean;
}

/** Look of a graph, by colours that stand in {@link COLOURS}. */
export const GRAPH_STYLE = `
.graph { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.graph .node rect { fill: var(--card); stroke: var(--line); stroke-width: 1.5; }
.graph .node .name { fill: var(--soft); font-size: 11px; }
.graph .node .label { fill: var(--ink); font-size: 13px; font-weight: 600; }
.graph .node.outside rect { stroke-dasharray: 4 3; fill: none; }
.graph .edge path { fill: none; stroke: var(--flow); stroke-width: 1.6; }
.graph .edge polygon { fill: var(--flow); }
.graph .logs { --flow: var(--logs); } .graph .metrics { --flow: var(--metrics); }
.graph .profiles { --flow: var(--profiles); } .graph .otlp { --flow: var(--otlp); }
.graph .targets { --flow: var(--targets); } .graph .values { --flow: var(--values); }
.graph .targets path, .graph .values path { stroke-dasharray: 5 4; }
.graph .rate { fill: var(--ink); font-size: 11px; paint-order: stroke; stroke: var(--ground); stroke-width: 4px; stroke-linejoin: round; }
.graph .legend text { fill: var(--soft); font-size: 11px; }
`;

/** Colours for a light and a dark screen. */
export const COLOURS = `--ink: light-dark(#1c2024, #e6e8eb); --soft: light-dark(#5c666f, #9aa4ad); --line: light-dark(#c9d0d6, #3a424a);
  --ground: light-dark(#f7f8fa, #14171a); --card: light-dark(#fff, #1b1f23);
  --logs: light-dark(#2563b8, #6ea8fe); --metrics: light-dark(#a3561b, #f0a365); --otlp: light-dark(#7a3fb0, #c79bf2);
  --profiles: light-dark(#1f7a6d, #63c7b6);
  --targets: light-dark(#6b7780, #8b97a1); --values: light-dark(#6b7780, #8b97a1);`;

const CHARACTER_WIDTH = 7.9;
const NAME_CHARACTER_WIDTH = 6.7;
const NODE_HEIGHT = 44;
const NODE_PADDING = 14;
const NODE_CHARACTERS_MAX = 44;
const MARGIN = 16;
const ARROW = 8;
const LEGEND_HEIGHT = 30;

export function graphSvg(graph: FlowGraph, options: GraphSvgOptions): string {
  const isRight = options.direction === "right";
  const sized = graph.nodes.map((node) => ({
    id: node.id,
    width: widthOf(node),
    height: NODE_HEIGHT,
  }));
  const layout = layOut(sized, graph.edges, {
    direction: options.direction,
    layerGap: options.hasRates ? (isRight ? 120 : 68) : isRight ? 64 : 44,
    nodeGap: 16,
    rowLengthMin: isRight ? 900 : 320,
  });
  const kinds = KINDS.filter(({ kind }) => graph.edges.some((edge) => edge.kind === kind));
  const outsideText = graph.nodes.some((node) => node.isOutside) ? options.outsideText : "";
  const legendWidth = [...kinds.map(({ text }) => text), outsideText].reduce(
    (sum, text) => sum + legendItemWidth(text),
    0,
  );
  const width = Math.ceil(Math.max(layout.width, legendWidth) + MARGIN * 2);
  const hasLegend = kinds.length > 0 || outsideText !== "";
  const height = Math.ceil(layout.height + MARGIN * 2 + (hasLegend ? LEGEND_HEIGHT : 0));
  const routes = layout.routes.map(({ edge, points, gaps }) => ({
    edge,
    points: points.map(shift),
    gaps: gaps.map(([from, to]) => [shift(from), shift(to)] as const),
  }));
  const edges = routes.map(({ edge, points }) => edgeSvg(edge, points, isRight));
  const counted = routes.filter(({ edge }) => COUNTED.has(edge.kind));
  const rates = options.hasRates ? placeRates(counted, isRight).map(rateSvg) : [];
  const nodes = graph.nodes.map((node, index) =>
    nodeSvg(node, { ...sized[index]!, centre: shift(layout.places.get(node.id)!) }, options),
  );
  const style = options.isStandalone
    ? `<style>:root { color-scheme: light dark; ${COLOURS} } .ground { fill: var(--ground); }${GRAPH_STYLE}</style>\n<rect class="ground" width="${width}" height="${height}"/>\n`
    : "";
  return `<svg xmlns="http://www.w3.org/2000/svg" class="graph" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="${options.hrefOf === undefined ? "img" : "group"}" aria-label="Components and what flows between them">
${style}${[...edges, ...nodes, ...rates].join("\n")}
${hasLegend ? legendSvg(kinds, outsideText, height - MARGIN) : ""}</svg>
`;
}

function shift({ x, y }: Point): Point {
  return { x: round(x + MARGIN), y: round(y + MARGIN) };
}

function widthOf({ name, label }: FlowNode): number {
  const characters = Math.max(
    shorten(name).length * (label === "" ? CHARACTER_WIDTH : NAME_CHARACTER_WIDTH),
    shorten(label).length * CHARACTER_WIDTH,
  );
  return Math.ceil(Math.max(72, characters + NODE_PADDING * 2));
}

/** Long names lose their middle; the whole stands in the title. */
function shorten(text: string): string {
  if (text.length <= NODE_CHARACTERS_MAX) return text;
  const half = Math.floor((NODE_CHARACTERS_MAX - 1) / 2);
  return `${text.slice(0, half)}…${text.slice(-half)}`;
}

function nodeSvg(
  node: FlowNode,
  place: { readonly width: number; readonly height: number; readonly centre: Point },
  { hrefOf, classOf }: GraphSvgOptions,
): string {
  const { width, height, centre } = place;
  const x = round(centre.x - width / 2);
  const y = round(centre.y - height / 2);
  const texts =
    node.label === ""
      ? `<text class="label" x="${x + NODE_PADDING}" y="${centre.y + 4}">${escapeXml(shorten(node.name))}</text>`
      : `<text class="name" x="${x + NODE_PADDING}" y="${y + 17}">${escapeXml(shorten(node.name))}</text><text class="label" x="${x + NODE_PADDING}" y="${y + 34}">${escapeXml(shorten(node.label))}</text>`;
  const classes =
    `node ${node.isOutside === true ? "outside" : ""} ${classOf?.(node) ?? ""}`.trim();
  const mark =
    classOf === undefined
      ? ""
      : `<rect class="mark" x="${x + 3}" y="${y + 8}" width="3" height="${height - 16}" rx="1.5"/>`;
  const inner = `<title>${escapeXml(node.id)}</title><rect x="${x}" y="${y}" width="${width}" height="${height}" rx="8"/>${mark}${texts}`;
  const href = hrefOf?.(node);
  const group = `<g class="${escapeXml(classes)}" data-id="${escapeXml(node.id)}">${inner}</g>`;
  return href === undefined ? group : `<a href="${escapeXml(href)}">${group}</a>`;
}

function edgeSvg(edge: FlowEdge, points: readonly Point[], isRight: boolean): string {
  const last = points.at(-1)!;
  const before = points.at(-2)!;
  const isBack = isRight ? last.x < before.x : last.y < before.y;
  const back = isBack ? ARROW : -ARROW;
  const tip = isRight ? { x: last.x + back, y: last.y } : { x: last.x, y: last.y + back };
  const half = ARROW / 2;
  const corners = isRight
    ? `${last.x},${last.y} ${tip.x},${tip.y - half} ${tip.x},${tip.y + half}`
    : `${last.x},${last.y} ${tip.x - half},${tip.y} ${tip.x + half},${tip.y}`;
  return `<g class="edge ${edge.kind}" data-edge="${escapeXml(edgeKey(edge))}"><title>${escapeXml(`${edge.from} → ${edge.to}: ${edge.kind}`)}</title><path d="${curve([...points.slice(0, -1), tip], isRight)}"/><polygon points="${corners}"/></g>`;
}

/** What tells an edge from others in `data-edge`. */
export function edgeKey({ from, to }: Pick<FlowEdge, "from" | "to">): string {
  return `${from} ${to}`;
}

/** Leaves and enters each point along the flow. */
function curve(points: readonly Point[], isRight: boolean): string {
  let path = `M${points[0]!.x} ${points[0]!.y}`;
  for (let i = 1; i < points.length; i++) {
    const [a, b] = [points[i - 1]!, points[i]!];
    const isStraight = isRight ? a.y === b.y : a.x === b.x;
    if (isStraight) path += `L${b.x} ${b.y}`;
    else if (isRight) {
      const middle = round((a.x + b.x) / 2);
      path += `C${middle} ${a.y} ${middle} ${b.y} ${b.x} ${b.y}`;
    } else {
      const middle = round((a.y + b.y) / 2);
      path += `C${a.x} ${middle} ${b.x} ${middle} ${b.x} ${b.y}`;
    }
  }
  return path;
}

interface RatePlace {
  readonly edge: FlowEdge;
  x: number;
  y: number;
}

/** What flows in batches that are counted; targets and other exports are there or not. */
const COUNTED: ReadonlySet<FlowKind> = new Set(["logs", "metrics", "profiles", "otlp"]);
const RATE_HEIGHT = 14;
/** As wide as `12.3k lines/s`. */
const RATE_WIDTH = 92;

/** Next to the end of an edge that it has for itself; moved where two would cover each other. */
function placeRates(
  routes: readonly Pick<Route<FlowEdge>, "edge" | "gaps">[],
  isRight: boolean,
): readonly RatePlace[] {
  const leaving = countBy(routes.map(({ edge }) => edge.from));
  const places = routes.map(({ edge, gaps }): RatePlace => {
    const isNearEnd = leaving.get(edge.from)! > 1;
    const [from, to] = gaps.at(isNearEnd ? -1 : 0)!;
    // Where a curve between both has gone most of its way across, and still is in the middle of the gap.
    const bend = isNearEnd ? 0.7 : 0.3;
    const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
    return isRight
      ? { edge, x: middle.x, y: from.y + (to.y - from.y) * bend - 5 }
      : { edge, x: from.x + (to.x - from.x) * bend, y: middle.y + 4 };
  });
  const settled: RatePlace[] = [];
  for (const place of places.toSorted((a, b) => a.y - b.y)) {
    for (const other of settled)
      if (Math.abs(other.x - place.x) < RATE_WIDTH && place.y - other.y < RATE_HEIGHT)
        place.y = other.y + RATE_HEIGHT;
    settled.push(place);
  }
  return settled;
}

function countBy(keys: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

function rateSvg({ edge, x, y }: RatePlace): string {
  return `<text class="rate" text-anchor="middle" x="${round(x)}" y="${round(y)}" data-rate="${escapeXml(edgeKey(edge))}"></text>`;
}

const KINDS = [
  { kind: "logs", text: "logs" },
  { kind: "metrics", text: "samples" },
  { kind: "profiles", text: "profiles" },
  { kind: "otlp", text: "OpenTelemetry" },
  { kind: "targets", text: "targets" },
  { kind: "values", text: "other exports" },
] as const;

function legendItemWidth(text: string): number {
  return 44 + text.length * NAME_CHARACTER_WIDTH;
}

function legendSvg(
  kinds: readonly (typeof KINDS)[number][],
  outsideText: string,
  y: number,
): string {
  let x = MARGIN;
  const items = kinds.map(({ kind, text }) => {
    const item = `<g class="edge ${kind}"><path d="M${round(x)} ${y - 4}h24"/></g><text x="${round(x + 30)}" y="${y}">${text}</text>`;
    x += legendItemWidth(text);
    return item;
  });
  if (outsideText !== "")
    items.push(
      `<g class="node outside"><rect x="${round(x)}" y="${y - 11}" width="24" height="14" rx="4"/></g><text x="${round(x + 30)}" y="${y}">${escapeXml(outsideText)}</text>`,
    );
  return `<g class="legend">${items.join("")}</g>\n`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export function escapeXml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
