import assert from "node:assert/strict";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nodeFileSystem } from "@finch/runtime";
import { ConfigError } from "../runtime/config-error.ts";
import { graphConfig } from "./config-graph.ts";
import { graphSvg } from "./graph-svg.ts";
import { graphDot, graphMermaid } from "./graph-text.ts";
import { layOut } from "./layered-layout.ts";
import type { Direction, Layout, LayoutNode } from "./layered-layout.ts";

const CONFIGS = join(import.meta.dirname, "../../../../../shared/conformance/alloy-configs");
const SHOP = join(import.meta.dirname, "../../testdata/pipeline-tests/shop.alloy");
const OPTIONS = { layerGap: 60, nodeGap: 16, rowLengthMin: 900 };
const DIRECTIONS: readonly Direction[] = ["right", "down"];

function nodesNamed(names: string): readonly LayoutNode[] {
  return names.split(" ").map((id, index) => ({ id, width: 80 + ((index * 37) % 90), height: 44 }));
}

function edgesOf(text: string) {
  return text.split(" ").map((edge) => {
    const [from = "", to = ""] = edge.split(">");
    return { from, to };
  });
}

/** Nodes that cover one another, and edges that run over a node that is not theirs. */
function faultsOf(nodes: readonly LayoutNode[], layout: Layout): string[] {
  const boxes = nodes.map(({ id, width, height }) => {
    const { x, y } = layout.places.get(id)!;
    return {
      id,
      left: x - width / 2,
      right: x + width / 2,
      top: y - height / 2,
      bottom: y + height / 2,
    };
  });
  const faults: string[] = [];
  for (const [index, a] of boxes.entries()) {
    if (
      a.left < -0.1 ||
      a.top < -0.1 ||
      a.right > layout.width + 0.1 ||
      a.bottom > layout.height + 0.1
    )
      faults.push(`${a.id} is outside`);
    for (const b of boxes.slice(index + 1))
      if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
        faults.push(`${a.id} covers ${b.id}`);
  }
  for (const { edge, points } of layout.routes)
    for (const [index, point] of points.entries()) {
      const next = points[index + 1] ?? point;
      for (const box of boxes) {
        if (box.id === edge.from || box.id === edge.to) continue;
        for (const share of [0, 0.25, 0.5, 0.75]) {
          const x = point.x + (next.x - point.x) * share;
          const y = point.y + (next.y - point.y) * share;
          if (x > box.left && x < box.right && y > box.top && y < box.bottom)
            faults.push(`${edge.from}>${edge.to} runs over ${box.id}`);
        }
      }
    }
  return faults;
}

const GRAPHS: readonly (readonly [rule: string, nodes: string, edges: string])[] = [
  ["a chain", "a b c", "a>b b>c"],
  ["many into one, and past a layer", "a b c d e", "a>d b>d c>d a>e d>e"],
  ["one into many", "a b c d", "a>b a>c a>d"],
  ["parts that are not connected", "a b c d e f", "a>b c>d"],
  ["a circle", "a b c", "a>b b>c c>a"],
  ["two ways round", "a b c d e f", "a>b b>c c>d a>d e>f a>f"],
];

for (const [rule, names, edges] of GRAPHS)
  for (const direction of DIRECTIONS)
    test(`${rule}, ${direction}: nothing covers anything`, () => {
      const nodes = nodesNamed(names);
      const layout = layOut(nodes, edgesOf(edges), { ...OPTIONS, direction });
      assert.deepEqual(faultsOf(nodes, layout), []);
      assert.equal(layout.routes.length, edgesOf(edges).length);
    });

test("edges go with the direction, from border to border, and a chain is straight", () => {
  const nodes = nodesNamed("a b c");
  const { places, routes } = layOut(nodes, edgesOf("a>b b>c"), { ...OPTIONS, direction: "right" });
  assert.equal(new Set([...places.values()].map(({ y }) => y)).size, 1);
  const [first] = routes;
  assert.deepEqual(first!.points, [
    { x: 80, y: 22 },
    { x: 140, y: 22 },
  ]);
});

test("what can be drawn without crossings is", () => {
  const nodes = nodesNamed("a b c d e f");
  const { places } = layOut(nodes, edgesOf("a>f b>e c>d a>e"), { ...OPTIONS, direction: "right" });
  const order = (ids: string) =>
    ids.split("").toSorted((p, q) => places.get(p)!.y - places.get(q)!.y);
  const left = order("ab");
  const right = order("ef");
  assert.equal(left.join("") === "ab", right.join("") === "fe");
});

