/** Turns an OTLP request written as JSON into protobuf, by a table of fields of its own: what tests send and hold decoders against. */
import { ProtobufWriter } from "@finch/codec";

type FieldType =
  | "text"
  | "hex"
  | "bytes"
  | "varint"
  | "zigzag"
  | "fixed32"
  | "fixed64"
  | "double"
  | { readonly message: string };
type Field = readonly [number: number, type: FieldType];

const POINT = {
  startTimeUnixNano: [2, "fixed64"],
  timeUnixNano: [3, "fixed64"],
} as const;

const MESSAGES: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  Request: {
    resourceMetrics: [1, { message: "ResourceMetrics" }],
    resourceLogs: [1, { message: "ResourceLogs" }],
    resourceSpans: [1, { message: "ResourceSpans" }],
  },
  ResourceSpans: {
    resource: [1, { message: "Resource" }],
    scopeSpans: [2, { message: "ScopeSpans" }],
    schemaUrl: [3, "text"],
  },
  ScopeSpans: {
    scope: [1, { message: "Scope" }],
    spans: [2, { message: "Span" }],
    schemaUrl: [3, "text"],
  },
  Span: {
    traceId: [1, "hex"],
    spanId: [2, "hex"],
    traceState: [3, "text"],
    parentSpanId: [4, "hex"],
    name: [5, "text"],
    kind: [6, "varint"],
    startTimeUnixNano: [7, "fixed64"],
    endTimeUnixNano: [8, "fixed64"],
    attributes: [9, { message: "KeyValue" }],
    droppedAttributesCount: [10, "varint"],
    events: [11, { message: "SpanEvent" }],
    droppedEventsCount: [12, "varint"],
    links: [13, { message: "SpanLink" }],
    droppedLinksCount: [14, "varint"],
    status: [15, { message: "SpanStatus" }],
    flags: [16, "fixed32"],
  },
  SpanEvent: {
    timeUnixNano: [1, "fixed64"],
    name: [2, "text"],
    attributes: [3, { message: "KeyValue" }],
    droppedAttributesCount: [4, "varint"],
  },
  SpanLink: {
    traceId: [1, "hex"],
    spanId: [2, "hex"],
    traceState: [3, "text"],
    attributes: [4, { message: "KeyValue" }],
    droppedAttributesCount: [5, "varint"],
    flags: [6, "fixed32"],
  },
  SpanStatus: { message: [2, "text"], code: [3, "varint"] },
  ResourceLogs: {
    resource: [1, { message: "Resource" }],
    scopeLogs: [2, { message: "ScopeLogs" }],
    schemaUrl: [3, "text"],
  },
  ScopeLogs: {
    scope: [1, { message: "Scope" }],
    logRecords: [2, { message: "LogRecord" }],
    schemaUrl: [3, "text"],
  },
  LogRecord: {
    timeUnixNano: [1, "fixed64"],
    severityNumber: [2, "varint"],
    severityText: [3, "text"],
    body: [5, { message: "AnyValue" }],
    attributes: [6, { message: "KeyValue" }],
    droppedAttributesCount: [7, "varint"],
    flags: [8, "fixed32"],
    traceId: [9, "hex"],
    spanId: [10, "hex"],
    observedTimeUnixNano: [11, "fixed64"],
    eventName: [12, "text"],
  },
  ResourceMetrics: {
    resource: [1, { message: "Resource" }],
    scopeMetrics: [2, { message: "ScopeMetrics" }],
    schemaUrl: [3, "text"],
  },
  Resource: {
    attributes: [1, { message: "KeyValue" }],
    droppedAttributesCount: [2, "varint"],
    entityRefs: [3, { message: "EntityRef" }],
  },
  EntityRef: {
    schemaUrl: [1, "text"],
    type: [2, "text"],
    idKeys: [3, "text"],
    descriptionKeys: [4, "text"],
  },
  ScopeMetrics: {
    scope: [1, { message: "Scope" }],
    metrics: [2, { message: "Metric" }],
    schemaUrl: [3, "text"],
  },
  Scope: {
    name: [1, "text"],
    version: [2, "text"],
    attributes: [3, { message: "KeyValue" }],
    droppedAttributesCount: [4, "varint"],
  },
  Metric: {
    name: [1, "text"],
    description: [2, "text"],
    unit: [3, "text"],
    gauge: [5, { message: "Number" }],
    sum: [7, { message: "Number" }],
    histogram: [9, { message: "Histogram" }],
    exponentialHistogram: [10, { message: "Exponential" }],
    summary: [11, { message: "Summary" }],
    metadata: [12, { message: "KeyValue" }],
  },
  Number: {
    dataPoints: [1, { message: "NumberPoint" }],
    aggregationTemporality: [2, "varint"],
    isMonotonic: [3, "varint"],
  },
  Histogram: {
    dataPoints: [1, { message: "HistogramPoint" }],
    aggregationTemporality: [2, "varint"],
  },
  Exponential: {
    dataPoints: [1, { message: "ExponentialPoint" }],
    aggregationTemporality: [2, "varint"],
  },
  Summary: { dataPoints: [1, { message: "SummaryPoint" }] },
  NumberPoint: {
    ...POINT,
    asDouble: [4, "double"],
    exemplars: [5, { message: "Exemplar" }],
    asInt: [6, "fixed64"],
    attributes: [7, { message: "KeyValue" }],
    flags: [8, "varint"],
  },
  HistogramPoint: {
    ...POINT,
    count: [4, "fixed64"],
    sum: [5, "double"],
    bucketCounts: [6, "fixed64"],
    explicitBounds: [7, "double"],
    exemplars: [8, { message: "Exemplar" }],
    attributes: [9, { message: "KeyValue" }],
    flags: [10, "varint"],
    min: [11, "double"],
    max: [12, "double"],
  },
  ExponentialPoint: {
    ...POINT,
    attributes: [1, { message: "KeyValue" }],
    count: [4, "fixed64"],
    sum: [5, "double"],
    scale: [6, "zigzag"],
    zeroCount: [7, "fixed64"],
    positive: [8, { message: "Buckets" }],
    negative: [9, { message: "Buckets" }],
    flags: [10, "varint"],
    exemplars: [11, { message: "Exemplar" }],
    min: [12, "double"],
    max: [13, "double"],
    zeroThreshold: [14, "double"],
  },
  Buckets: { offset: [1, "zigzag"], bucketCounts: [2, "varint"] },
  SummaryPoint: {
    ...POINT,
    count: [4, "fixed64"],
    sum: [5, "double"],
    quantileValues: [6, { message: "Quantile" }],
    attributes: [7, { message: "KeyValue" }],
    flags: [8, "varint"],
  },
  Quantile: { quantile: [1, "double"], value: [2, "double"] },
  Exemplar: {
    timeUnixNano: [2, "fixed64"],
    asDouble: [3, "double"],
    spanId: [4, "hex"],
    traceId: [5, "hex"],
    asInt: [6, "fixed64"],
    filteredAttributes: [7, { message: "KeyValue" }],
  },
  KeyValue: { key: [1, "text"], value: [2, { message: "AnyValue" }] },
  AnyValue: {
    stringValue: [1, "text"],
    boolValue: [2, "varint"],
    intValue: [3, "varint"],
    doubleValue: [4, "double"],
    arrayValue: [5, { message: "ArrayValue" }],
    kvlistValue: [6, { message: "KeyValueList" }],
    bytesValue: [7, "bytes"],
  },
  ArrayValue: { values: [1, { message: "AnyValue" }] },
  KeyValueList: { values: [1, { message: "KeyValue" }] },
};

