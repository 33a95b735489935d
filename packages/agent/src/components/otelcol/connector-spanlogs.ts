/**
 * `otelcol.connector.spanlogs`: a log line for each span, root, process or event, as logfmt: `span="GET /" dur=5ns svc=cart tid=…`. What `labels` names
 * becomes an attribute too.
 */
import { formatGoFloat } from "@finch/model";
import { formatOtlpValue } from "@finch/wire";
import type { AnyValue, Attributes, LogRecord, Resource, Span } from "@finch/wire";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import { noResource, noScope } from "../../otel/empty-messages.ts";
import { createConsumer, emit } from "../../otel/output.ts";
import { TelemetryBatch } from "../../otel/telemetry-batch.ts";
import type { AnyBatch } from "../../otel/telemetry-batch.ts";
import type { TelemetryConsumer } from "../../receivers.ts";
import { block, optional } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilStopped } from "../../until-aborted.ts";
import { writeLogfmt } from "./logfmt-writer.ts";

const ARGUMENTS = {
  spans: optional("bool", false, "A line for each span."),
  roots: optional("bool", false, "A line for each span without a parent."),
  processes: optional("bool", false, "A line for each trace of a service in a batch."),
  events: optional("bool", false, "A line for each event of a span."),
  span_attributes: optional("list(string)", [], "Attributes of spans that lines have."),
  process_attributes: optional("list(string)", [], "Attributes of resources that lines have."),
  event_attributes: optional("list(string)", [], "Attributes of events that lines have."),
  labels: optional("list(string)", [], "Keys of lines that become attributes of log records."),
  overrides: block(
    {
      logs_instance_tag: optional("string", "traces", "Attribute that tells what a line is of."),
      service_key: optional("string", "svc", "Key of the service's name."),
      span_name_key: optional("string", "span", "Key of the span's name."),
      status_key: optional("string", "status", "Key of the span's status."),
      duration_key: optional("string", "dur", "Key of the span's duration."),
      trace_id_key: optional("string", "tid", "Key of the trace's id."),
    },
    { repeat: "one", doc: "Other names of keys." },
  ),
  output: block(
    { logs: optional("list(otel-consumer)", [], "Where the lines go.") },
    { repeat: "one", doc: "Where the lines go.", isRequired: true },
  ),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, { readonly input: TelemetryConsumer }>;
type TracesBatch = Extract<AnyBatch, { readonly signal: "traces" }>;

const STATUSES = ["Unset", "Ok", "Error"] as const;

export const spanlogs = defineComponent({
  name: "otelcol.connector.spanlogs",
  stability: "generally-available",
  summary: "Makes log lines of spans.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces." },
  run: async (context: Context, signal) => {
    const input = createConsumer(context, ["traces"], async (batch, consumeSignal) => {
      if (batch.signal !== "traces") return;
      const logs = logsOf(batch, context.arguments());
      await emit(context, TelemetryBatch.ofTree("logs", logs, batch.client), consumeSignal);
    });
    context.setExports({ input });
    await untilStopped(context, signal);
  },
});

function logsOf(batch: TracesBatch, values: Arguments) {
  return {
    resourceLogs: batch.tree().resourceSpans.map(({ resource, scopeSpans }) => ({
      resource: noResource(),
      scopeLogs: scopeSpans.map(({ spans }) => ({
        scope: noScope(),
        logRecords: recordsOf(spans, resource, values),
        schemaUrl: "",
      })),
      schemaUrl: "",
    })),
  };
}

function recordsOf(spans: readonly Span[], resource: Resource, values: Arguments): LogRecord[] {
  const records: LogRecord[] = [];
  const process = processPairs(resource, values);
  let lastTrace = "";
  for (const span of spans) {
    const traceId = Buffer.from(span.traceId).toString("hex");
    const trace = [values.overrides.trace_id_key, traceId] as const;
    const pairs = new Map([...spanPairs(span, values), ...process, trace]);
    if (values.processes && traceId !== lastTrace)
      records.push(recordOf("process", new Map([...process, trace]), values));
    lastTrace = traceId;
    if (values.spans) records.push(recordOf("span", pairs, values));
    if (values.roots && span.parentSpanId.every((byte) => byte === 0))
      records.push(recordOf("root", pairs, values));
    if (!values.events) continue;
    for (const event of span.events) {
      const own = pick(event.attributes, values.event_attributes);
      records.push(recordOf("event", new Map([...pairs, ...own]), values));
    }
  }
  return records;
}

function spanPairs(span: Span, { overrides, span_attributes: names }: Arguments): Attributes {
  const pairs: Attributes = new Map<string, AnyValue>([
    [overrides.span_name_key, span.name],
    [overrides.duration_key, `${span.endTimeUnixNano - span.startTimeUnixNano}ns`],
  ]);
  if (span.status.code !== 0)
    pairs.set(overrides.status_key, STATUSES[span.status.code] ?? String(span.status.code));
  for (const [name, value] of pick(span.attributes, names)) pairs.set(name, value);
  return pairs;
}

function processPairs({ attributes }: Resource, values: Arguments): Attributes {
  const service = attributes.get("service.name");
  return new Map<string, AnyValue>([
    [values.overrides.service_key, typeof service === "string" ? service : ""],
    ...pick(attributes, values.process_attributes),
  ]);
}

function pick(attributes: Attributes, names: readonly string[]): [string, AnyValue][] {
  return names.flatMap((name) =>
    attributes.has(name) ? [[name, attributes.get(name)!] as [string, AnyValue]] : [],
  );
}

function recordOf(kind: string, pairs: Attributes, { labels, overrides }: Arguments): LogRecord {
  const line = writeLogfmt(Array.from(pairs, ([key, value]) => [key, textOf(value)] as const));
  return {
    timeUnixNano: 0n,
    observedTimeUnixNano: 0n,
    severityNumber: 0,
    severityText: "",
    body: line,
    attributes: new Map<string, AnyValue>([
      [overrides.logs_instance_tag, kind],
      ...[...pairs].filter(([key]) => labels.includes(key)),
    ]),
    droppedAttributesCount: 0,
    flags: 0,
    traceId: NO_ID,
    spanId: NO_ID,
    eventName: "",
  };
}

const NO_ID = new Uint8Array(0);

function textOf(value: AnyValue): string {
  return typeof value === "number" ? formatGoFloat(value) : formatOtlpValue(value);
}
