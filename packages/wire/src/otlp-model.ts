/**
 * Values of OTLP attributes, and OTLP metrics as both of its encodings carry them, before they are translated: what `otlp-metrics-protobuf.ts` and `otlp-metrics-json.ts` make and
 * `otlp-translator.ts` reads. Names are those of the protocol. Times are Unix milliseconds, 0 where not sent.
 */

/** The value of an attribute. Whole numbers are bigints, so that 64 bits stay exact. */
export type OtlpValue =
  | string
  | boolean
  | bigint
  | number
  | Uint8Array
  | readonly OtlpValue[]
  | ReadonlyMap<string, OtlpValue>
  | null;

/** Of one key given twice the last counts. */
export type OtlpAttributes = ReadonlyMap<string, OtlpValue>;

export interface OtlpResourceMetrics {
  readonly attributes: OtlpAttributes;
  readonly scopes: readonly OtlpScopeMetrics[];
}

export interface OtlpScopeMetrics {
  readonly name: string;
  readonly version: string;
  readonly schemaUrl: string;
  readonly attributes: OtlpAttributes;
  readonly metrics: readonly OtlpMetric[];
}

export type OtlpTemporality = "unspecified" | "delta" | "cumulative";

/** `data` is missing when the sender left it out or it is of a kind that is not known here. */
export interface OtlpMetric {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly data: OtlpData | undefined;
}

export type OtlpData =
  | { readonly kind: "gauge"; readonly points: readonly OtlpNumberPoint[] }
  | {
      readonly kind: "sum";
      readonly points: readonly OtlpNumberPoint[];
      readonly temporality: OtlpTemporality;
      readonly isMonotonic: boolean;
    }
  | {
      readonly kind: "histogram";
      readonly points: readonly OtlpHistogramPoint[];
      readonly temporality: OtlpTemporality;
    }
  | {
      readonly kind: "exponential-histogram";
      readonly points: readonly OtlpExponentialPoint[];
      readonly temporality: OtlpTemporality;
    }
  | { readonly kind: "summary"; readonly points: readonly OtlpSummaryPoint[] };

export interface OtlpPoint {
  readonly attributes: OtlpAttributes;
  readonly startMs: number;
  readonly timeMs: number;
  /** Set when the point only says that there is no value: a stale marker. */
  readonly noRecordedValue: boolean;
}

export interface OtlpNumberPoint extends OtlpPoint {
  readonly value: number;
  readonly exemplars: readonly OtlpExemplar[];
}

export interface OtlpHistogramPoint extends OtlpPoint {
  readonly count: number;
  readonly sum: number | undefined;
  /** One more than bounds, or none. */
  readonly bucketCounts: Float64Array;
  readonly explicitBounds: Float64Array;
  readonly exemplars: readonly OtlpExemplar[];
}

export interface OtlpExponentialPoint extends OtlpPoint {
  readonly count: number;
  readonly sum: number | undefined;
  readonly scale: number;
  readonly zeroCount: number;
  readonly zeroThreshold: number;
  readonly positive: OtlpBuckets;
  readonly negative: OtlpBuckets;
  readonly exemplars: readonly OtlpExemplar[];
}

/** Bucket `offset + i` holds `counts[i]` observations. */
export interface OtlpBuckets {
  readonly offset: number;
  readonly counts: Float64Array;
}

export interface OtlpSummaryPoint extends OtlpPoint {
  readonly count: number;
  readonly sum: number;
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[];
}

export interface OtlpExemplar {
  readonly timeMs: number;
  readonly value: number;
  /** Lower-case hexadecimal, empty where not sent. */
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: OtlpAttributes;
}

export const NO_ATTRIBUTES: OtlpAttributes = new Map();
export const NO_NUMBERS = new Float64Array(0);
export const NO_OTLP_BUCKETS: OtlpBuckets = { offset: 0, counts: NO_NUMBERS };

/** The temporality of an enum's number or name. */
export function temporalityOf(value: unknown): OtlpTemporality {
  if (value === 1 || value === "AGGREGATION_TEMPORALITY_DELTA") return "delta";
  if (value === 2 || value === "AGGREGATION_TEMPORALITY_CUMULATIVE") return "cumulative";
  return "unspecified";
}

/** Whether a point's flags say that it has no value. */
export function hasNoRecordedValue(flags: number): boolean {
  return (flags & 1) !== 0;
}

/** A value as text, as the collector writes it: containers as JSON with sorted keys, bytes in base64. */
export function formatOtlpValue(value: OtlpValue): string {
  if (typeof value === "string") return value;
  if (value === null) return "";
  if (typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (typeof value === "number") return formatNumber(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return formatOtlpJson(value);
}

function formatNumber(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

/** A value as JSON that is safe inside HTML, as Go writes it: keys sorted, bytes in base64, what is no number null. */
export function formatOtlpJson(value: OtlpValue): string {
  if (value === null) return "null";
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isFinite(value) ? formatNumber(value) : "null";
  if (typeof value === "string") return quoteJson(value);
  if (value instanceof Uint8Array) return quoteJson(Buffer.from(value).toString("base64"));
  if (value instanceof Map) {
    const entries = [...(value as ReadonlyMap<string, OtlpValue>)].toSorted(([a], [b]) =>
      a < b ? -1 : 1,
    );
    return `{${entries.map(([key, one]) => `${quoteJson(key)}:${formatOtlpJson(one)}`).join(",")}}`;
  }
  return `[${(value as readonly OtlpValue[]).map(formatOtlpJson).join(",")}]`;
}

/** The collector's JSON is safe inside HTML. */
function quoteJson(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[<>&\u2028\u2029]/g,
    (one) => `\\u${one.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
}
