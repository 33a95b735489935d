/** OTLP metrics: decodes, translates, stores; `otlp-receiver.ts` answers. */
import { singleMetric } from "@finch/runtime";
import type { Clock, MetricFamily } from "@finch/runtime";
import type { GrpcMethod, HttpRoute } from "@finch/runtime/http";
import {
  decodeOtlpMetrics,
  decodeOtlpMetricsJson,
  DEFAULT_OTLP_LIMITS,
  DEFAULT_REMOTE_WRITE_LIMITS,
  hasDeltas,
  translateOtlpMetrics,
} from "@finch/wire";
import type {
  OtlpDeltas,
  OtlpPartialSuccess,
  OtlpResourceMetrics,
  OtlpTranslation,
} from "@finch/wire";
import { METRIC_ENCODINGS } from "../encoded-body.ts";
import { otlpGrpcMethod, otlpRoute } from "../otlp-receiver.ts";
import type { OtlpReceiver } from "../otlp-receiver.ts";
import type { MetricsLimits } from "./limits.ts";
import type { OtlpOptions } from "./otlp-options.ts";
import { DEFAULT_DELTA_LIMITS, DeltaSums } from "./write-deltas.ts";
import type { MetricIngest } from "./write-ingest.ts";

export interface OtlpContext {
  readonly ingest: MetricIngest;
  readonly clock: Clock;
  readonly limits: MetricsLimits;
  readonly options: OtlpOptions;
}

export interface OtlpMetrics {
  /** Prometheus' and Mimir's paths. */
  readonly routes: readonly HttpRoute[];
  /** `/v1/metrics`, for a listener of its own. */
  readonly receiverRoutes: readonly HttpRoute[];
  /** `MetricsService/Export`. */
  readonly grpcMethods: readonly GrpcMethod[];
  families(): readonly MetricFamily[];
}

export function createOtlpMetrics(context: OtlpContext): OtlpMetrics {
  const { clock, ingest, limits } = context;
  const deltas = new DeltaSums(DEFAULT_DELTA_LIMITS);
  const translation = translationOf(context);
  const decoding = { ...DEFAULT_OTLP_LIMITS, decodedBytesMax: limits.writeDecodedBytesMax };
  const store = async (
    resources: readonly OtlpResourceMetrics[],
    sums: OtlpDeltas | undefined,
  ): Promise<OtlpPartialSuccess | undefined> => {
    const translated = translateOtlpMetrics(resources, { ...translation, deltas: sums });
    const { told, refusedSeries } = await ingest.ingest(translated.batch);
    const refusedPoints = new Set(refusedSeries.map((s) => translated.pointOf[s]!));
    refusedPoints.delete(-1);
    const rejected = translated.rejectedPoints + refusedPoints.size;
    ingest.countLeftOut({ series: 0, samples: translated.rejectedPoints, exemplars: 0 });
    const lines = [...translated.faults, ...told];
    if (lines.length === 0 && rejected === 0) return undefined;
    return { rejectedName: "rejectedDataPoints", rejected, message: lines.join("\n") };
  };
  const take = async (resources: readonly OtlpResourceMetrics[]) =>
    hasDeltas(resources)
      ? await deltas.run(clock.nowMs(), (sums) => store(resources, sums))
      : await store(resources, undefined);
  const receiver: OtlpReceiver = {
    limits,
    encodings: METRIC_ENCODINGS,
    take: (body, encoding) =>
      take((encoding === "json" ? decodeOtlpMetricsJson : decodeOtlpMetrics)(body, decoding)),
  };
  return {
    routes: [
      otlpRoute("/otlp/v1/metrics", receiver),
      otlpRoute("/api/v1/otlp/v1/metrics", receiver),
    ],
    receiverRoutes: [otlpRoute("/v1/metrics", receiver)],
    grpcMethods: [otlpGrpcMethod("metrics.v1.MetricsService", receiver)],
    families: () => [
      singleMetric(
        "finch_metrics_delta_series",
        "gauge",
        "Series of delta temporality whose sums are kept.",
        deltas.series,
      ),
    ],
  };
}

function translationOf({ limits, options }: OtlpContext): Omit<OtlpTranslation, "deltas"> {
  return {
    ...options,
    ...limits.labels,
    limits: DEFAULT_REMOTE_WRITE_LIMITS,
    lookbackMs: limits.lookbackMs,
  };
}
