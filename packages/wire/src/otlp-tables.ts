/**
 * OTLP's messages as tables of fields, after opentelemetry-proto 1.9 (`opentelemetry/proto/{common,resource,trace,metrics,logs}/v1`): from them one
 * reader and one writer make `otlp-tree.ts` of protobuf and of JSON. Data alone; the order of fields is the order of properties and of bytes written.
 */
import type { OtlpSignal } from "./otlp-tree.ts";

/**
 * - `id`: bytes, hexadecimal in JSON. `fixed64`, `sfixed64`, `uint64`: bigints, strings in JSON. `uint32`, `fixed32`, `sint32`, `enum`: numbers.
 * - `value`: an `AnyValue`. `attributes`: `repeated KeyValue`, as a Map.
 */
export type FieldKind =
  | "string"
  | "id"
  | "bool"
  | "double"
  | "fixed64"
  | "sfixed64"
  | "uint64"
  | "uint32"
  | "fixed32"
  | "sint32"
  | "enum"
  | "value"
  | "attributes"
  | "message";

export interface Field {
  readonly number: number;
  /** As in JSON. */
  readonly name: string;
  readonly kind: FieldKind;
  readonly isRepeated: boolean;
  /** Whether "not sent" is told from the default: undefined, then. */
  readonly isOptional: boolean;
  /** Names of all fields of the `oneof` that it belongs to: setting one clears the others. */
  readonly group: readonly string[] | undefined;
  /** Of `message`. */
  readonly message: MessageTable | undefined;
  /** Of `enum`: names by number, as JSON may write them. */
  readonly names: readonly string[] | undefined;
}

export interface MessageTable {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
  /** Whether each of these is one item of its signal: a span, a data point, a log record. */
  readonly isItem: boolean;
}

export const SPAN_KINDS = [
  "SPAN_KIND_UNSPECIFIED",
  "SPAN_KIND_INTERNAL",
  "SPAN_KIND_SERVER",
  "SPAN_KIND_CLIENT",
  "SPAN_KIND_PRODUCER",
  "SPAN_KIND_CONSUMER",
] as const;

export const STATUS_CODES = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"] as const;

export const AGGREGATION_TEMPORALITIES = [
  "AGGREGATION_TEMPORALITY_UNSPECIFIED",
  "AGGREGATION_TEMPORALITY_DELTA",
  "AGGREGATION_TEMPORALITY_CUMULATIVE",
] as const;

/** `SEVERITY_NUMBER_UNSPECIFIED`, then four of each level. */
export const SEVERITY_NUMBERS: readonly string[] = [
  "SEVERITY_NUMBER_UNSPECIFIED",
  ...["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].flatMap((level) =>
    ["", "2", "3", "4"].map((step) => `SEVERITY_NUMBER_${level}${step}`),
  ),
];

type Extra = Partial<Pick<Field, "isRepeated" | "isOptional" | "group" | "message" | "names">>;

function field(number: number, name: string, kind: FieldKind, extra: Extra = {}): Field {
  const none = {
    isRepeated: false,
    isOptional: false,
    group: undefined,
    message: undefined,
    names: undefined,
  };
  return { number, name, kind, ...none, ...extra };
}

function many(number: number, name: string, message: MessageTable): Field {
  return field(number, name, "message", { isRepeated: true, message });
}

function table(name: string, fields: readonly Field[], isItem = false): MessageTable {
  return { name, fields, byNumber: new Map(fields.map((one) => [one.number, one])), isItem };
}

const NUMBER_GROUP = ["asDouble", "asInt"];
const DATA_GROUP = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];
const ATTRIBUTE_COUNT = "droppedAttributesCount";

const ENTITY_REF = table("EntityRef", [
  field(1, "schemaUrl", "string"),
  field(2, "type", "string"),
  field(3, "idKeys", "string", { isRepeated: true }),
  field(4, "descriptionKeys", "string", { isRepeated: true }),
]);

