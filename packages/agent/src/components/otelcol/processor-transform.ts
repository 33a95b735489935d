/** `otelcol.processor.transform`: changes telemetry by statements of OTTL. */
import type { OtlpSignal } from "@finch/wire";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { OUTPUT_BLOCK } from "../../otel/output.ts";
import { runProcessor, type ProcessorExports } from "../../otel/run-processor.ts";
import { TelemetryBatch, type AnyBatch } from "../../otel/telemetry-batch.ts";
import { OttlFault } from "../../ottl/fault.ts";
import { FaultLog, toRefusal } from "../../ottl/fault-log.ts";
import { SIGNAL_CONTEXTS } from "../../ottl/infer-context.ts";
import { compileList, ERROR_MODES, runList, type CompiledList } from "../../ottl/statements.ts";
import { createSubject } from "../../ottl/walk.ts";
import { block, maybe, oneOf, optional, required, type ValuesOf } from "../../schema.ts";

const STATEMENTS = {
  context: required("string", "What the statements run at: each resource, scope, span and so on."),
  statements: required("list(string)", "Statements of OTTL, run in order."),
  conditions: optional(
    "list(string)",
    [],
    "Conditions of OTTL, of which one must hold for the statements to run.",
  ),
  error_mode: maybe("string", "What happens when a statement fails; the component's by default."),
};

const ARGUMENTS = {
  error_mode: oneOf(
    ERROR_MODES,
    "ignore",
    "What happens when a statement fails: ignore (it is logged), silent, or propagate (the batch is refused).",
  ),
  statements: block(
    {
      trace: optional("list(string)", [], "Statements of traces."),
      metric: optional("list(string)", [], "Statements of metrics."),
      log: optional("list(string)", [], "Statements of logs."),
    },
    {
      repeat: "optional",
      doc: "Statements whose paths name their context, as in span.attributes.",
    },
  ),
  trace_statements: block(STATEMENTS, { repeat: "many", doc: "Statements of traces." }),
  metric_statements: block(STATEMENTS, { repeat: "many", doc: "Statements of metrics." }),
  log_statements: block(STATEMENTS, { repeat: "many", doc: "Statements of logs." }),
  output: OUTPUT_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ProcessorExports>;

/** Names of blocks and attributes by signal. */
const NAMES = { traces: "trace", metrics: "metric", logs: "log" } as const;

export const processorTransform = defineComponent<typeof ARGUMENTS, ProcessorExports>({
  name: "otelcol.processor.transform",
  stability: "generally-available",
  summary: "Changes spans, metrics and log records by statements of OTTL.",
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
    for (const list of listsOf(signal, values)) {
      const fault = faultOf(signal, list);
      if (fault !== undefined) return fault;
    }
  }
  return debugMetricsFault(values);
}

interface WrittenList {
  readonly at: string;
  readonly context: string;
  readonly statements: readonly string[];
  readonly conditions: readonly string[];
  readonly error_mode: string | undefined;
}

/** All lists of a signal, those without a written context first. */
function listsOf(signal: OtlpSignal, values: Arguments): readonly WrittenList[] {
  const name = NAMES[signal];
  const statements = values.statements?.[name] ?? [];
  const inferred = {
    at: `statements.${name}`,
    context: "",
    statements,
    conditions: [],
    error_mode: undefined,
  };
  const written = values[`${name}_statements`].map((list, i) => ({
    ...list,
    at: `${name}_statements[${i}]`,
  }));
  return statements.length === 0 ? written : [inferred, ...written];
}

function faultOf(signal: OtlpSignal, list: WrittenList): ArgumentFault | undefined {
  const { at, context, error_mode: mode } = list;
  if (context !== "" && !SIGNAL_CONTEXTS[signal].some((name) => name === context))
    return {
      at: `${at}.context`,
      message: `must be one of ${SIGNAL_CONTEXTS[signal].toReversed().join(", ")}`,
    };
  if (mode !== undefined && !ERROR_MODES.some((known) => known === mode))
    return { at: `${at}.error_mode`, message: `must be one of ${ERROR_MODES.join(", ")}` };
  if (context === "") return compileFault(signal, list, at);
  const ofConditions = compileFault(signal, { ...list, statements: [] }, `${at}.conditions`);
  return ofConditions ?? compileFault(signal, list, `${at}.statements`);
}

function compileFault(
  signal: OtlpSignal,
  list: WrittenList,
  at: string,
): ArgumentFault | undefined {
  try {
    compileList(signal, { ...list, errorMode: "ignore" });
    return undefined;
  } catch (error) {
    if (!(error instanceof OttlFault)) throw error;
    return { at, message: error.message };
  }
}

function compile(signal: OtlpSignal, values: Arguments): readonly CompiledList[] {
  return listsOf(signal, values).map((list) => {
    const mode = ERROR_MODES.find((known) => known === list.error_mode);
    return compileList(signal, { ...list, errorMode: mode ?? values.error_mode });
  });
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
    const { signal, client } = batch;
    if (lists[signal].length === 0) return batch;
    const tree = batch.takeTree();
    try {
      for (const list of lists[signal]) runList({ signal, tree }, list, { subject, report });
    } catch (error) {
      throw toRefusal(error, context.id);
    }
    return TelemetryBatch.ofTree(signal, tree, client);
  };
  return (batch: AnyBatch) => run(batch as TelemetryBatch) as AnyBatch;
}
