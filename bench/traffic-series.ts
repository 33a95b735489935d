/**
 * The series of a small cluster: nodes with node_exporter (250 series each), pods seen by cAdvisor (45 each) and applications with request
 * histograms (60 each), in the shares 25 %, 45 %, 30 %, with about 13 labels. Only names, labels and the way values move; no samples.
 */
import { createRandom } from "./traffic-random.ts";
import { appSeries, SERIES_PER_APP } from "./traffic-apps.ts";
import { nodeExporterSeries, SERIES_PER_NODE } from "./traffic-nodes.ts";
import { podSeries, SERIES_PER_POD } from "./traffic-pods.ts";
import type { Node, TrafficSeries } from "./traffic-shape.ts";

/** Series of one unit: 1 node, 10 pods, 5 applications. */
const SERIES_PER_UNIT = SERIES_PER_NODE + 10 * SERIES_PER_POD + 5 * SERIES_PER_APP;

const REGIONS = ["eu-west-1", "us-east-1", "ap-south-1"];

/** Targets first to last, series of a target next to each other. `count` must be a multiple of 1,000; another seed makes other pods, hence other series. */
export function createTrafficSeries(options: {
  readonly count: number;
  readonly seed: number;
}): TrafficSeries[] {
  const { count, seed } = options;
  if (count <= 0 || count % SERIES_PER_UNIT !== 0)
    throw new RangeError(`traffic comes in multiples of ${SERIES_PER_UNIT} series, not ${count}`);
  const random = createRandom(seed);
  const units = count / SERIES_PER_UNIT;
  const nodes = Array.from({ length: units }, (_, i) => createNode(i));
  const byTarget: TrafficSeries[][] = [];
  for (const node of nodes) byTarget.push(nodeExporterSeries(node, random, byTarget.length));
  for (const [n, node] of nodes.entries()) {
    const target = byTarget.length;
    const pods = Array.from({ length: 10 }, (_, i) =>
      podSeries(node, n + i * units, random, target),
    );
    byTarget.push(pods.flat());
  }
  for (let i = 0; i < 5 * units; i++)
    byTarget.push(appSeries(nodes[(i * 3) % units]!, i, random, byTarget.length));
  return byTarget.flat();
}

function createNode(i: number): Node {
  const region = REGIONS[i % REGIONS.length]!;
  const [high, middle, low] = [i >> 8, (i * 37) & 255, (i * 11) & 255];
  return {
    name: `ip-10-${high}-${middle}-${low}.${region}.compute.internal`,
    address: `10.${high}.${middle}.${low}`,
    region,
    zone: region + "abc"[i % 3]!,
  };
}
