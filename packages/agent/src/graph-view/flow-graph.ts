/** A configuration as what flows where: its blocks, and edges in the direction that logs, samples, targets and values take. */
import type { Graph, GraphNode, NodeReference } from "../runtime/graph.ts";

/** `otlp`: what components of OpenTelemetry pass on; `values`: anything else that one component exports and another refers to. */
export type FlowKind = "logs" | "metrics" | "profiles" | "otlp" | "targets" | "values";

export interface FlowNode {
  /** `loki.process.app`; unique among the nodes of a graph. */
  readonly id: string;
  /** `loki.process`. */
  readonly name: string;
  /** Empty for blocks such as `logging`. */
  readonly label: string;
  /** Set for what Finch does not build yet, and for what stands outside of the module that is drawn. */
  readonly isOutside?: true;
}

export interface FlowEdge {
  readonly from: string;
  readonly to: string;
  readonly kind: FlowKind;
}

export interface FlowGraph {
  /** In evaluation order. */
  readonly nodes: readonly FlowNode[];
  readonly edges: readonly FlowEdge[];
}

/** The blocks of one graph; a module is one node. */
export function flowGraphOf(graph: Graph, isBuilt: (name: string) => boolean): FlowGraph {
  const nodes = [...graph.nodes.values()];
  const isMissing = (node: GraphNode) => node.part.kind === "component" && !isBuilt(nameOf(node));
  return {
    nodes: nodes.map((node) => ({
      id: node.id,
      name: nameOf(node),
      label: node.label,
      ...(isMissing(node) ? { isOutside: true } : {}),
    })),
    edges: nodes.flatMap((node) => flowsOf(node, (id) => graph.nodes.get(id))),
  };
}

/** `loki.process`, also for a component whose definition is not known. */
export function nameOf({ definition, block }: Pick<GraphNode, "definition" | "block">): string {
  return definition.name === "" ? block.name : definition.name;
}

/** What flows because of the references of `node`: to a receiver it sends, of everything else it is given. Each pair once for each kind. */
export function flowsOf(
  node: GraphNode,
  nodeOf: (id: string) => GraphNode | undefined,
): readonly FlowEdge[] {
  const edges = new Map<string, FlowEdge>();
  for (const reference of node.references) {
    const other = nodeOf(reference.to);
    if (other === undefined) continue;
    const receives = receivedKind(other, reference);
    const edge: FlowEdge =
      receives === undefined
        ? { from: other.id, to: node.id, kind: isTargets(reference) ? "targets" : "values" }
        : { from: node.id, to: other.id, kind: receives };
    edges.set(`${edge.from} ${edge.to} ${edge.kind}`, edge);
  }
  return [...edges.values()];
}

function isTargets({ rest }: Pick<NodeReference, "rest">): boolean {
  return rest[0] === "targets" || rest[0] === "output";
}

/** What the export that is referred to takes; undefined when it takes nothing. */
function receivedKind(
  node: GraphNode,
  { rest }: Pick<NodeReference, "rest">,
): Exclude<FlowKind, "targets" | "values"> | undefined {
  const [name = ""] = rest;
  const { part } = node;
  if (part.kind === "component" && name === "input") return "otlp";
  if (part.kind === "component")
    return name !== "receiver" ? undefined : kindOfReceiver(nameOf(node));
  if (part.kind === "pending") return name.endsWith("receiver") ? kindOfReceiver(name) : undefined;
  if (part.kind !== "custom") return undefined;
  for (const reference of part.graph.exports.get(name)?.references ?? []) {
    const inner = part.graph.nodes.get(reference.to);
    const kind = inner && receivedKind(inner, reference);
    if (kind !== undefined) return kind;
  }
  return undefined;
}

function kindOfReceiver(name: string): "logs" | "metrics" | "profiles" {
  if (/pyroscope|profiles/.test(name)) return "profiles";
  return /prometheus|metrics/.test(name) ? "metrics" : "logs";
}
