/** Calls and durations of spans, summed up by resource and dimensions: what `otelcol.connector.spanmetrics` tells at each flush. */
import { formatOtlpValue, SPAN_KINDS, STATUS_CODES } from "@finch/wire";
import type {
  Attributes,
  HistogramDataPoint,
  Metric,
  MetricsData,
  NumberDataPoint,
  Resource,
  Span,
  TracesData,
} from "@finch/wire";
import { noResource, noScope } from "../../otel/empty-messages.ts";

export interface SpanMetricsOptions {
  /** Before the names of the metrics, with a dot; empty for none. */
  readonly namespace: string;
  readonly dimensions: readonly { readonly name: string; readonly default: string | undefined }[];
  readonly excluded: readonly string[];
  /** Resource attributes that tell resources apart; all of them where there are none. */
  readonly resourceKeys: readonly string[];
  readonly isDelta: boolean;
  /** Milliseconds, ascending; undefined for no histogram. */
  readonly boundsMs: readonly number[] | undefined;
  readonly unit: "ms" | "s";
  /** Series of a resource; those beyond are summed up in one. */
  readonly seriesMax: number;
  /** Series that had no span for so long are forgotten; 0: never. */
  readonly expiryMs: number;
}

interface Series {
  readonly attributes: Attributes;
  startNs: bigint;
  calls: number;
  sumMs: number;
  readonly counts: number[];
  seenMs: number;
}

interface ResourceSeries {
  readonly attributes: Attributes;
  readonly series: Map<string, Series>;
}

/** Resources that are told apart; more would only be memory. */
const RESOURCES_MAX = 1000;
const OVERFLOW = "otel.metric.overflow";
const DELTA = 1;
const CUMULATIVE = 2;

export class SpanMetrics {
  readonly #resources = new Map<string, ResourceSeries>();

  add(
    { resourceSpans }: TracesData,
    options: SpanMetricsOptions,
    now: { readonly ns: bigint; readonly ms: number },
  ): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const known = this.#resourceOf(resource, options);
      for (const { spans } of scopeSpans)
        for (const span of spans) {
          const series = seriesOf(known, { span, resource }, options, now.ns);
          series.seenMs = now.ms;
          count(series, span, options.boundsMs ?? []);
        }
    }
  }

  #resourceOf({ attributes }: Resource, { resourceKeys }: SpanMetricsOptions): ResourceSeries {
    const names = resourceKeys.length > 0 ? resourceKeys : [...attributes.keys()].toSorted();
    const key = JSON.stringify(
      names.map((name) => [name, formatOtlpValue(attributes.get(name) ?? null)]),
    );
    let known = this.#resources.get(key);
    if (known !== undefined) return known;
    if (this.#resources.size >= RESOURCES_MAX)
      this.#resources.delete(this.#resources.keys().next().value!);
    known = { attributes: new Map(attributes), series: new Map() };
    this.#resources.set(key, known);
    return known;
  }

  /** What there is to tell; undefined when there is nothing. Deltas begin anew. */
  flush(
    options: SpanMetricsOptions,
    now: { readonly ns: bigint; readonly ms: number },
  ): MetricsData | undefined {
    this.#expire(options.expiryMs, now.ms);
    if (this.#resources.size === 0) return undefined;
    const resourceMetrics = [...this.#resources.values()].map(({ attributes, series }) => ({
      resource: { ...noResource(), attributes: new Map(attributes) },
      scopeMetrics: [
        {
          scope: { ...noScope(), name: "spanmetricsconnector" },
          metrics: metricsOf([...series.values()], options, now.ns),
          schemaUrl: "",
        },
      ],
      schemaUrl: "",
    }));
    if (options.isDelta) this.#resources.clear();
    return { resourceMetrics };
  }

  #expire(expiryMs: number, nowMs: number): void {
    if (expiryMs === 0) return;
    for (const [key, { series }] of this.#resources) {
      for (const [name, { seenMs }] of series) if (nowMs - seenMs > expiryMs) series.delete(name);
      if (series.size === 0) this.#resources.delete(key);
    }
  }
}

