/** `otelcol.processor.filter`: drops telemetry by conditions of OTTL. */
import type { OtlpSignal } from "@finch/wire";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { OUTPUT_BLOCK, UNITS } from "../../otel/output.ts";
import { runProcessor, type ProcessorExports } from "../../otel/run-processor.ts";
import { TelemetryBatch, type AnyBatch } from "../../otel/telemetry-batch.ts";
import { OttlFault } from "../../ottl/fault.ts";
import { FaultLog, toRefusal } from "../../ottl/fault-log.ts";
import { SIGNAL_CONTEXTS } from "../../ottl/infer-context.ts";
import { compileList, dropWhere, ERROR_MODES, type CompiledList } from "../../ottl/statements.ts";
import { createSubject } from "../../ottl/walk.ts";
import { block, oneOf, optional, required, type ValuesOf } from "../../schema.ts";

const CONDITIONS = {
  conditions: required(
    "list(string)",
    "Conditions of OTTL; where one holds, the record is dropped.",
  ),
  context: optional(
    "string",
    "",
    "What the conditions are asked of; by default what their paths mean, as in span.name.",
  ),
};

const ARGUMENTS = {
  error_mode: oneOf(
    ERROR_MODES,
    "ignore",
    "What happens when a condition fails: ignore (it is logged and does not hold), silent, or propagate (the batch is refused).",
  ),
  trace_conditions: block(CONDITIONS, { repeat: "many", doc: "What is dropped of traces." }),
  metric_conditions: block(CONDITIONS, { repeat: "many", doc: "What is dropped of metrics." }),
  log_conditions: block(CONDITIONS, { repeat: "many", doc: "What is dropped of logs." }),
  traces: block(
    {
      span: optional("list(string)", [], "Conditions of spans."),
      spanevent: optional("list(string)", [], "Conditions of the events of spans."),
    },
    { repeat: "optional", doc: "Deprecated: trace_conditions with a context." },
  ),
  metrics: block(
    {
      metric: optional("list(string)", [], "Conditions of metrics."),
      datapoint: optional("list(string)", [], "Conditions of data points."),
    },
    { repeat: "optional", doc: "Deprecated: metric_conditions with a context." },
  ),
  logs: block(
    { log_record: optional("list(string)", [], "Conditions of log records.") },
    { repeat: "optional", doc: "Deprecated: log_conditions with a context." },
  ),
  output: OUTPUT_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ProcessorExports>;

const BLOCKS = {
  traces: "trace_conditions",
  metrics: "metric_conditions",
  logs: "log_conditions",
} as const;

export const processorFilter = defineComponent<typeof ARGUMENTS, ProcessorExports>({
  name: "otelcol.processor.filter",
  stability: "generally-available",
  summary: "Drops spans, metrics and log records where conditions of OTTL hold.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces, metrics and logs." },
  check: findFault,
  run(context, signal) {
    const faults = new FaultLog(context);
    return runProcessor(context, signal, (values) => prepare(context, values, faults));
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  for (const signal of ["traces", "metrics", "logs"] as const) {
    const isBoth = values[signal] !== undefined && values[BLOCKS[signal]].length > 0;
    if (isBoth) return { at: signal, message: `${BLOCKS[signal]} cannot be used beside it` };
    for (const list of listsOf(signal, values)) {
      const fault = faultOf(signal, list);
      if (fault !== undefined) return fault;
    }
  }
  return debugMetricsFault(values);
}

interface WrittenList {
  /** Of the attribute with the conditions. */
  readonly at: string;
  readonly context: string;
  readonly conditions: readonly string[];
}

/** In the order in which they are asked: what a first list drops, a later one does not see. */
function listsOf(signal: OtlpSignal, values: Arguments): readonly WrittenList[] {
  const { traces, metrics, logs } = values;
  const older = {
    traces: [
      { at: "traces.span", context: "span", conditions: traces?.span ?? [] },
      { at: "traces.spanevent", context: "spanevent", conditions: traces?.spanevent ?? [] },
    ],
    metrics: [
      { at: "metrics.metric", context: "metric", conditions: metrics?.metric ?? [] },
      { at: "metrics.datapoint", context: "datapoint", conditions: metrics?.datapoint ?? [] },
    ],
    logs: [{ at: "logs.log_record", context: "log", conditions: logs?.log_record ?? [] }],
  };
  const newer = values[BLOCKS[signal]].map(({ context, conditions }, i) => ({
    at: `${BLOCKS[signal]}[${i}].conditions`,
    context,
    conditions,
  }));
  return [...older[signal], ...newer].filter(({ conditions }) => conditions.length > 0);
}

function faultOf(signal: OtlpSignal, { at, context, conditions }: WrittenList) {
  const contexts = SIGNAL_CONTEXTS[signal];
  if (context !== "" && !contexts.some((name) => name === context))
    return {
      at: at.replace(/\.conditions$/, ".context"),
      message: `must be one of ${contexts.toReversed().join(", ")}`,
    };
  try {
    compileList(signal, { context, conditions, statements: [], errorMode: "ignore" });
    return undefined;
  } catch (error) {
    if (!(error instanceof OttlFault)) throw error;
    return { at, message: error.message };
  }
}

function compile(signal: OtlpSignal, values: Arguments): readonly CompiledList[] {
  return listsOf(signal, values).map(({ context, conditions }) =>
    compileList(signal, { context, conditions, statements: [], errorMode: values.error_mode }),
  );
}

function prepare(context: Context, values: Arguments, faults: FaultLog) {
  const lists = {
    traces: compile("traces", values),
    metrics: compile("metrics", values),
    logs: compile("logs", values),
  };
  const subject = createSubject(() => context.clock.nowNs());
  const report = faults.report.bind(faults);
  const run = <Signal extends OtlpSignal>(
    batch: TelemetryBatch<Signal>,
  ): TelemetryBatch<Signal> => {
    const { signal, client, items } = batch;
    if (lists[signal].length === 0) return batch;
    const tree = batch.takeTree();
    try {
      for (const list of lists[signal]) dropWhere({ signal, tree }, list, { subject, report });
    } catch (error) {
      throw toRefusal(error, context.id);
    }
    const left = TelemetryBatch.ofTree(signal, tree, client);
    const dropped = items - left.items;
    if (dropped > 0)
      context.drops.count({ kind: UNITS[signal], reason: "a condition holds" }, dropped);
    return left;
  };
  return (batch: AnyBatch) => run(batch as TelemetryBatch) as AnyBatch;
}