test("flows of a configuration: to receivers, from targets", async () => {
  const { nodes, edges } = await graphConfig({ path: SHOP }, nodeFileSystem);
  assert.equal(nodes.length, 8);
  const flows = edges.map(({ from, to, kind }) => `${from} ${kind} ${to}`);
  for (const flow of [
    "discovery.docker.containers targets discovery.relabel.shop",
    "loki.source.docker.shop logs loki.process.shop",
    "loki.process.shop logs loki.write.default",
    "prometheus.scrape.shop metrics prometheus.relabel.shop",
  ])
    assert.ok(flows.includes(flow), flow);
});

test("a module is a node that samples and lines flow through, and what is not built is drawn", async () => {
  const text = `declare "m" {
  argument "to" { }
  loki.process "p" { forward_to = argument.to.value }
  export "in" { value = loki.process.p.receiver }
}
m "a" { to = [loki.write.w.receiver, loki.secretfilter.o.receiver] }
loki.source.file "f" {
  targets    = []
  forward_to = [m.a.in]
}
loki.write "w" { }
loki.secretfilter "o" { }
`;
  const { nodes, edges } = await graphConfig({ text, name: "m.alloy" }, nodeFileSystem);
  assert.deepEqual(edges.map(({ from, to, kind }) => `${from} ${kind} ${to}`).toSorted(), [
    "loki.source.file.f logs m.a",
    "m.a logs loki.secretfilter.o",
    "m.a logs loki.write.w",
  ]);
  assert.deepEqual(
    nodes.filter(({ isOutside }) => isOutside === true).map(({ id }) => id),
    ["loki.secretfilter.o"],
  );
});

test("rates have a place of their own at each edge that is counted", () => {
  const names = ["a", "b", "c", "d", "e", "k"];
  const edges = names.slice(0, -1).map((from) => ({ from, to: "k", kind: "logs" as const }));
  const svg = graphSvg(
    {
      nodes: names.map((id) => ({ id, name: id, label: "x" })),
      edges: [...edges, { from: "a", to: "b", kind: "targets" }],
    },
    { direction: "right", hasRates: true, outsideText: "", isStandalone: false },
  );
  const places = [...svg.matchAll(/class="rate" [^>]* x="([\d.]+)" y="([\d.]+)"/g)].map(
    ([, x, y]) => ({ x: Number(x), y: Number(y) }),
  );
  assert.equal(places.length, edges.length);
  for (const [index, one] of places.entries())
    for (const other of places.slice(index + 1))
      assert.ok(Math.abs(one.x - other.x) >= 92 || Math.abs(one.y - other.y) >= 13.9);
});

test("what refers to nothing is refused", () =>
  assert.rejects(
    graphConfig(
      { text: 'loki.process "a" { forward_to = [loki.nothing.b.receiver] }', name: "x" },
      nodeFileSystem,
    ),
    ConfigError,
  ));

test("texts for other programs, and names that would break them", async () => {
  const graph = {
    nodes: [
      { id: "a.b", name: "a", label: "b" },
      { id: "logging", name: "logging", label: "" },
    ],
    edges: [{ from: "a.b", to: "logging", kind: "logs" as const }],
  };
  assert.match(graphDot(graph), /"a\.b" -> "logging" \[label="logs"\];/);
  assert.match(
    graphMermaid(graph),
    /n0\["a<br\/><b>b<\/b>"\]\n {2}n1\["logging"\]\n {2}n0 -->\|logs\| n1\n/,
  );
  const svg = graphSvg(
    { nodes: [{ id: '<&">', name: '<&">', label: "x" }], edges: [] },
    { direction: "right", hasRates: false, outsideText: "", isStandalone: true },
  );
  assert.match(svg, /data-id="&lt;&amp;&quot;&gt;"/);
  assert.doesNotMatch(svg, /<&/);
});

test(
  "real configurations are drawn with nothing covered",
  { skip: !existsSync(CONFIGS) && "no ../shared" },
  async () => {
    const paths = globSync("**/*.alloy", { cwd: CONFIGS }).toSorted();
    let drawn = 0;
    for (const path of paths) {
      const graph = await graphConfig({ path: join(CONFIGS, path) }, nodeFileSystem).catch(
        (error: unknown) => {
          if (error instanceof ConfigError) return undefined;
          throw error;
        },
      );
      if (graph === undefined) continue;
      drawn++;
      const nodes = graph.nodes.map(({ id }) => ({ id, width: id.length * 5, height: 44 }));
      for (const direction of DIRECTIONS)
        assert.deepEqual(
          faultsOf(nodes, layOut(nodes, graph.edges, { ...OPTIONS, direction })),
          [],
          path,
        );
    }
    assert.ok(drawn > paths.length / 2, `${drawn} of ${paths.length} drawn`);
  },
);
