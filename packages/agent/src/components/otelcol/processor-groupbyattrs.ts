/** `otelcol.processor.groupbyattrs`: moves attributes to resources, and puts together what has the same resource and scope. */
import { defineComponent } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { groupBatch } from "../../otel/group-items.ts";
import { OUTPUT_BLOCK } from "../../otel/output.ts";
import { runProcessor, type ProcessorExports } from "../../otel/run-processor.ts";
import { optional } from "../../schema.ts";

const ARGUMENTS = {
  keys: optional(
    "list(string)",
    [],
    "Attributes that are moved from spans, log records and data points to their resource; none: equal resources are put together only.",
  ),
  output: OUTPUT_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

export const processorGroupbyattrs = defineComponent<typeof ARGUMENTS, ProcessorExports>({
  name: "otelcol.processor.groupbyattrs",
  stability: "generally-available",
  summary: "Moves attributes to resources, and groups by them.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces, metrics and logs." },
  check: ({ keys, ...values }) =>
    keys.includes("") ? { at: "keys", message: "a key is empty" } : debugMetricsFault(values),
  run: (context, signal) =>
    runProcessor(
      context,
      signal,
      ({ keys }) =>
        (batch) =>
          groupBatch(batch, keys),
    ),
});
