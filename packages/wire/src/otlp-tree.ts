/**
 * OTLP's messages as plain objects that may be changed: what `otlp-tree-protobuf.ts` and `otlp-tree-json.ts` read and write by the tables of
 * `otlp-tables.ts`. Fields have the protocol's names (opentelemetry-proto 1.9) in OTLP/JSON's spelling and are always there, with proto3's defaults
 * where nothing was sent; only fields that tell "not sent" from zero may be undefined. 64-bit integers are bigints, times are Unix nanoseconds,
 * ids are bytes. Whole messages are owned by whoever has the tree; nothing in it is shared or frozen. Fields that are not known here are left out.
 */

export type OtlpSignal = "traces" | "metrics" | "logs";

/** What a request of each signal holds: `Export…ServiceRequest`, which equals `TracesData`, `MetricsData` and `LogsData` byte for byte. */
export interface OtlpTrees {
  readonly traces: TracesData;
  readonly metrics: MetricsData;
  readonly logs: LogsData;
}

/** `AnyValue`: a bigint is an `intValue`, a number a `doubleValue`, a Map a `kvlistValue`, null a value that is not set. */
export type AnyValue =
  | string
  | boolean
  | bigint
  | number
  | Uint8Array
  | AnyValue[]
  | Map<string, AnyValue>
  | null;

/** `repeated KeyValue`, in the order sent; of a key sent twice the last value counts. */
export type Attributes = Map<string, AnyValue>;

export interface TracesData {
  resourceSpans: ResourceSpans[];
}

export interface MetricsData {
  resourceMetrics: ResourceMetrics[];
}

export interface LogsData {
  resourceLogs: ResourceLogs[];
}

export interface ResourceSpans {
  resource: Resource;
  scopeSpans: ScopeSpans[];
  schemaUrl: string;
}

export interface ResourceMetrics {
  resource: Resource;
  scopeMetrics: ScopeMetrics[];
  schemaUrl: string;
}

export interface ResourceLogs {
  resource: Resource;
  scopeLogs: ScopeLogs[];
  schemaUrl: string;
}

export interface Resource {
  attributes: Attributes;
  droppedAttributesCount: number;
  entityRefs: EntityRef[];
}

export interface EntityRef {
  schemaUrl: string;
  type: string;
  idKeys: string[];
  descriptionKeys: string[];
}

export interface InstrumentationScope {
  name: string;
  version: string;
  attributes: Attributes;
  droppedAttributesCount: number;
}

export interface ScopeSpans {
  scope: InstrumentationScope;
  spans: Span[];
  schemaUrl: string;
}

export interface Span {
  /** 16 bytes. */
  traceId: Uint8Array;
  /** 8 bytes. */
  spanId: Uint8Array;
  traceState: string;
  /** Empty for a root. */
  parentSpanId: Uint8Array;
  /** Lowest 8 bits: W3C trace flags. */
  flags: number;
  name: string;
  /** `SPAN_KINDS`. */
  kind: number;
  startTimeUnixNano: bigint;
  endTimeUnixNano: bigint;
  attributes: Attributes;
  droppedAttributesCount: number;
  events: SpanEvent[];
  droppedEventsCount: number;
  links: SpanLink[];
  droppedLinksCount: number;
  status: SpanStatus;
}

export interface SpanEvent {
  timeUnixNano: bigint;
  name: string;
  attributes: Attributes;
  droppedAttributesCount: number;
}

export interface SpanLink {
  traceId: Uint8Array;
  spanId: Uint8Array;
  traceState: string;
  attributes: Attributes;
  droppedAttributesCount: number;
  flags: number;
}

export interface SpanStatus {
  message: string;
  /** `STATUS_CODES`: 0 unset, 1 ok, 2 error. */
  code: number;
}

export interface ScopeLogs {
  scope: InstrumentationScope;
  logRecords: LogRecord[];
  schemaUrl: string;
}

export interface LogRecord {
  timeUnixNano: bigint;
  observedTimeUnixNano: bigint;
  /** `SEVERITY_NUMBERS`: 1 to 24, 0 where not sent. */
  severityNumber: number;
  severityText: string;
  body: AnyValue;
  attributes: Attributes;
  droppedAttributesCount: number;
  flags: number;
  traceId: Uint8Array;
  spanId: Uint8Array;
  eventName: string;
}

export interface ScopeMetrics {
  scope: InstrumentationScope;
  metrics: Metric[];
  schemaUrl: string;
}

/** One of `gauge` … `summary` is set, or none when the sender used a kind that is not known here. */
export interface Metric {
  name: string;
  description: string;
  unit: string;
  gauge: Gauge | undefined;
  sum: Sum | undefined;
  histogram: HistogramMetric | undefined;
  exponentialHistogram: ExponentialHistogram | undefined;
  summary: Summary | undefined;
  metadata: Attributes;
}

export interface Gauge {
  dataPoints: NumberDataPoint[];
}

export interface Sum {
  dataPoints: NumberDataPoint[];
  /** `AGGREGATION_TEMPORALITIES`: 1 delta, 2 cumulative. */
  aggregationTemporality: number;
  isMonotonic: boolean;
}

export interface HistogramMetric {
  dataPoints: HistogramDataPoint[];
  aggregationTemporality: number;
}

export interface ExponentialHistogram {
  dataPoints: ExponentialHistogramDataPoint[];
  aggregationTemporality: number;
}

export interface Summary {
  dataPoints: SummaryDataPoint[];
}

/** One of `asDouble` and `asInt` is set, or none. */
export interface NumberDataPoint {
  attributes: Attributes;
  startTimeUnixNano: bigint;
  timeUnixNano: bigint;
  asDouble: number | undefined;
  asInt: bigint | undefined;
  exemplars: OtlpTreeExemplar[];
  /** Bit 0: no recorded value, a stale marker. */
  flags: number;
}

export interface HistogramDataPoint {
  attributes: Attributes;
  startTimeUnixNano: bigint;
  timeUnixNano: bigint;
  count: bigint;
  sum: number | undefined;
  /** One more than bounds, or none. */
  bucketCounts: bigint[];
  explicitBounds: number[];
  exemplars: OtlpTreeExemplar[];
  flags: number;
  min: number | undefined;
  max: number | undefined;
}

export interface ExponentialHistogramDataPoint {
  attributes: Attributes;
  startTimeUnixNano: bigint;
  timeUnixNano: bigint;
  count: bigint;
  sum: number | undefined;
  scale: number;
  zeroCount: bigint;
  positive: ExponentialBuckets;
  negative: ExponentialBuckets;
  flags: number;
  exemplars: OtlpTreeExemplar[];
  min: number | undefined;
  max: number | undefined;
  zeroThreshold: number;
}

export interface ExponentialBuckets {
  offset: number;
  bucketCounts: bigint[];
}

export interface SummaryDataPoint {
  attributes: Attributes;
  startTimeUnixNano: bigint;
  timeUnixNano: bigint;
  count: bigint;
  sum: number;
  quantileValues: ValueAtQuantile[];
  flags: number;
}

export interface ValueAtQuantile {
  quantile: number;
  value: number;
}

/** An exemplar; one of `asDouble` and `asInt` is set. */
export interface OtlpTreeExemplar {
  filteredAttributes: Attributes;
  timeUnixNano: bigint;
  asDouble: number | undefined;
  asInt: bigint | undefined;
  spanId: Uint8Array;
  traceId: Uint8Array;
}
