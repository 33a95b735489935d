/** Reads `ExportMetricsServiceRequest` from protobuf. */
import { ProtobufReader, WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT } from "@finch/codec";
import { translateCodecErrors } from "./errors.ts";
import type { OtlpLimits } from "./otlp-limits.ts";
import { hasNoRecordedValue, NO_NUMBERS, NO_OTLP_BUCKETS, temporalityOf } from "./otlp-model.ts";
import type {
  OtlpBuckets,
  OtlpData,
  OtlpExemplar,
  OtlpExponentialPoint,
  OtlpHistogramPoint,
  OtlpMetric,
  OtlpNumberPoint,
  OtlpResourceMetrics,
  OtlpScopeMetrics,
  OtlpSummaryPoint,
  OtlpTemporality,
  OtlpValue,
} from "./otlp-model.ts";
import {
  readAttribute,
  readDouble,
  readFixedInt,
  readFixedUint,
  readHex,
  readMessage,
  readText,
  readTimeMs,
  startReading,
} from "./otlp-protobuf.ts";
import type { OtlpReading } from "./otlp-protobuf.ts";

/** Throws a FinchError `invalid` that names the byte, or `too-large`. */
export function decodeOtlpMetrics(body: Uint8Array, limits: OtlpLimits): OtlpResourceMetrics[] {
  return translateCodecErrors("cannot read the OTLP request", () => {
    const reader = new ProtobufReader(body);
    const reading = startReading(reader, limits);
    const resources: OtlpResourceMetrics[] = [];
    while (reader.more()) {
      reader.readTag();
      if (reader.field === 1) resources.push(readResource(reading));
      else reader.skip();
    }
    return resources;
  });
}

