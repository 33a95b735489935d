/** `otelcol.connector.spanmetrics`: how many spans there were and how long they took, by service, name, kind, status and further dimensions. */
import { tryParseGoDuration } from "@finch/model";
import { describeError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { createConsumer, emit } from "../../otel/output.ts";
import { TelemetryBatch } from "../../otel/telemetry-batch.ts";
import type { TelemetryConsumer } from "../../receivers.ts";
import { block, maybe, notYet, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { periodOrChange, untilAborted } from "../../until-aborted.ts";
import { SpanMetrics } from "./span-metrics.ts";
import type { SpanMetricsOptions } from "./span-metrics.ts";

const BUCKETS = [
  "2ms",
  "4ms",
  "6ms",
  "8ms",
  "10ms",
  "50ms",
  "100ms",
  "200ms",
  "400ms",
  "800ms",
  "1s",
  "1400ms",
  "2s",
  "5s",
  "10s",
  "15s",
];

const HISTOGRAM = {
  disable: optional("bool", false, "Make no histogram."),
  unit: oneOf(["ms", "s"], "ms", "Unit of durations."),
  explicit: block(
    { buckets: optional("list(string)", BUCKETS, "Upper bounds of the buckets, as durations.") },
    { repeat: "one", doc: "A histogram with explicit bounds." },
  ),
  exponential: notYet("block", "An exponential histogram."),
  dimension: notYet("block", "Dimensions of the histogram alone."),
};

const ARGUMENTS = {
  dimension: block(
    {
      name: required("string", "Attribute of the span, or of its resource."),
      default: maybe(
        "string",
        "Its value where neither has it; the dimension is left out unless it is written.",
      ),
      glob: notYet("attribute", "Several attributes by a pattern."),
    },
    { repeat: "many", doc: "A further dimension." },
  ),
  exclude_dimensions: optional(
    "list(string)",
    [],
    "Of service.name, span.name, span.kind and status.code, those that are left out.",
  ),
  namespace: optional("string", "traces.span.metrics", "What names of metrics begin with."),
  aggregation_temporality: oneOf(
    ["CUMULATIVE", "DELTA"],
    "CUMULATIVE",
    "Whether figures go on from flush to flush, or begin anew.",
  ),
  metrics_flush_interval: optional("duration", 60_000, "How often figures are told.", {
    min: 100,
  }),
  metrics_expiration: optional(
    "duration",
    0,
    "How long a series is told without a span of its own; 0: for ever.",
  ),
  resource_metrics_key_attributes: optional(
    "list(string)",
    [],
    "Attributes that tell resources apart; all of them when there are none.",
  ),
  aggregation_cardinality_limit: optional(
    "number",
    0,
    "Series of a resource; those beyond are one with otel.metric.overflow. 0: 100,000.",
    { min: 0 },
  ),
  resource_metrics_cache_size: optional(
    "number",
    1000,
    "Resources that are remembered; only 1000 is taken.",
  ),
  dimensions_cache_size: optional("number", 0, "Of Alloy, which has no use for it any more."),
  metric_timestamp_cache_size: optional("number", 1000, "Of Alloy; deltas need no times here."),
  series_expiration: notYet("attribute", "How long series of one resource are told."),
  include_instrumentation_scope: notYet("attribute", "Scopes that are dimensions."),
  include_collector_instance_id: notYet("attribute", "An attribute that names the agent."),
  calls_dimension: notYet("block", "Dimensions of the counter alone."),
  events: notYet("block", "Counts of events."),
  exemplars: notYet("block", "Exemplars of spans."),
  histogram: block(HISTOGRAM, {
    repeat: "one",
    doc: "The histogram of durations.",
    isRequired: true,
  }),
  output: block(
    { metrics: optional("list(otel-consumer)", [], "Where the metrics go.") },
    { repeat: "one", doc: "Where the metrics go.", isRequired: true },
  ),
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, { readonly input: TelemetryConsumer }>;

const SERIES_MAX = 100_000;

export const spanmetrics = defineComponent({
  name: "otelcol.connector.spanmetrics",
  stability: "generally-available",
  summary: "Makes metrics of spans: calls and durations.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces." },
  check: findFault,
  run: async (context: Context, signal) => {
    const metrics = new SpanMetrics();
    const now = () => ({ ns: context.clock.nowNs(), ms: context.clock.monotonicMs() });
    const input = createConsumer(context, ["traces"], (batch) => {
      if (batch.signal === "traces")
        metrics.add(batch.tree(), optionsOf(context.arguments()), now());
      return Promise.resolve();
    });
    context.setExports({ input });
    let flushedMs = context.clock.monotonicMs();
    await untilAborted(signal, async () => {
      const dueMs = flushedMs + context.arguments().metrics_flush_interval;
      await periodOrChange(context, Math.max(1, dueMs - context.clock.monotonicMs()), signal);
      if (context.clock.monotonicMs() < dueMs) return;
      flushedMs = context.clock.monotonicMs();
      await flush(context, metrics, signal);
    });
  },
});

async function flush(context: Context, metrics: SpanMetrics, signal: AbortSignal): Promise<void> {
  const { clock } = context;
  const told = metrics.flush(optionsOf(context.arguments()), {
    ns: clock.nowNs(),
    ms: clock.monotonicMs(),
  });
  if (told === undefined) return;
  const batch = TelemetryBatch.ofTree("metrics", told);
  const { items } = batch;
  try {
    await emit(context, batch, signal);
    context.setHealth("healthy", "figures are told");
  } catch (error) {
    signal.throwIfAborted();
    context.setHealth("unhealthy", `figures are not taken: ${describeError(error)}`);
    // Cumulative figures are told again at the next flush; these are not.
    if (context.arguments().aggregation_temporality === "DELTA")
      context.drops.count({ kind: "samples", reason: "refused" }, items);
  }
}

function findFault(values: Arguments): ArgumentFault | undefined {
  const bounds = values.histogram.explicit.buckets.map(millisecondsOf);
  const at = "histogram.explicit.buckets";
  const bad = bounds.indexOf(undefined);
  if (bad >= 0)
    return {
      at,
      message: `${JSON.stringify(values.histogram.explicit.buckets[bad])} is no duration such as "10ms"`,
    };
  if (bounds.some((bound, index) => index > 0 && bound! <= bounds[index - 1]!))
    return { at, message: "buckets must ascend" };
  if (values.resource_metrics_cache_size !== 1000)
    return {
      at: "resource_metrics_cache_size",
      message: "not supported yet: resource_metrics_cache_size",
    };
  return debugMetricsFault(values);
}

function millisecondsOf(text: string): number | undefined {
  const nanoseconds = tryParseGoDuration(text);
  return nanoseconds === undefined ? undefined : nanoseconds / 1e6;
}

function optionsOf(values: Arguments): SpanMetricsOptions {
  const { disable, explicit, unit } = values.histogram;
  return {
    namespace: values.namespace,
    dimensions: values.dimension,
    excluded: values.exclude_dimensions,
    resourceKeys: values.resource_metrics_key_attributes,
    isDelta: values.aggregation_temporality === "DELTA",
    boundsMs: disable ? undefined : explicit.buckets.map((text) => millisecondsOf(text)!),
    unit,
    seriesMax: values.aggregation_cardinality_limit || SERIES_MAX,
    expiryMs: values.metrics_expiration,
  };
}
