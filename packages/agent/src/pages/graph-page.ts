/** The page with the graph of the configuration, or of one module, with rates at its edges. */
import { graphSvg, escapeXml } from "../graph-view/graph-svg.ts";
import type { FlowEdge, FlowGraph, FlowNode } from "../graph-view/flow-graph.ts";
import type { Direction } from "../graph-view/layered-layout.ts";
import type { Agent } from "../runtime/agent.ts";
import { componentList, healthSummary } from "./component-list.ts";
import { componentHref, encodePath, graphHref, pageShell } from "./page-shell.ts";

/** Undefined when there is no such module. */
export function graphPage(agent: Agent, moduleId: string): string | undefined {
  const graph = shownGraph(agent, moduleId);
  if (graph === undefined) return undefined;
  const components = agent.components();
  const own = components.filter((info) => info.moduleId === moduleId);
  const states = new Map(components.map(({ id, health }) => [id, health.state]));
  const draw = (direction: Direction) =>
    graphSvg(graph, {
      direction,
      hrefOf: ({ id }) => hrefOf(agent, id),
      classOf: ({ id }) => states.get(id) ?? "",
      hasRates: true,
      outsideText: "outside of this module",
      isStandalone: false,
    });
  const title = moduleId === "" ? "Finch agent" : moduleId;
  return pageShell({
    title,
    place: moduleId === "" ? "graph" : "other",
    body: `<h1>${moduleId === "" ? "What flows where" : `<code>${escapeXml(moduleId)}</code>`}</h1>
<p class="soft">${moduleId === "" ? "" : `${pathLinks(moduleId)} · `}${healthSummary(moduleId === "" ? components : own)} · rates over the last seconds, of samples over the last minute</p>
<div data-live-graph="/live/graph/${encodePath(moduleId)}">
<div class="scroll canvas wide" tabindex="0">${draw("right")}</div>
<div class="scroll canvas narrow" tabindex="0">${draw("down")}</div>
</div>
<h2>Components</h2>
${componentList(moduleId === "" ? components : own)}`,
  });
}

/** A node that is a module leads to what is in it. */
function hrefOf(agent: Agent, id: string): string {
  const [module, ...others] = agent.component(id)?.createdModuleIds ?? [];
  return module !== undefined && others.length === 0 ? graphHref(module) : componentHref(id);
}

function pathLinks(moduleId: string): string {
  const parts = moduleId.split("/");
  const links = parts
    .slice(0, -1)
    .map((_, index) => parts.slice(0, index + 1).join("/"))
    .map((id) => `<a href="${graphHref(id)}">${escapeXml(id)}</a>`);
  const own = `<a href="${componentHref(moduleId)}">its arguments</a>`;
  return [`<a href="/">whole configuration</a>`, ...links, own].join(" › ");
}

/** The graph of a module, with what goes over its border as nodes of their own. */
function shownGraph(agent: Agent, moduleId: string): FlowGraph | undefined {
  const graph = agent.flowGraph(moduleId);
  if (graph === undefined || moduleId === "") return graph;
  const nodes = new Map<string, FlowNode>(graph.nodes.map((node) => [node.id, node]));
  const edges = new Map<string, FlowEdge>(graph.edges.map((edge) => [keyOf(edge), edge]));
  for (const { from, to, kind } of agent.live.meters.all()) {
    const edge = { from: shownId(from, moduleId), to: shownId(to, moduleId), kind };
    const isInside = [edge.from, edge.to].some(
      (id) => nodes.get(id)?.isOutside === undefined && nodes.has(id),
    );
    if (!isInside || edge.from === edge.to) continue;
    for (const id of [edge.from, edge.to]) if (!nodes.has(id)) nodes.set(id, outsideNode(id));
    edges.set(keyOf(edge), edge);
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

function keyOf({ from, to, kind }: FlowEdge): string {
  return `${from} ${to} ${kind}`;
}

function outsideNode(id: string): FlowNode {
  const local = id.slice(id.lastIndexOf("/") + 1);
  const dot = local.lastIndexOf(".");
  return {
    id,
    name: dot < 0 ? local : local.slice(0, dot),
    label: dot < 0 ? "" : local.slice(dot + 1),
    isOutside: true,
  };
}

/** The node of a module's graph that a component belongs to: itself, the module below that it is in, or itself outside. */
export function shownId(id: string, moduleId: string): string {
  const prefix = moduleId === "" ? "" : `${moduleId}/`;
  if (!id.startsWith(prefix)) return id;
  return `${prefix}${id.slice(prefix.length).split("/")[0]!}`;
}
