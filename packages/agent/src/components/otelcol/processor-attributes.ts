/** `otelcol.processor.attributes`: sets, deletes, hashes, extracts and converts attributes of spans, log records and data points. */
import type { OtlpSignal } from "@finch/wire";
import { defineComponent } from "../../component.ts";
import { ACTION_BLOCKS, compileActions, findActionFault } from "../../otel/attribute-actions.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { changeAttributes } from "../../otel/each-item.ts";
import {
  compileMatch,
  EXCLUDE_BLOCK,
  findMatchFault,
  INCLUDE_BLOCK,
} from "../../otel/match-items.ts";
import { OUTPUT_BLOCK, type Output } from "../../otel/output.ts";
import { ALL_SIGNALS, runProcessor, type ProcessorExports } from "../../otel/run-processor.ts";
import type { AnyBatch } from "../../otel/telemetry-batch.ts";
import type { ValuesOf } from "../../schema.ts";

const ARGUMENTS = {
  action: ACTION_BLOCKS,
  include: INCLUDE_BLOCK,
  exclude: EXCLUDE_BLOCK,
  output: OUTPUT_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

export const processorAttributes = defineComponent<typeof ARGUMENTS, ProcessorExports>({
  name: "otelcol.processor.attributes",
  stability: "generally-available",
  summary: "Changes attributes of spans, log records and data points.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces, metrics and logs." },
  check: findFault,
  run: (context, signal) => runProcessor(context, signal, prepare),
});

function findFault(values: Arguments) {
  const signals = outgoing(values.output);
  return (
    findActionFault(values.action) ??
    findMatchFault("include", values.include, signals) ??
    findMatchFault("exclude", values.exclude, signals) ??
    debugMetricsFault(values)
  );
}

function outgoing(output: Partial<Output>): readonly OtlpSignal[] {
  return ALL_SIGNALS.filter((signal) => (output[signal]?.length ?? 0) > 0);
}

function prepare(values: Arguments) {
  const isMeant = compileMatch(values.include, values.exclude);
  const act = compileActions(values.action);
  return (batch: AnyBatch) =>
    changeAttributes(batch, isMeant, (attributes) => act(attributes, batch.client));
}
