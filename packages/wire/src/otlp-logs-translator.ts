/**
 * OTLP logs as Loki stores them: resource attributes on a list become stream labels, all others of resource, scope and record are structured metadata
 * of each line, and so are the record's own fields. The line is the body as text.
 */
import type { LogBatch } from "@finch/model";
import { LogBatchBuilder, spanOf } from "./log-batch-builder.ts";
import type { LokiPushLimits } from "./limits.ts";
import type { OtlpLogRecord, OtlpResourceLogs, OtlpScopeLogs } from "./otlp-logs-model.ts";
import { formatOtlpValue } from "./otlp-model.ts";
import type { OtlpAttributes, OtlpValue } from "./otlp-model.ts";
import { labelNameOf } from "./otlp-names.ts";

/** Resource attributes that Loki makes stream labels of. */
export const OTLP_STREAM_ATTRIBUTES: readonly string[] = [
  "service.name",
  "service.namespace",
  "service.instance.id",
  "deployment.environment",
  "deployment.environment.name",
  "cloud.region",
  "cloud.availability_zone",
  "k8s.cluster.name",
  "k8s.namespace.name",
  "k8s.pod.name",
  "k8s.container.name",
  "container.name",
  "k8s.replicaset.name",
  "k8s.deployment.name",
  "k8s.statefulset.name",
  "k8s.daemonset.name",
  "k8s.cronjob.name",
  "k8s.job.name",
];

export interface OtlpLogsTranslation {
  readonly limits: LokiPushLimits;
  /** Time of records without any. */
  readonly nowNs: bigint;
}

export interface OtlpLogsTranslated {
  readonly batch: LogBatch;
  readonly rejectedRecords: number;
  /** The first few faults in words. */
  readonly faults: readonly string[];
}

const INT64_MAX = 2n ** 63n - 1n;
const NAMES_KEPT_MAX = 10_000;
const STREAM_ATTRIBUTES: ReadonlySet<string> = new Set(OTLP_STREAM_ATTRIBUTES);
const NO_PAIRS: readonly string[] = [];
const ENCODER = new TextEncoder();

/** Records over a limit are left out and counted; the rest is the batch. */
export function translateOtlpLogs(
  resources: readonly OtlpResourceLogs[],
  { limits, nowNs }: OtlpLogsTranslation,
): OtlpLogsTranslated {
  const builder = new LogBatchBuilder(limits);
  const names = new LabelNames();
  for (const resource of resources) {
    const labels: string[] = [];
    const metadata: string[] = [];
    for (const [key, value] of resource.attributes)
      flatten(names, STREAM_ATTRIBUTES.has(key) ? labels : metadata, "", key, value);
    builder.beginStream(() => streamLabels(labels));
    for (const scope of resource.scopes) {
      const shared = [...metadata, ...scopeMetadata(names, scope)];
      for (const record of scope.records) addRecord(builder, { record, shared, names, nowNs });
    }
    builder.endStream();
  }
  return {
    batch: { streams: builder.finish() },
    rejectedRecords: builder.rejectedEntries,
    faults: builder.faults.messages,
  };
}

/** A stream needs a label, and Loki gives one without this name. Of a name given twice the last counts. */
function streamLabels(pairs: readonly string[]): readonly string[] {
  const byName = new Map<string, string>();
  for (let i = 0; i < pairs.length; i += 2)
    if (pairs[i + 1] !== "") byName.set(pairs[i]!, pairs[i + 1]!);
  return byName.size === 0 ? ["service_name", "unknown_service"] : [...byName].flat();
}

function scopeMetadata(names: LabelNames, scope: OtlpScopeLogs): string[] {
  const pairs: string[] = [];
  addAttributes(names, pairs, scope.attributes);
  if (scope.name !== "") pairs.push("scope_name", scope.name);
  if (scope.version !== "") pairs.push("scope_version", scope.version);
  if (scope.droppedAttributesCount > 0)
    pairs.push("scope_dropped_attributes_count", String(scope.droppedAttributesCount));
  return pairs;
}

function addRecord(
  builder: LogBatchBuilder,
  given: {
    readonly record: OtlpLogRecord;
    readonly shared: readonly string[];
    readonly names: LabelNames;
    readonly nowNs: bigint;
  },
): void {
  const { record, shared, names, nowNs } = given;
  const own: string[] = [];
  addAttributes(names, own, record.attributes);
  addFields(own, record);
  const sentNs = record.timeNs !== 0n ? record.timeNs : record.observedTimeNs;
  const timeNs = sentNs === 0n ? nowNs : sentNs > INT64_MAX ? INT64_MAX : sentNs;
  const metadata = own.length === 0 ? shared : shared.length === 0 ? own : [...shared, ...own];
  builder.addEntry(
    Number(timeNs & 0xffff_ffffn),
    Number(timeNs >> 32n),
    spanOf(ENCODER.encode(formatOtlpValue(record.body))),
    metadata.length === 0 ? NO_PAIRS : metadata,
  );
}

function addFields(pairs: string[], record: OtlpLogRecord): void {
  if (record.timeNs !== 0n && record.observedTimeNs !== 0n)
    pairs.push("observed_timestamp", String(record.observedTimeNs));
  if (record.severityNumber !== 0) pairs.push("severity_number", String(record.severityNumber));
  if (record.severityText !== "") pairs.push("severity_text", record.severityText);
  if (record.droppedAttributesCount !== 0)
    pairs.push("dropped_attributes_count", String(record.droppedAttributesCount));
  if (record.flags !== 0) pairs.push("flags", String(record.flags));
  if (record.traceId !== "") pairs.push("trace_id", record.traceId);
  if (record.spanId !== "") pairs.push("span_id", record.spanId);
  if (record.eventName !== "") pairs.push("event_name", record.eventName);
}

function addAttributes(names: LabelNames, pairs: string[], attributes: OtlpAttributes): void {
  for (const [key, value] of attributes) flatten(names, pairs, "", key, value);
}

/** Maps become a pair for each of their leaves, all else is one. */
function flatten(
  names: LabelNames,
  pairs: string[],
  prefix: string,
  key: string,
  value: OtlpValue,
): void {
  const full = prefix === "" ? key : `${prefix}_${key}`;
  if (value instanceof Map) {
    for (const [inner, one] of value as ReadonlyMap<string, OtlpValue>)
      flatten(names, pairs, full, inner, one);
    return;
  }
  const name = names.of(full);
  if (name !== undefined) pairs.push(name, formatOtlpValue(value));
}

/** Clean names of attributes; a request repeats few. */
class LabelNames {
  readonly #known = new Map<string, string | undefined>();

  of(attribute: string): string | undefined {
    if (this.#known.has(attribute)) return this.#known.get(attribute);
    const name = labelNameOf(attribute, "UnderscoreEscapingWithSuffixes");
    if (this.#known.size < NAMES_KEPT_MAX) this.#known.set(attribute, name);
    return name;
  }
}
