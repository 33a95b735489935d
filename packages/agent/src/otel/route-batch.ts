/** A batch in parts by who is to get them: spans and records of one trace, or all of one service, go together. */
import { encodeOtlpTree, formatOtlpValue } from "@finch/wire";
import type { OtlpSignal, OtlpTrees, Resource } from "@finch/wire";
import { TelemetryBatch } from "./telemetry-batch.ts";
import type { AnyBatch } from "./telemetry-batch.ts";
import { countItems } from "./telemetry-items.ts";

export type RoutingKey = "traceID" | "service";

/** Parts by endpoint, with the resources and scopes that their items have. `endpointFor` may not answer the same for all keys. */
export function routeBatch(
  batch: AnyBatch,
  routing: RoutingKey,
  endpointFor: (key: Uint8Array | string) => string,
): ReadonlyMap<string, AnyBatch> {
  switch (batch.signal) {
    case "metrics":
      return byService(batch, endpointFor);
    case "traces":
      if (routing === "service") return byService(batch, endpointFor);
      return byItem(batch, LISTS.traces, ({ traceId }) => endpointFor(traceId as Uint8Array));
    case "logs":
      // A record without a trace goes where its service goes: anywhere, but not everywhere.
      return byItem(batch, LISTS.logs, ({ traceId }, resource) => {
        const id = traceId as Uint8Array;
        return endpointFor(id.length > 0 ? id : serviceOf(resource));
      });
  }
}

type Node = Record<string, unknown>;

const LISTS = {
  traces: { resources: "resourceSpans", scopes: "scopeSpans", items: "spans" },
  logs: { resources: "resourceLogs", scopes: "scopeLogs", items: "logRecords" },
} as const;

function serviceOf({ attributes }: Resource): string {
  return formatOtlpValue(attributes.get("service.name") ?? "");
}

function byService(
  batch: AnyBatch,
  endpointFor: (key: string) => string,
): ReadonlyMap<string, AnyBatch> {
  const name = batch.signal === "metrics" ? "resourceMetrics" : "resourceSpans";
  const parts = new Map<string, Node[]>();
  for (const node of (batch.tree() as unknown as Record<string, Node[]>)[name]!) {
    const endpoint = endpointFor(serviceOf(node["resource"] as Resource));
    const list = parts.get(endpoint) ?? [];
    parts.set(endpoint, list);
    list.push(node);
  }
  return batchesOf(batch, name, parts);
}

function byItem(
  batch: AnyBatch,
  names: (typeof LISTS)[keyof typeof LISTS],
  endpointOf: (item: Node, resource: Resource) => string,
): ReadonlyMap<string, AnyBatch> {
  const parts = new Map<string, Node[]>();
  for (const resource of (batch.tree() as unknown as Record<string, Node[]>)[names.resources]!)
    for (const scope of resource[names.scopes] as Node[]) {
      const lists = new Map<string, Node[]>();
      for (const item of scope[names.items] as Node[]) {
        const endpoint = endpointOf(item, resource["resource"] as Resource);
        const list = lists.get(endpoint) ?? [];
        lists.set(endpoint, list);
        list.push(item);
      }
      for (const [endpoint, items] of lists) {
        const list = parts.get(endpoint) ?? [];
        parts.set(endpoint, list);
        list.push({ ...resource, [names.scopes]: [{ ...scope, [names.items]: items }] });
      }
    }
  return batchesOf(batch, names.resources, parts);
}

/** Parts share resources: their bytes are made at once, and the trees are nobody's. */
function batchesOf(
  { signal, client }: AnyBatch,
  name: string,
  parts: ReadonlyMap<string, readonly Node[]>,
): ReadonlyMap<string, AnyBatch> {
  const batches = new Map<string, AnyBatch>();
  for (const [endpoint, list] of parts) {
    const tree = { [name]: list } as unknown as OtlpTrees[OtlpSignal];
    const content = { bytes: encodeOtlpTree(signal, tree), items: countItems(signal, tree) };
    batches.set(endpoint, TelemetryBatch.ofBytes(signal, content, client) as AnyBatch);
  }
  return batches;
}
