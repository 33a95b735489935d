/** A flow graph in the languages of other programs. */
import type { FlowGraph } from "./flow-graph.ts";

/** Graphviz. */
export function graphDot({ nodes, edges }: FlowGraph): string {
  const lines = [
    "digraph agent {",
    "  rankdir=LR;",
    "  node [shape=box];",
    ...nodes.map(({ id }) => `  ${JSON.stringify(id)};`),
    ...edges.map(
      ({ from, to, kind }) =>
        `  ${JSON.stringify(from)} -> ${JSON.stringify(to)} [label=${JSON.stringify(kind)}];`,
    ),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

/** Mermaid, as wikis and code hosts draw it. */
export function graphMermaid({ nodes, edges }: FlowGraph): string {
  const names = new Map(nodes.map(({ id }, index) => [id, `n${index}`]));
  const lines = [
    "flowchart LR",
    ...nodes.map(
      ({ id, name, label }) =>
        `  ${names.get(id)!}["${escapeMermaid(name)}${label === "" ? "" : `<br/><b>${escapeMermaid(label)}</b>`}"]`,
    ),
    ...edges.map(({ from, to, kind }) => `  ${names.get(from)!} -->|${kind}| ${names.get(to)!}`),
  ];
  return `${lines.join("\n")}\n`;
}

function escapeMermaid(text: string): string {
  return text.replaceAll("&", "#amp;").replaceAll('"', "#quot;").replaceAll("<", "#lt;");
}
