/** Makes the OTLP request, as JSON, that a case describes. */

/** A metric of a case, with one point or several. */
export interface CaseMetric {
  readonly name: string;
  readonly unit?: string;
  readonly description?: string;
  /** `counter`, `gauge`, `histogram`, `summary`, `updowncounter`, `exponential_histogram`, in any spelling. */
  readonly kind: string;
  readonly temporality?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly value?: number;
  readonly count?: number;
  readonly sum?: number;
  readonly bounds?: readonly number[];
  readonly counts?: readonly number[];
  readonly quantiles?: Readonly<Record<string, number>>;
  readonly scale?: number;
  readonly zero_count?: number;
  readonly positive?: { readonly offset?: number; readonly counts?: readonly number[] };
  readonly negative?: { readonly offset?: number; readonly counts?: readonly number[] };
  readonly flags?: number;
  readonly no_recorded_value?: boolean;
  readonly points?: readonly Omit<CaseMetric, "name" | "kind" | "points">[];
}

export function requestOf(given: {
  readonly resource?: Readonly<Record<string, unknown>>;
  readonly scope?: Readonly<Record<string, unknown>>;
  readonly metrics: readonly CaseMetric[];
  readonly nowMs: number;
}): object {
  const { scope = {} } = given;
  return {
    resourceMetrics: [
      {
        resource: { attributes: attributesOf(given.resource ?? {}) },
        scopeMetrics: [
          {
            scope: {
              name: scope["name"] ?? "",
              version: String((scope["version"] as string | undefined) ?? ""),
              attributes: attributesOf((scope["attributes"] as Record<string, unknown>) ?? {}),
            },
            schemaUrl: scope["schema_url"] ?? scope["schemaUrl"] ?? "",
            metrics: given.metrics.map((metric) => metricOf(metric, given.nowMs)),
          },
        ],
      },
    ],
  };
}

function metricOf(metric: CaseMetric, nowMs: number): object {
  const { name, unit = "", description = "" } = metric;
  const kind = metric.kind.toLowerCase().replaceAll(/[-_ ]/g, "");
  const points = metric.points ?? [metric];
  const dataPoints = points.map((point, i) =>
    pointOf(kind, point, nowMs - (points.length - 1 - i) * 1000),
  );
  const aggregationTemporality = metric.temporality === "delta" ? 1 : 2;
  const head = { name, unit, description };
  switch (kind) {
    case "counter":
    case "sum":
      return { ...head, sum: { dataPoints, aggregationTemporality, isMonotonic: true } };
    case "updowncounter":
    case "nonmonotonicsum":
    case "nonmonotoniccounter":
      return { ...head, sum: { dataPoints, aggregationTemporality, isMonotonic: false } };
    case "histogram":
      return { ...head, histogram: { dataPoints, aggregationTemporality } };
    case "exponentialhistogram":
    case "exphistogram":
      return { ...head, exponentialHistogram: { dataPoints, aggregationTemporality } };
    case "summary":
      return { ...head, summary: { dataPoints } };
    default:
      return { ...head, gauge: { dataPoints } };
  }
}

function pointOf(kind: string, point: Omit<CaseMetric, "name" | "kind">, atMs: number): object {
  const counts = point.counts ?? [];
  const common = {
    timeUnixNano: `${atMs}000000`,
    startTimeUnixNano: `${atMs - 60_000}000000`,
    attributes: attributesOf(point.attributes ?? {}),
    flags: point.no_recorded_value === true ? 1 : (point.flags ?? 0),
  };
  const total = counts.reduce((sum, one) => sum + one, 0);
  switch (kind) {
    case "histogram":
      return {
        ...common,
        count: point.count ?? total,
        ...("sum" in point ? { sum: point.sum } : point.counts === undefined ? { sum: 0 } : {}),
        bucketCounts: counts,
        explicitBounds: point.bounds ?? [],
      };
    case "exponentialhistogram":
    case "exphistogram":
      return {
        ...common,
        count: point.count ?? point.value ?? 0,
        sum: point.sum ?? 0,
        scale: point.scale ?? 0,
        zeroCount: point.zero_count ?? 0,
        positive: bucketsOf(point.positive),
        negative: bucketsOf(point.negative),
      };
    case "summary":
      return {
        ...common,
        count: point.count ?? 1,
        sum: point.sum ?? 1,
        quantileValues: Object.entries(point.quantiles ?? { "0.5": 1 }).map(
          ([quantile, value]) => ({
            quantile: Number(quantile),
            value,
          }),
        ),
      };
    default:
      return { ...common, asDouble: point.value ?? 1 };
  }
}

function bucketsOf(buckets: CaseMetric["positive"]): object {
  return { offset: buckets?.offset ?? 0, bucketCounts: buckets?.counts ?? [] };
}

export function attributesOf(attributes: Readonly<Record<string, unknown>>): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: valueOf(value) }));
}

export function valueOf(value: unknown): object {
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number")
    return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(valueOf) } };
  if (typeof value === "object" && value !== null)
    return { kvlistValue: { values: attributesOf(value as Record<string, unknown>) } };
  return { stringValue: String(value) };
}
