/** Loki entries as log records: the line is the body, labels are attributes, and a hint names those for the way back (`loki.attribute.labels`). */
import { posix } from "node:path";
import { noResource, noScope } from "../../otel/empty-messages.ts";
import type { Labels } from "@finch/model";
import type { Attributes, LogRecord, LogsData } from "@finch/wire";
import type { LogEntry } from "../../receivers.ts";

/** Entries in order, under one resource without attributes. Structured metadata becomes attributes where no label has its name. */
export function logsOfEntries(entries: readonly LogEntry[], nowNs: bigint): LogsData {
  const labelAttributes = new Map<string, Attributes>();
  const records: LogRecord[] = [];
  for (const entry of entries) {
    const { labels } = entry;
    let shared = labelAttributes.get(labels.key);
    if (shared === undefined) labelAttributes.set(labels.key, (shared = attributesOf(labels)));
    records.push(recordOf(entry, shared, nowNs));
  }
  return {
    resourceLogs: [
      {
        resource: noResource(),
        scopeLogs: [{ scope: noScope(), logRecords: records, schemaUrl: "" }],
        schemaUrl: "",
      },
    ],
  };
}

function recordOf(entry: LogEntry, labels: Attributes, nowNs: bigint): LogRecord {
  const attributes: Attributes = new Map(labels);
  for (const [name, value] of entry.structuredMetadata)
    if (!attributes.has(name)) attributes.set(name, value);
  return {
    timeUnixNano: entry.timestampNs,
    observedTimeUnixNano: nowNs,
    severityNumber: 0,
    severityText: "",
    body: entry.line,
    attributes,
    droppedAttributesCount: 0,
    flags: 0,
    traceId: NO_ID,
    spanId: NO_ID,
    eventName: "",
  };
}

const NO_ID = new Uint8Array(0);

function attributesOf(labels: Labels): Attributes {
  const attributes: Attributes = new Map();
  const filename = labels.get("filename");
  if (filename !== undefined && filename !== "") {
    attributes.set("log.file.path", filename);
    attributes.set("log.file.name", posix.basename(filename));
  }
  const names = [...labels].map(([name]) => name);
  if (names.length > 0) attributes.set("loki.attribute.labels", names.join(","));
  for (const [name, value] of labels) attributes.set(name, value);
  return attributes;
}
