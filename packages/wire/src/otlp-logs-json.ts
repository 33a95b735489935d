/** Reads `ExportLogsServiceRequest` from JSON. */
import { badBody } from "./errors.ts";
import {
  parseOtlpJson,
  readAnyValue,
  readAttributes,
  readHexText,
  readJsonTimeNs,
  readList,
  readNode,
  readNumber,
  readString,
} from "./otlp-json.ts";
import type { JsonNode, JsonReading } from "./otlp-json.ts";
import type { OtlpLimits } from "./otlp-limits.ts";
import type { OtlpLogRecord, OtlpResourceLogs, OtlpScopeLogs } from "./otlp-logs-model.ts";
import { NO_ATTRIBUTES } from "./otlp-model.ts";

/** Throws a FinchError `invalid` that names the field, or `too-large`. */
export function decodeOtlpLogsJson(body: Uint8Array, limits: OtlpLimits): OtlpResourceLogs[] {
  const { root, reading } = parseOtlpJson(body, limits);
  return readList(reading, root, "resourceLogs").map((node) => {
    const resource = readNode(reading, node, "resource");
    return {
      attributes:
        resource === undefined ? NO_ATTRIBUTES : readAttributes(reading, resource, "attributes"),
      scopes: readList(reading, node, "scopeLogs").map((scope) => readScope(reading, scope)),
    };
  });
}

function readScope(reading: JsonReading, node: JsonNode): OtlpScopeLogs {
  const scope = readNode(reading, node, "scope");
  const records = readList(reading, node, "logRecords").map((one) => readRecord(reading, one));
  if (scope === undefined)
    return { name: "", version: "", attributes: NO_ATTRIBUTES, droppedAttributesCount: 0, records };
  return {
    name: readString(scope, "name"),
    version: readString(scope, "version"),
    attributes: readAttributes(reading, scope, "attributes"),
    droppedAttributesCount: readNumber(scope, "droppedAttributesCount"),
    records,
  };
}

function readRecord(reading: JsonReading, node: JsonNode): OtlpLogRecord {
  return {
    timeNs: readJsonTimeNs(node, "timeUnixNano"),
    observedTimeNs: readJsonTimeNs(node, "observedTimeUnixNano"),
    severityNumber: readSeverity(node),
    severityText: readString(node, "severityText"),
    body: readAnyValue(reading, node, "body"),
    attributes: readAttributes(reading, node, "attributes"),
    droppedAttributesCount: readNumber(node, "droppedAttributesCount"),
    flags: readNumber(node, "flags"),
    traceId: readHexText(node, "traceId"),
    spanId: readHexText(node, "spanId"),
    eventName: readString(node, "eventName"),
  };
}

const SEVERITIES = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"] as const;
const SEVERITY_NAME = /^SEVERITY_NUMBER_([A-Z]+?)([234])?$/;

/** The number, or the name that protobuf's JSON gives it. */
function readSeverity(node: JsonNode): number {
  const value = node.fields["severityNumber"];
  if (typeof value !== "string" || !value.startsWith("S"))
    return readNumber(node, "severityNumber");
  if (value === "SEVERITY_NUMBER_UNSPECIFIED") return 0;
  const [, name, place = "1"] = SEVERITY_NAME.exec(value) ?? [];
  const level = SEVERITIES.findIndex((one) => one === name);
  if (level < 0)
    throw badBody(
      `${node.path}.severityNumber must be a severity, not ${JSON.stringify(value.slice(0, 40))}`,
    );
  return 4 * level + Number(place);
}