function readResource(reading: OtlpReading): OtlpResourceMetrics {
  const attributes = new Map<string, OtlpValue>();
  const scopes: OtlpScopeMetrics[] = [];
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

function readScope(reading: OtlpReading): OtlpScopeMetrics {
  const attributes = new Map<string, OtlpValue>();
  const metrics: OtlpMetric[] = [];
  let name = "";
  let version = "";
  let schemaUrl = "";
  readMessage(reading, (field) => {
    if (field === 1) {
      readMessage(reading, (inner) => {
        if (inner === 1) name = readText(reading);
        else if (inner === 2) version = readText(reading);
        else if (inner === 3) readAttribute(reading, attributes);
        else return false;
        return true;
      });
    } else if (field === 2) metrics.push(readMetric(reading));
    else if (field === 3) schemaUrl = readText(reading);
    else return false;
    return true;
  });
  return { name, version, schemaUrl, attributes, metrics };
}

function readMetric(reading: OtlpReading): OtlpMetric {
  let name = "";
  let description = "";
  let unit = "";
  let data: OtlpData | undefined;
  readMessage(reading, (field) => {
    if (field === 1) name = readText(reading);
    else if (field === 2) description = readText(reading);
    else if (field === 3) unit = readText(reading);
    else {
      const read = readData(reading, field);
      if (read === undefined) return false;
      data = read;
    }
    return true;
  });
  return { name, description, unit, data };
}

function readData(reading: OtlpReading, field: number): OtlpData | undefined {
  switch (field) {
    case 5:
      return { kind: "gauge", points: readPoints(reading, readNumberPoint).points };
    case 7:
      return { kind: "sum", ...readPoints(reading, readNumberPoint) };
    case 9: {
      const { points, temporality } = readPoints(reading, readHistogramPoint);
      return { kind: "histogram", points, temporality };
    }
    case 10: {
      const { points, temporality } = readPoints(reading, readExponentialPoint);
      return { kind: "exponential-histogram", points, temporality };
    }
    case 11:
      return { kind: "summary", points: readPoints(reading, readSummaryPoint).points };
    default:
      return undefined;
  }
}

/** The message of any kind of data: points, and what only some kinds have. */
function readPoints<Point>(
  reading: OtlpReading,
  readPoint: (reading: OtlpReading) => Point,
): { points: Point[]; temporality: OtlpTemporality; isMonotonic: boolean } {
  const points: Point[] = [];
  let temporality: OtlpTemporality = "unspecified";
  let isMonotonic = false;
  readMessage(reading, (field) => {
    if (field === 1) points.push(readPoint(reading));
    else if (field === 2) temporality = temporalityOf(readEnum(reading));
    else if (field === 3) isMonotonic = readEnum(reading) !== 0;
    else return false;
    return true;
  });
  return { points, temporality, isMonotonic };
}

function readEnum({ reader }: OtlpReading): number {
  reader.expect(WIRE_VARINT);
  return reader.readVarint32();
}

function readNumberPoint(reading: OtlpReading): OtlpNumberPoint {
  const attributes = new Map<string, OtlpValue>();
  const exemplars: OtlpExemplar[] = [];
  let startMs = 0;
  let timeMs = 0;
  let value = 0;
  let flags = 0;
  readMessage(reading, (field) => {
    if (field === 2) startMs = readTimeMs(reading);
    else if (field === 3) timeMs = readTimeMs(reading);
    else if (field === 4) value = readDouble(reading);
    else if (field === 5) exemplars.push(readExemplar(reading));
    else if (field === 6) value = readFixedInt(reading);
    else if (field === 7) readAttribute(reading, attributes);
    else if (field === 8) flags = readEnum(reading);
    else return false;
    return true;
  });
  return {
    attributes,
    startMs,
    timeMs,
    value,
    exemplars,
    noRecordedValue: hasNoRecordedValue(flags),
  };
}

function readHistogramPoint(reading: OtlpReading): OtlpHistogramPoint {
  const attributes = new Map<string, OtlpValue>();
  const exemplars: OtlpExemplar[] = [];
  let startMs = 0;
  let timeMs = 0;
  let count = 0;
  let sum: number | undefined;
  const bucketCounts = new NumberList();
  const explicitBounds = new NumberList();
  let flags = 0;
  readMessage(reading, (field) => {
    if (field === 2) startMs = readTimeMs(reading);
    else if (field === 3) timeMs = readTimeMs(reading);
    else if (field === 4) count = readFixedUint(reading);
    else if (field === 5) sum = readDouble(reading);
    else if (field === 6) readNumbers(reading, bucketCounts, "fixed");
    else if (field === 7) readNumbers(reading, explicitBounds, "double");
    else if (field === 8) exemplars.push(readExemplar(reading));
    else if (field === 9) readAttribute(reading, attributes);
    else if (field === 10) flags = readEnum(reading);
    else return false;
    return true;
  });
  const noRecordedValue = hasNoRecordedValue(flags);
  return {
    attributes,
    startMs,
    timeMs,
    count,
    sum,
    exemplars,
    noRecordedValue,
    bucketCounts: bucketCounts.finish(),
    explicitBounds: explicitBounds.finish(),
  };
}

function readExponentialPoint(reading: OtlpReading): OtlpExponentialPoint {
  const { reader } = reading;
  const attributes = new Map<string, OtlpValue>();
  const exemplars: OtlpExemplar[] = [];
  let startMs = 0;
  let timeMs = 0;
  let count = 0;
  let sum: number | undefined;
  let scale = 0;
  let zeroCount = 0;
  let zeroThreshold = 0;
  let positive = NO_OTLP_BUCKETS;
  let negative = NO_OTLP_BUCKETS;
  let flags = 0;
  readMessage(reading, (field) => {
    if (field === 1) readAttribute(reading, attributes);
    else if (field === 2) startMs = readTimeMs(reading);
    else if (field === 3) timeMs = readTimeMs(reading);
    else if (field === 4) count = readFixedUint(reading);
    else if (field === 5) sum = readDouble(reading);
    else if (field === 6) {
      reader.expect(WIRE_VARINT);
      scale = reader.readSint64() | 0;
    } else if (field === 7) zeroCount = readFixedUint(reading);
    else if (field === 8) positive = readBuckets(reading);
    else if (field === 9) negative = readBuckets(reading);
    else if (field === 10) flags = readEnum(reading);
    else if (field === 11) exemplars.push(readExemplar(reading));
    else if (field === 14) zeroThreshold = readDouble(reading);
    else return false;
    return true;
  });
  const noRecordedValue = hasNoRecordedValue(flags);
  return {
    attributes,
    startMs,
    timeMs,
    count,
    sum,
    scale,
    zeroCount,
    zeroThreshold,
    positive,
    negative,
    exemplars,
    noRecordedValue,
  };
}

function readBuckets(reading: OtlpReading): OtlpBuckets {
  const { reader } = reading;
  let offset = 0;
  const counts = new NumberList();
  readMessage(reading, (field) => {
    if (field === 1) {
      reader.expect(WIRE_VARINT);
      offset = reader.readSint64() | 0;
    } else if (field === 2) readNumbers(reading, counts, "varint");
    else return false;
    return true;
  });
  return { offset, counts: counts.finish() };
}

function readSummaryPoint(reading: OtlpReading): OtlpSummaryPoint {
  const attributes = new Map<string, OtlpValue>();
  const quantiles: { quantile: number; value: number }[] = [];
  let startMs = 0;
  let timeMs = 0;
  let count = 0;
  let sum = 0;
  let flags = 0;
  readMessage(reading, (field) => {
    if (field === 2) startMs = readTimeMs(reading);
    else if (field === 3) timeMs = readTimeMs(reading);
    else if (field === 4) count = readFixedUint(reading);
    else if (field === 5) sum = readDouble(reading);
    else if (field === 6) quantiles.push(readQuantile(reading));
    else if (field === 7) readAttribute(reading, attributes);
    else if (field === 8) flags = readEnum(reading);
    else return false;
    return true;
  });
  return {
    attributes,
    startMs,
    timeMs,
    count,
    sum,
    quantiles,
    noRecordedValue: hasNoRecordedValue(flags),
  };
}

function readQuantile(reading: OtlpReading): { quantile: number; value: number } {
  let quantile = 0;
  let value = 0;
  readMessage(reading, (field) => {
    if (field === 1) quantile = readDouble(reading);
    else if (field === 2) value = readDouble(reading);
    else return false;
    return true;
  });
  return { quantile, value };
}

function readExemplar(reading: OtlpReading): OtlpExemplar {
  const attributes = new Map<string, OtlpValue>();
  let timeMs = 0;
  let value = 0;
  let traceId = "";
  let spanId = "";
  readMessage(reading, (field) => {
    if (field === 2) timeMs = readTimeMs(reading);
    else if (field === 3) value = readDouble(reading);
    else if (field === 4) spanId = readHex(reading);
    else if (field === 5) traceId = readHex(reading);
    else if (field === 6) value = readFixedInt(reading);
    else if (field === 7) readAttribute(reading, attributes);
    else return false;
    return true;
  });
  return { timeMs, value, traceId, spanId, attributes };
}

type NumberCoding = "fixed" | "double" | "varint";

/** Numbers of a repeated field as they come, in one piece or several. */
class NumberList {
  #values = NO_NUMBERS;
  #length = 0;

  reserve(count: number): void {
    if (this.#length + count <= this.#values.length) return;
    const grown = new Float64Array(Math.max(this.#length + count, 2 * this.#values.length));
    grown.set(this.#values);
    this.#values = grown;
  }

  add(value: number): void {
    this.reserve(1);
    this.#values[this.#length++] = value;
  }

  finish(): Float64Array {
    return this.#length === this.#values.length
      ? this.#values
      : this.#values.slice(0, this.#length);
  }
}

/** Numbers of a repeated field, packed or one by one. A varint may take one byte: each counts as an element. */
function readNumbers(reading: OtlpReading, into: NumberList, coding: NumberCoding): void {
  const { reader, budget } = reading;
  if (reader.wireType !== WIRE_BYTES) {
    reader.expect(coding === "varint" ? WIRE_VARINT : WIRE_FIXED64);
    budget.take(1);
    into.add(readNumber(reading, coding));
    return;
  }
  const outer = reader.enter();
  const bytes = reader.end - reader.position;
  const most = coding === "varint" ? bytes : bytes >>> 3;
  budget.take(most);
  into.reserve(most);
  while (reader.more()) into.add(readNumber(reading, coding));
  reader.leave(outer);
}

function readNumber({ reader }: OtlpReading, coding: NumberCoding): number {
  if (coding === "double") return reader.readDouble();
  if (coding === "fixed") {
    const low = reader.readFixed32();
    return reader.readFixed32() * 2 ** 32 + low;
  }
  reader.readVarint64();
  return reader.high * 2 ** 32 + reader.low;
}
