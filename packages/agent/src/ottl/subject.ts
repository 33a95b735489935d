/** What a statement works on: one record of telemetry with all it stands in. */
import type {
  ExponentialHistogramDataPoint,
  HistogramDataPoint,
  InstrumentationScope,
  LogRecord,
  Metric,
  NumberDataPoint,
  Resource,
  Span,
  SpanEvent,
  SummaryDataPoint,
} from "@finch/wire";
import type { OttlMap, OttlValue } from "./values.ts";

export type DataPoint =
  | NumberDataPoint
  | HistogramDataPoint
  | ExponentialHistogramDataPoint
  | SummaryDataPoint;

/** Contexts of statements: what one run of them sees. */
export const CONTEXTS = [
  "resource",
  "scope",
  "span",
  "spanevent",
  "log",
  "metric",
  "datapoint",
] as const;
export type ContextName = (typeof CONTEXTS)[number];

/** Fields that the context does not have are undefined. Owned by the walk over a batch, which moves it from record to record. */
export interface Subject {
  /** Unix nanoseconds. */
  nowNs(): bigint;
  /** Room for statements, empty at the start of each record. */
  cache: OttlMap;
  resource: Resource;
  /** Where the schema of the resource stands. */
  resourceHolder: { schemaUrl: string };
  scope: InstrumentationScope | undefined;
  scopeHolder: { schemaUrl: string } | undefined;
  span: Span | undefined;
  spanEvent: SpanEvent | undefined;
  spanEventIndex: number;
  log: LogRecord | undefined;
  metric: Metric | undefined;
  /** The metrics beside it; statements may add to them. */
  metrics: Metric[];
  point: DataPoint | undefined;
}

export type Getter = (subject: Subject) => OttlValue;

/** A path, for functions that change what it names. */
export interface Target {
  readonly get: Getter;
  set(subject: Subject, value: OttlValue): void;
}
