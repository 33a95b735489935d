/** Batches in parts of so many items, with the resources and scopes that each item has. */
import { encodeOtlpTree } from "@finch/wire";
import type { Metric, OtlpSignal, OtlpTrees } from "@finch/wire";
import { TelemetryBatch } from "./telemetry-batch.ts";
import { dataPointsOf } from "./telemetry-items.ts";

type Node = Record<string, unknown>;

/** Names of the lists down to the items. */
const PATHS: Readonly<Record<OtlpSignal, readonly string[]>> = {
  traces: ["resourceSpans", "scopeSpans", "spans"],
  metrics: ["resourceMetrics", "scopeMetrics", "metrics"],
  logs: ["resourceLogs", "scopeLogs", "logRecords"],
};
const METRIC_DATA = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"] as const;

/** Parts of up to `itemsMax` items, in order; the batch itself, which is spent otherwise, when it is no larger. */
export function splitBatch<Signal extends OtlpSignal>(
  batch: TelemetryBatch<Signal>,
  itemsMax: number,
): readonly TelemetryBatch<Signal>[] {
  if (batch.items <= itemsMax) return [batch];
  const { signal, client } = batch;
  const rest = batch.takeTree() as unknown as Node;
  const parts: TelemetryBatch<Signal>[] = [];
  for (;;) {
    const { node, count } = takeFirst(rest, PATHS[signal], itemsMax);
    if (count === 0) return parts;
    // Parts share resources: their bytes are made at once, and the trees are nobody's.
    const bytes = encodeOtlpTree(signal, node as unknown as OtlpTrees[Signal]);
    parts.push(TelemetryBatch.ofBytes(signal, { bytes, items: count }, client));
  }
}

interface Taken {
  readonly node: Node;
  readonly count: number;
}

/** A copy of the node with its first items, which it has no longer. */
function takeFirst(node: Node, path: readonly string[], itemsMax: number): Taken {
  const [name, ...below] = path;
  const list = node[name!] as Node[];
  if (below.length === 0 && name !== "metrics") {
    const items = list.splice(0, itemsMax);
    return { node: { ...node, [name!]: items }, count: items.length };
  }
  const taken: Node[] = [];
  let count = 0;
  let used = 0;
  while (used < list.length && count < itemsMax) {
    const next = list[used]!;
    const part =
      name === "metrics"
        ? takePoints(next as unknown as Metric, itemsMax - count)
        : takeFirst(next, below, itemsMax - count);
    if (part.count > 0) taken.push(part.node);
    count += part.count;
    // What is full is done with; only the last one may have more.
    if (count < itemsMax || isEmpty(next, below)) used++;
  }
  list.splice(0, used);
  return { node: { ...node, [name!]: taken }, count };
}

function takePoints(metric: Metric, itemsMax: number): Taken {
  const kind = METRIC_DATA.find((one) => metric[one] !== undefined);
  if (kind === undefined) return { node: {}, count: 0 };
  const data = metric[kind]!;
  const dataPoints = (data.dataPoints as unknown[]).splice(0, itemsMax);
  return { node: { ...metric, [kind]: { ...data, dataPoints } }, count: dataPoints.length };
}

function isEmpty(node: Node, path: readonly string[]): boolean {
  const [name, ...below] = path;
  if (name === undefined) return dataPointsOf(node as unknown as Metric).length === 0;
  const list = node[name] as readonly Node[];
  if (below.length === 0 && name !== "metrics") return list.length === 0;
  return list.every((one) => isEmpty(one, below));
}
