/** `otelcol.receiver.prometheus`: samples of `prometheus.*` components as metrics of OpenTelemetry. Samples are taken when all behind have them. */
import type { MetricMetadata } from "@finch/model";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { emit, OUTPUT_BLOCK } from "../../otel/output.ts";
import { TelemetryBatch } from "../../otel/telemetry-batch.ts";
import type { MetricsReceiver, SampleSet } from "../../receivers.ts";
import type { ValuesOf } from "../../schema.ts";
import { periodOrChange, untilAborted } from "../../until-aborted.ts";
import { metricsOfSamples } from "./prometheus-to-otlp.ts";
import { StartTimes } from "./start-times.ts";

const ARGUMENTS = { output: OUTPUT_BLOCK, ...DEBUG_METRICS_BLOCKS };

type Context = ComponentContext<ValuesOf<typeof ARGUMENTS>, { readonly receiver: MetricsReceiver }>;

/** How often series are forgotten that have not been seen for as long: they are gone, or were only late. */
const FORGET_MS = 300_000;
/** Families whose type and help are remembered; names made of user input would fill the memory otherwise. */
const METADATA_MAX = 20_000;

export const receiverPrometheus = defineComponent({
  name: "otelcol.receiver.prometheus",
  stability: "generally-available",
  summary: "Turns Prometheus samples into metrics of OpenTelemetry and forwards them.",
  arguments: ARGUMENTS,
  exports: { receiver: "Takes samples." },
  check: debugMetricsFault,
  run: async (context: Context, signal) => {
    const startTimes = new StartTimes(() => context.clock.monotonicMs());
    const metadata = new Map<string, MetricMetadata>();
    const inputs = { startTimes, metadataOf: (family: string) => metadata.get(family) };
    context.setExports({
      receiver: {
        kind: "metrics-receiver",
        owner: context.id,
        append: (samples, appendSignal) => {
          remember(metadata, samples);
          const metrics = metricsOfSamples(samples, inputs);
          return emit(context, TelemetryBatch.ofTree("metrics", metrics), appendSignal);
        },
      },
    });
    await untilAborted(signal, async () => {
      await periodOrChange(context, FORGET_MS, signal);
      startTimes.forget(FORGET_MS);
    });
  },
});

function remember(known: Map<string, MetricMetadata>, samples: SampleSet): void {
  for (const metadata of samples.metadata)
    if (known.size < METADATA_MAX || known.has(metadata.family))
      known.set(metadata.family, metadata);
}