const RESOURCE = field(1, "resource", "message", {
  message: table("Resource", [
    field(1, "attributes", "attributes"),
    field(2, ATTRIBUTE_COUNT, "uint32"),
    many(3, "entityRefs", ENTITY_REF),
  ]),
});

const SCOPE = field(1, "scope", "message", {
  message: table("InstrumentationScope", [
    field(1, "name", "string"),
    field(2, "version", "string"),
    field(3, "attributes", "attributes"),
    field(4, ATTRIBUTE_COUNT, "uint32"),
  ]),
});

const SCHEMA_URL = field(3, "schemaUrl", "string");

const SPAN_EVENT = table("Event", [
  field(1, "timeUnixNano", "fixed64"),
  field(2, "name", "string"),
  field(3, "attributes", "attributes"),
  field(4, ATTRIBUTE_COUNT, "uint32"),
]);

const SPAN_LINK = table("Link", [
  field(1, "traceId", "id"),
  field(2, "spanId", "id"),
  field(3, "traceState", "string"),
  field(4, "attributes", "attributes"),
  field(5, ATTRIBUTE_COUNT, "uint32"),
  field(6, "flags", "fixed32"),
]);

const SPAN_STATUS = table("Status", [
  field(2, "message", "string"),
  field(3, "code", "enum", { names: STATUS_CODES }),
]);

const SPAN = table(
  "Span",
  [
    field(1, "traceId", "id"),
    field(2, "spanId", "id"),
    field(3, "traceState", "string"),
    field(4, "parentSpanId", "id"),
    field(5, "name", "string"),
    field(6, "kind", "enum", { names: SPAN_KINDS }),
    field(7, "startTimeUnixNano", "fixed64"),
    field(8, "endTimeUnixNano", "fixed64"),
    field(9, "attributes", "attributes"),
    field(10, ATTRIBUTE_COUNT, "uint32"),
    many(11, "events", SPAN_EVENT),
    field(12, "droppedEventsCount", "uint32"),
    many(13, "links", SPAN_LINK),
    field(14, "droppedLinksCount", "uint32"),
    field(15, "status", "message", { message: SPAN_STATUS }),
    field(16, "flags", "fixed32"),
  ],
  true,
);

const LOG_RECORD = table(
  "LogRecord",
  [
    field(1, "timeUnixNano", "fixed64"),
    field(2, "severityNumber", "enum", { names: SEVERITY_NUMBERS }),
    field(3, "severityText", "string"),
    field(5, "body", "value"),
    field(6, "attributes", "attributes"),
    field(7, ATTRIBUTE_COUNT, "uint32"),
    field(8, "flags", "fixed32"),
    field(9, "traceId", "id"),
    field(10, "spanId", "id"),
    field(11, "observedTimeUnixNano", "fixed64"),
    field(12, "eventName", "string"),
  ],
  true,
);

const NUMBER_VALUE = [
  field(4, "asDouble", "double", { isOptional: true, group: NUMBER_GROUP }),
  field(6, "asInt", "sfixed64", { isOptional: true, group: NUMBER_GROUP }),
] as const;

const EXEMPLAR = table("Exemplar", [
  field(2, "timeUnixNano", "fixed64"),
  field(3, "asDouble", "double", { isOptional: true, group: NUMBER_GROUP }),
  field(4, "spanId", "id"),
  field(5, "traceId", "id"),
  field(6, "asInt", "sfixed64", { isOptional: true, group: NUMBER_GROUP }),
  field(7, "filteredAttributes", "attributes"),
]);

const POINT_TIMES = [
  field(2, "startTimeUnixNano", "fixed64"),
  field(3, "timeUnixNano", "fixed64"),
] as const;

const NUMBER_POINT = table(
  "NumberDataPoint",
  [
    ...POINT_TIMES,
    ...NUMBER_VALUE,
    many(5, "exemplars", EXEMPLAR),
    field(7, "attributes", "attributes"),
    field(8, "flags", "uint32"),
  ],
  true,
);

