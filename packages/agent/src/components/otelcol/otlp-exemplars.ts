/** Exemplars of Prometheus as those of OTLP, at the points of the series that they belong to. */
import type { Exemplar } from "@finch/model";
import type { Attributes, OtlpTreeExemplar } from "@finch/wire";
import type { SeriesExemplar } from "../../receivers.ts";
import { keyOf } from "./otlp-metric-family.ts";
import type { MetricFamily } from "./otlp-metric-family.ts";

const TRACE_ID = /^[0-9a-f]{32}$/i;
const SPAN_ID = /^[0-9a-f]{16}$/i;

/** Those whose series has no sample in the set have no point to be at, and are left out. */
export function addExemplars(
  exemplars: readonly SeriesExemplar[],
  families: readonly MetricFamily[],
): void {
  const byName = new Map<string, MetricFamily[]>();
  for (const family of families) {
    const names =
      family.type === "histogram" ? [family.name, `${family.name}_bucket`] : [family.name];
    for (const name of names) byName.set(name, [...(byName.get(name) ?? []), family]);
  }
  for (const { labels, exemplar } of exemplars)
    for (const family of byName.get(labels.get("__name__") ?? "") ?? [])
      family.addExemplar(`${family.name} ${keyOf(labels, family.type)}`, treeExemplar(exemplar));
}

function treeExemplar({ labels, value, timestampMs }: Exemplar): OtlpTreeExemplar {
  const filteredAttributes: Attributes = new Map();
  let traceId = NO_ID;
  let spanId = NO_ID;
  for (const [name, text] of labels) {
    if (name === "trace_id" && TRACE_ID.test(text)) traceId = Buffer.from(text, "hex");
    else if (name === "span_id" && SPAN_ID.test(text)) spanId = Buffer.from(text, "hex");
    else filteredAttributes.set(name, text);
  }
  return {
    filteredAttributes,
    timeUnixNano: BigInt(Math.round(timestampMs)) * 1_000_000n,
    asDouble: value,
    asInt: undefined,
    spanId,
    traceId,
  };
}

const NO_ID: Uint8Array = new Uint8Array(0);
