/** Records for tests of OTTL, and statements run on them. */
import { decodeOtlpTreeJson, DEFAULT_OTLP_LIMITS } from "@finch/wire";
import type {
  AnyValue,
  LogsData,
  MetricsData,
  OtlpSignal,
  OtlpTrees,
  TracesData,
} from "@finch/wire";
import { compileList, runList, type ErrorMode } from "./statements.ts";
import { createSubject } from "./walk.ts";

/** 2023-11-14T22:13:20.123456789Z. */
export const NOW_NS = 1_700_000_000_123_456_789n;

const RESOURCE = {
  attributes: [
    { key: "service.name", value: { stringValue: "shop" } },
    { key: "host.name", value: { stringValue: "web-1" } },
  ],
};
function fromJson<Signal extends OtlpSignal>(signal: Signal, request: object): OtlpTrees[Signal] {
  return decodeOtlpTreeJson(signal, Buffer.from(JSON.stringify(request)), DEFAULT_OTLP_LIMITS);
}

const SCOPE = { name: "lib", version: "1.2" };

export function logsWith(record: object): LogsData {
  return fromJson("logs", {
    resourceLogs: [{ resource: RESOURCE, scopeLogs: [{ scope: SCOPE, logRecords: [record] }] }],
  });
}

export function tracesWith(...spans: readonly object[]): TracesData {
  return fromJson("traces", {
    resourceSpans: [{ resource: RESOURCE, scopeSpans: [{ scope: SCOPE, spans }] }],
  });
}

export function metricsWith(...metrics: readonly object[]): MetricsData {
  return fromJson("metrics", {
    resourceMetrics: [{ resource: RESOURCE, scopeMetrics: [{ scope: SCOPE, metrics }] }],
  });
}

/** Runs statements in a context (the one they mean when it is empty); answers the faults that were passed over. */
export function runStatements<Signal extends OtlpSignal>(
  request: { readonly signal: Signal; readonly tree: OtlpTrees[Signal] },
  statements: readonly string[],
  {
    context = "",
    conditions = [],
    errorMode = "ignore",
  }: {
    readonly context?: string;
    readonly conditions?: readonly string[];
    readonly errorMode?: ErrorMode;
  } = {},
): string[] {
  const faults: string[] = [];
  const list = compileList(request.signal, { context, statements, conditions, errorMode });
  runList(request, list, {
    subject: createSubject(() => NOW_NS),
    report: (_, fault) => faults.push(fault.message),
  });
  return faults;
}

/** What an expression gives on a log record, as an attribute holds it: undefined for nil. Throws the fault of a statement as an Error. */
export function evaluate(expression: string, record: object = {}): AnyValue | undefined {
  const tree = logsWith(record);
  const faults = runStatements(
    { signal: "logs", tree },
    [`set(attributes["result"], ${expression})`],
    { context: "log" },
  );
  if (faults.length > 0) throw new Error(faults[0]);
  return tree.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!.attributes.get("result");
}