function seriesOf(
  { series }: ResourceSeries,
  of: { readonly span: Span; readonly resource: Resource },
  options: SpanMetricsOptions,
  nowNs: bigint,
): Series {
  let attributes = dimensionsOf(of, options);
  let key = JSON.stringify(
    Array.from(attributes, ([name, value]) => [name, formatOtlpValue(value)]),
  );
  if (!series.has(key) && series.size >= options.seriesMax) {
    attributes = new Map([[OVERFLOW, true]]);
    key = OVERFLOW;
  }
  let known = series.get(key);
  if (known === undefined) {
    const counts = Array.from({ length: (options.boundsMs?.length ?? 0) + 1 }, () => 0);
    known = { attributes, startNs: nowNs, calls: 0, sumMs: 0, counts, seenMs: 0 };
    series.set(key, known);
  }
  return known;
}

function dimensionsOf(
  { span, resource }: { readonly span: Span; readonly resource: Resource },
  { dimensions, excluded }: SpanMetricsOptions,
): Attributes {
  const attributes: Attributes = new Map([
    ["service.name", formatOtlpValue(resource.attributes.get("service.name") ?? "")],
    ["span.name", span.name],
    ["span.kind", SPAN_KINDS[span.kind] ?? SPAN_KINDS[0]],
    ["status.code", STATUS_CODES[span.status.code] ?? STATUS_CODES[0]],
  ]);
  for (const { name, default: fallback } of dimensions) {
    const value = span.attributes.get(name) ?? resource.attributes.get(name) ?? fallback;
    if (value !== undefined) attributes.set(name, value);
  }
  for (const name of excluded) attributes.delete(name);
  return attributes;
}

function count(series: Series, span: Span, boundsMs: readonly number[]): void {
  const nanoseconds = span.endTimeUnixNano - span.startTimeUnixNano;
  const durationMs = nanoseconds > 0n ? Number(nanoseconds) / 1e6 : 0;
  series.calls++;
  series.sumMs += durationMs;
  const bucket = boundsMs.findIndex((bound) => durationMs <= bound);
  series.counts[bucket < 0 ? boundsMs.length : bucket]!++;
}

function metricsOf(
  series: readonly Series[],
  options: SpanMetricsOptions,
  nowNs: bigint,
): Metric[] {
  const aggregationTemporality = options.isDelta ? DELTA : CUMULATIVE;
  const prefix = options.namespace === "" ? "" : `${options.namespace}.`;
  const calls = {
    ...metric(`${prefix}calls`, ""),
    sum: {
      aggregationTemporality,
      isMonotonic: true,
      dataPoints: series.map((one) => callsPoint(one, nowNs)),
    },
  };
  const { boundsMs, unit } = options;
  if (boundsMs === undefined) return [calls];
  const perUnit = unit === "s" ? 1000 : 1;
  const dataPoints = series.map((one) =>
    durationPoint(one, { bounds: boundsMs.map((bound) => bound / perUnit), perUnit, nowNs }),
  );
  return [
    calls,
    {
      ...metric(`${prefix}duration`, unit),
      histogram: { aggregationTemporality, dataPoints },
    },
  ];
}

function metric(name: string, unit: string): Metric {
  return {
    name,
    description: "",
    unit,
    gauge: undefined,
    sum: undefined,
    histogram: undefined,
    exponentialHistogram: undefined,
    summary: undefined,
    metadata: new Map(),
  };
}

function callsPoint({ attributes, startNs, calls }: Series, nowNs: bigint): NumberDataPoint {
  return {
    attributes: new Map(attributes),
    startTimeUnixNano: startNs,
    timeUnixNano: nowNs,
    asDouble: undefined,
    asInt: BigInt(calls),
    exemplars: [],
    flags: 0,
  };
}

function durationPoint(
  { attributes, startNs, calls, sumMs, counts }: Series,
  how: { readonly bounds: readonly number[]; readonly perUnit: number; readonly nowNs: bigint },
): HistogramDataPoint {
  return {
    attributes: new Map(attributes),
    startTimeUnixNano: startNs,
    timeUnixNano: how.nowNs,
    count: BigInt(calls),
    sum: sumMs / how.perUnit,
    bucketCounts: counts.map(BigInt),
    explicitBounds: [...how.bounds],
    exemplars: [],
    flags: 0,
    min: undefined,
    max: undefined,
  };
}