const HISTOGRAM_POINT = table(
  "HistogramDataPoint",
  [
    ...POINT_TIMES,
    field(4, "count", "fixed64"),
    field(5, "sum", "double", { isOptional: true }),
    field(6, "bucketCounts", "fixed64", { isRepeated: true }),
    field(7, "explicitBounds", "double", { isRepeated: true }),
    many(8, "exemplars", EXEMPLAR),
    field(9, "attributes", "attributes"),
    field(10, "flags", "uint32"),
    field(11, "min", "double", { isOptional: true }),
    field(12, "max", "double", { isOptional: true }),
  ],
  true,
);

const BUCKETS = table("Buckets", [
  field(1, "offset", "sint32"),
  field(2, "bucketCounts", "uint64", { isRepeated: true }),
]);

const EXPONENTIAL_POINT = table(
  "ExponentialHistogramDataPoint",
  [
    field(1, "attributes", "attributes"),
    ...POINT_TIMES,
    field(4, "count", "fixed64"),
    field(5, "sum", "double", { isOptional: true }),
    field(6, "scale", "sint32"),
    field(7, "zeroCount", "fixed64"),
    field(8, "positive", "message", { message: BUCKETS }),
    field(9, "negative", "message", { message: BUCKETS }),
    field(10, "flags", "uint32"),
    many(11, "exemplars", EXEMPLAR),
    field(12, "min", "double", { isOptional: true }),
    field(13, "max", "double", { isOptional: true }),
    field(14, "zeroThreshold", "double"),
  ],
  true,
);

const QUANTILE = table("ValueAtQuantile", [
  field(1, "quantile", "double"),
  field(2, "value", "double"),
]);

const SUMMARY_POINT = table(
  "SummaryDataPoint",
  [
    ...POINT_TIMES,
    field(4, "count", "fixed64"),
    field(5, "sum", "double"),
    many(6, "quantileValues", QUANTILE),
    field(7, "attributes", "attributes"),
    field(8, "flags", "uint32"),
  ],
  true,
);

const TEMPORALITY = field(2, "aggregationTemporality", "enum", {
  names: AGGREGATION_TEMPORALITIES,
});

function dataOf(number: number, name: string, fields: readonly Field[]): Field {
  return field(number, name, "message", {
    isOptional: true,
    group: DATA_GROUP,
    message: table(name, fields),
  });
}

const METRIC = table("Metric", [
  field(1, "name", "string"),
  field(2, "description", "string"),
  field(3, "unit", "string"),
  dataOf(5, "gauge", [many(1, "dataPoints", NUMBER_POINT)]),
  dataOf(7, "sum", [
    many(1, "dataPoints", NUMBER_POINT),
    TEMPORALITY,
    field(3, "isMonotonic", "bool"),
  ]),
  dataOf(9, "histogram", [many(1, "dataPoints", HISTOGRAM_POINT), TEMPORALITY]),
  dataOf(10, "exponentialHistogram", [many(1, "dataPoints", EXPONENTIAL_POINT), TEMPORALITY]),
  dataOf(11, "summary", [many(1, "dataPoints", SUMMARY_POINT)]),
  field(12, "metadata", "attributes"),
]);

function requestOf(signal: string, items: string, item: MessageTable): MessageTable {
  const scopes = table(`Scope${signal}`, [SCOPE, many(2, items, item), SCHEMA_URL]);
  const resources = table(`Resource${signal}`, [
    RESOURCE,
    many(2, `scope${signal}`, scopes),
    SCHEMA_URL,
  ]);
  return table(`${signal} request`, [many(1, `resource${signal}`, resources)]);
}

/** The request of each signal. */
export const OTLP_REQUESTS: Readonly<Record<OtlpSignal, MessageTable>> = {
  traces: requestOf("Spans", "spans", SPAN),
  metrics: requestOf("Metrics", "metrics", METRIC),
  logs: requestOf("Logs", "logRecords", LOG_RECORD),
};
