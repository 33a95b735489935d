/** Reads `ExportLogsServiceRequest` from protobuf. */
import { ProtobufReader, WIRE_FIXED32, WIRE_VARINT } from "@finch/codec";
import { translateCodecErrors } from "./errors.ts";
import type { OtlpLimits } from "./otlp-limits.ts";
import type { OtlpLogRecord, OtlpResourceLogs, OtlpScopeLogs } from "./otlp-logs-model.ts";
import type { OtlpValue } from "./otlp-model.ts";
import {
  readAttribute,
  readHex,
  readMessage,
  readText,
  readTimeNs,
  readValue,
  startReading,
} from "./otlp-protobuf.ts";
import type { OtlpReading } from "./otlp-protobuf.ts";

/** Throws a FinchError `invalid` that names the byte, or `too-large`. */
export function decodeOtlpLogs(body: Uint8Array, limits: OtlpLimits): OtlpResourceLogs[] {
  return translateCodecErrors("cannot read the OTLP request", () => {
    const reader = new ProtobufReader(body);
    const reading = startReading(reader, limits);
    const resources: OtlpResourceLogs[] = [];
    while (reader.more()) {
      reader.readTag();
      if (reader.field === 1) resources.push(readResource(reading));
      else reader.skip();
    }
    return resources;
  });
}

function readResource(reading: OtlpReading): OtlpResourceLogs {
  const attributes = new Map<string, OtlpValue>();
  const scopes: OtlpScopeLogs[] = [];
  readMessage(reading, (field) => {
    if (field === 1) {
      readMessage(reading, (inner) => {
        if (inner !== 1) return false;
        readAttribute(reading, attributes);
        return true;
      });
    } else if (field === 2) scopes.push(readScope(reading));
    else return false;
    return true;
  });
  return { attributes, scopes };
}

function readScope(reading: OtlpReading): OtlpScopeLogs {
  const attributes = new Map<string, OtlpValue>();
  const records: OtlpLogRecord[] = [];
  let name = "";
  let version = "";
  let droppedAttributesCount = 0;
  readMessage(reading, (field) => {
    if (field === 1) {
      readMessage(reading, (inner) => {
        if (inner === 1) name = readText(reading);
        else if (inner === 2) version = readText(reading);
        else if (inner === 3) readAttribute(reading, attributes);
        else if (inner === 4) droppedAttributesCount = readCount(reading);
        else return false;
        return true;
      });
    } else if (field === 2) records.push(readRecord(reading));
    else return false;
    return true;
  });
  return { name, version, attributes, droppedAttributesCount, records };
}

function readRecord(reading: OtlpReading): OtlpLogRecord {
  const attributes = new Map<string, OtlpValue>();
  let timeNs = 0n;
  let observedTimeNs = 0n;
  let severityNumber = 0;
  let severityText = "";
  let body: OtlpValue = null;
  let droppedAttributesCount = 0;
  let flags = 0;
  let traceId = "";
  let spanId = "";
  let eventName = "";
  readMessage(reading, (field) => {
    if (field === 1) timeNs = readTimeNs(reading);
    else if (field === 2) severityNumber = readCount(reading);
    else if (field === 3) severityText = readText(reading);
    else if (field === 5) body = readValue(reading, 0);
    else if (field === 6) readAttribute(reading, attributes);
    else if (field === 7) droppedAttributesCount = readCount(reading);
    else if (field === 8) flags = readFlags(reading);
    else if (field === 9) traceId = readHex(reading);
    else if (field === 10) spanId = readHex(reading);
    else if (field === 11) observedTimeNs = readTimeNs(reading);
    else if (field === 12) eventName = readText(reading);
    else return false;
    return true;
  });
  return {
    timeNs,
    observedTimeNs,
    severityNumber,
    severityText,
    body,
    attributes,
    droppedAttributesCount,
    flags,
    traceId,
    spanId,
    eventName,
  };
}

function readCount({ reader }: OtlpReading): number {
  reader.expect(WIRE_VARINT);
  return reader.readVarint32() >>> 0;
}

function readFlags({ reader }: OtlpReading): number {
  reader.expect(WIRE_FIXED32);
  return reader.readFixed32() >>> 0;
}
