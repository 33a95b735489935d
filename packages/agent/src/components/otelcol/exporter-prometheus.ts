/**
 * `otelcol.exporter.prometheus`: metrics as samples for `prometheus.*` components. Names and labels are Prometheus' own translation; points of delta
 * temporality are dropped and counted, as in Alloy.
 */
import { FinchError } from "@finch/runtime";
import { decodeOtlpMetrics, DEFAULT_OTLP_LIMITS, translateOtlpMetrics } from "@finch/wire";
import type { OtlpTranslation } from "@finch/wire";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { createConsumer } from "../../otel/output.ts";
import type { AnyBatch } from "../../otel/telemetry-batch.ts";
import type { TelemetryConsumer } from "../../receivers.ts";
import { optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilStopped } from "../../until-aborted.ts";
import { fanOut } from "../prometheus/fan-out.ts";
import { samplesOfBatch } from "../prometheus/received-samples.ts";

const ARGUMENTS = {
  forward_to: required("list(metrics-receiver)", "Where samples go."),
  include_target_info: optional("bool", true, "Make `target_info` of resources."),
  include_scope_info: optional("bool", false, "Make `otel_scope_info` of scopes."),
  include_scope_labels: optional(
    "bool",
    true,
    "Labels `otel_scope_name` and `otel_scope_version` at every sample.",
  ),
  add_metric_suffixes: optional("bool", true, "Units and types as suffixes of names."),
  gc_frequency: optional(
    "duration",
    300_000,
    "How long Alloy remembers series; here nothing is remembered from one batch to the next.",
  ),
  resource_to_telemetry_conversion: optional(
    "bool",
    false,
    "Attributes of the resource as labels of every sample.",
  ),
  keep_identifying_resource_attributes: optional(
    "bool",
    false,
    "Keep `service.name` and the like in `target_info`, which has them as job and instance.",
  ),
  convert_classic_histograms_to_nhcb: optional(
    "bool",
    false,
    "Native histograms with custom buckets in place of classic ones.",
  ),
  honor_metadata: optional("bool", false, "Forward types, units and descriptions too."),
  start_timestamp_zero_ingestion: optional(
    "bool",
    false,
    "A zero where a counter began; only false is taken.",
  ),
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, { readonly input: TelemetryConsumer }>;

/** What batching has joined is not held to the limits of one request; labels are, as `prometheus.remote_write` sends them on. */
const LIMITS = {
  limits: {
    seriesMax: Infinity,
    samplesMax: Infinity,
    metadataMax: Infinity,
    labelBytesMax: Infinity,
  },
  labelsPerSeriesMax: 128,
  labelNameBytesMax: 1024,
  labelValueBytesMax: 64 << 10,
};
const DECODING = { ...DEFAULT_OTLP_LIMITS, decodedBytesMax: Infinity, elementsMax: Infinity };
const RETRY_AFTER_SECONDS = 5;

export const exporterPrometheus = defineComponent({
  name: "otelcol.exporter.prometheus",
  stability: "generally-available",
  summary: "Turns metrics of OpenTelemetry into Prometheus samples and forwards them.",
  arguments: ARGUMENTS,
  exports: { input: "Takes metrics." },
  check: findFault,
  run: async (context: Context, signal) => {
    const input = createConsumer(context, ["metrics"], (batch, consumeSignal) =>
      pass(context, batch, consumeSignal),
    );
    context.setExports({ input });
    await untilStopped(context, signal);
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  for (const at of ["include_scope_info", "start_timestamp_zero_ingestion"] as const)
    if (values[at]) return { at, message: `not supported yet: ${at} = true` };
  return debugMetricsFault(values);
}

async function pass(context: Context, batch: AnyBatch, signal: AbortSignal): Promise<void> {
  const values = context.arguments();
  const resources = decodeOtlpMetrics(batch.bytes(), DECODING);
  const {
    batch: samples,
    faults,
    rejectedPoints,
  } = translateOtlpMetrics(resources, translationOf(values));
  if (faults.length > 0) tell(context, rejectedPoints, faults);
  const refusing = await fanOut(context, values.forward_to, {
    samples: samplesOfBatch(samples, values.honor_metadata),
    signal,
  });
  if (refusing.length === 0) return;
  throw new FinchError(
    "unavailable",
    "agent/receive-not-taken",
    `samples are not taken by ${refusing.join(", ")}`,
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );
}

function translationOf(values: Arguments): OtlpTranslation {
  return {
    ...LIMITS,
    strategy: values.add_metric_suffixes
      ? "UnderscoreEscapingWithSuffixes"
      : "UnderscoreEscapingWithoutSuffixes",
    promoteResourceAttributes: values.resource_to_telemetry_conversion ? ["*"] : [],
    promoteScope: values.include_scope_labels ? "name-and-version" : false,
    keepIdentifyingAttributes: values.keep_identifying_resource_attributes,
    convertHistograms: values.convert_classic_histograms_to_nhcb,
    targetInfo: values.include_target_info ? "always" : "never",
    // One sample of target_info for each batch: batches come more often than queries look back.
    lookbackMs: Infinity,
    deltas: undefined,
  };
}

function tell({ drops, log }: Context, points: number, faults: readonly string[]): void {
  drops.count({ kind: "samples", reason: "no sample can be made of it" }, points, () =>
    faults.map((text) => ({ labels: "", text })),
  );
  log.warn("data points are dropped: no sample can be made of them", {
    points,
    first: faults[0]!,
  });
}
