/**
 * `otelcol.connector.host_info`: which hosts sent spans, as the metric `traces_host_info` with 1 for each host, once in each interval. A host is the
 * value of the first of `host_identifiers` that the resource has.
 */
import { describeError } from "@finch/runtime";
import type { NumberDataPoint } from "@finch/wire";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { noResource, noScope } from "../../otel/empty-messages.ts";
import { createConsumer, emit } from "../../otel/output.ts";
import { TelemetryBatch } from "../../otel/telemetry-batch.ts";
import type { AnyBatch } from "../../otel/telemetry-batch.ts";
import type { TelemetryConsumer } from "../../receivers.ts";
import { block, optional } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { periodOrChange, untilAborted } from "../../until-aborted.ts";

const ARGUMENTS = {
  host_identifiers: optional(
    "list(string)",
    ["host.id"],
    "Resource attributes that tell hosts apart, the best first.",
  ),
  metrics_flush_interval: optional("duration", 60_000, "How often hosts are told.", {
    min: 15_000,
    max: 300_000,
  }),
  output: block(
    { metrics: optional("list(otel-consumer)", [], "Where the metric goes.") },
    { repeat: "one", doc: "Where the metric goes.", isRequired: true },
  ),
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, { readonly input: TelemetryConsumer }>;

/** Hosts of one interval; attributes made of user input would fill the memory otherwise. */
const HOSTS_MAX = 100_000;

export const hostInfo = defineComponent({
  name: "otelcol.connector.host_info",
  stability: "generally-available",
  summary: "Makes a metric of the hosts that spans come from.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces." },
  check: findFault,
  run: async (context: Context, signal) => {
    const hosts = new Set<string>();
    const input = createConsumer(context, ["traces"], (batch) => {
      addHosts(hosts, batch, context.arguments().host_identifiers);
      return Promise.resolve();
    });
    context.setExports({ input });
    let flushedMs = context.clock.monotonicMs();
    await untilAborted(signal, async () => {
      const dueMs = flushedMs + context.arguments().metrics_flush_interval;
      await periodOrChange(context, Math.max(1, dueMs - context.clock.monotonicMs()), signal);
      if (context.clock.monotonicMs() < flushedMs + context.arguments().metrics_flush_interval)
        return;
      flushedMs = context.clock.monotonicMs();
      await flush(context, hosts, signal);
    });
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  if (values.host_identifiers.length === 0)
    return { at: "host_identifiers", message: "name at least one attribute" };
  return debugMetricsFault(values);
}

function addHosts(hosts: Set<string>, batch: AnyBatch, identifiers: readonly string[]): void {
  if (batch.signal !== "traces") return;
  for (const { resource } of batch.tree().resourceSpans) {
    const name = identifiers.find((one) => resource.attributes.has(one));
    const host = name === undefined ? undefined : resource.attributes.get(name);
    if (typeof host === "string" && hosts.size < HOSTS_MAX) hosts.add(host);
  }
}

/** What no receiver takes is told again, with what comes meanwhile. */
async function flush(context: Context, hosts: Set<string>, signal: AbortSignal): Promise<void> {
  if (hosts.size === 0) return;
  const told = [...hosts];
  hosts.clear();
  const nowNs = context.clock.nowNs();
  const points = told.map((host) => pointOf(host, nowNs));
  try {
    await emit(context, TelemetryBatch.ofTree("metrics", metricOf(points)), signal);
    context.setHealth("healthy", `${told.length} hosts told`);
  } catch (error) {
    signal.throwIfAborted();
    for (const host of told) hosts.add(host);
    context.setHealth("unhealthy", `the metric is not taken: ${describeError(error)}`);
  }
}

function metricOf(dataPoints: NumberDataPoint[]) {
  const metric = {
    name: "traces_host_info",
    description: "A metric to identify hosts",
    unit: "",
    gauge: { dataPoints },
    sum: undefined,
    histogram: undefined,
    exponentialHistogram: undefined,
    summary: undefined,
    metadata: new Map(),
  };
  const scope = { scope: noScope(), metrics: [metric], schemaUrl: "" };
  return {
    resourceMetrics: [{ resource: noResource(), scopeMetrics: [scope], schemaUrl: "" }],
  };
}

function pointOf(host: string, nowNs: bigint): NumberDataPoint {
  return {
    attributes: new Map([["grafana.host.id", host]]),
    startTimeUnixNano: nowNs,
    timeUnixNano: nowNs,
    asDouble: undefined,
    asInt: 1n,
    exemplars: [],
    flags: 0,
  };
}