/** The request in protobuf; a name that OTLP does not have is a mistake of the test. */
export function encodeOtlpJson(request: object): Uint8Array {
  const writer = new ProtobufWriter();
  writeFields(writer, "Request", request);
  return writer.finish();
}

function writeFields(writer: ProtobufWriter, message: string, value: object): void {
  for (const [name, one] of Object.entries(value as Record<string, unknown>)) {
    const field = MESSAGES[message]![name];
    if (field === undefined) throw new Error(`${message} has no field ${name}`);
    for (const item of Array.isArray(one) ? (one as unknown[]) : [one])
      writeField(writer, field, item);
  }
}

function writeField(writer: ProtobufWriter, [number, type]: Field, value: unknown): void {
  if (value === undefined || value === null) return;
  if (typeof type === "object") {
    const mark = writer.begin(number);
    writeFields(writer, type.message, value as object);
    writer.end(mark);
    return;
  }
  switch (type) {
    case "text":
      writer.writeString(number, value as string);
      return;
    case "hex":
    case "bytes":
      writer.writeBytes(number, Buffer.from(value as string, type === "hex" ? "hex" : "base64"));
      return;
    case "varint":
      writer.writeBigInt(number, BigInt(value as number));
      return;
    case "zigzag":
      writer.writeInt64(
        number,
        (value as number) < 0 ? -2 * (value as number) - 1 : 2 * (value as number),
      );
      return;
    case "fixed32":
      writer.writeFixed32(number, value as number);
      return;
    case "double":
    case "fixed64": {
      const words = new Uint32Array(2);
      if (type === "double") new Float64Array(words.buffer)[0] = Number(value);
      else new BigInt64Array(words.buffer)[0] = BigInt(value as string | number);
      writer.writeDoubleWords(number, words[0]!, words[1]!);
      return;
    }
  }
}
