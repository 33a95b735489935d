/**
 * OTLP metrics: decodes, translates, stores, and answers as the OTLP specification asks. What can never be stored is a partial success that names it;
 * what may be stored later is 429 or 503 with Retry-After, which are the statuses that senders try again after. Over gRPC the
 * same, with UNAVAILABLE and RESOURCE_EXHAUSTED.
 */
import { FinchError, singleMetric } from "@finch/runtime";
import type { Clock, MetricFamily } from "@finch/runtime";
import { faultReply, GRPC_CODES } from "@finch/runtime/http";
import type {
  GrpcMethod,
  HttpFaultWriter,
  HttpReply,
  HttpRequest,
  HttpRoute,
} from "@finch/runtime/http";
import {
  decodeOtlpMetrics,
  decodeOtlpMetricsJson,
  DEFAULT_OTLP_LIMITS,
  DEFAULT_REMOTE_WRITE_LIMITS,
  encodeOtlpResponse,
  encodeRpcStatus,
  hasDeltas,
  translateOtlpMetrics,
} from "@finch/wire";
import type {
  OtlpDeltas,
  OtlpEncoding,
  OtlpPartialSuccess,
  OtlpResourceMetrics,
  OtlpTranslation,
} from "@finch/wire";
import type { MetricsLimits } from "./limits.ts";
import type { OtlpOptions } from "./otlp-options.ts";
import { DEFAULT_DELTA_LIMITS, DeltaSums } from "./write-deltas.ts";
import { readEncodedBody } from "./write-body.ts";
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

const PROTOBUF = "application/x-protobuf";
const JSON_TYPE = "application/json";

/** Numbers of google.rpc.Code by HTTP status. */
const RPC_CODES: Readonly<Record<number, number>> = {
  400: 3,
  413: 3,
  415: 3,
  429: 8,
  499: 1,
  503: 14,
};

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
  const write = async (request: HttpRequest): Promise<HttpReply> => {
    const encoding = encodingOf(request.header("content-type"));
    if (encoding === undefined) {
      throw new FinchError(
        "unsupported-media",
        "server/otlp-media",
        `unsupported content type: ${request.header("content-type")}, supported: [${JSON_TYPE}, ${PROTOBUF}]`,
      );
    }
    const body = await readEncodedBody(request, limits);
    const decode = encoding === "json" ? decodeOtlpMetricsJson : decodeOtlpMetrics;
    const partial = await take(decode(body, decoding));
    return {
      status: 200,
      headers: { "content-type": mediaTypeOf(encoding) },
      body: encodeOtlpResponse(encoding, partial),
    };
  };
  const route = (path: string): HttpRoute => ({
    kind: "http",
    methods: ["POST"],
    path,
    faults: tellFault,
    handle: write,
  });
  return {
    routes: [route("/otlp/v1/metrics"), route("/api/v1/otlp/v1/metrics")],
    receiverRoutes: [route("/v1/metrics")],
    grpcMethods: [
      exportMethod(limits, async (message) => {
        const partial = await take(decodeOtlpMetrics(message, decoding));
        return encodeOtlpResponse("protobuf", partial) as Uint8Array;
      }),
    ],
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

/** `Export` of the metrics service; `take` gets a request and returns the response, both in protobuf. */
function exportMethod(
  limits: MetricsLimits,
  take: (message: Uint8Array) => Promise<Uint8Array>,
): GrpcMethod {
  return {
    path: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    messageBytesMax: limits.writeBytesMax,
    messageBytesDecodedMax: limits.writeDecodedBytesMax,
    handle: ({ message }) => take(message),
    // Senders give up on an internal error, and try again on these.
    codes: { internal: GRPC_CODES.unavailable, corrupt: GRPC_CODES.unavailable },
    details: ({ message, retryAfterSeconds }, code) =>
      encodeRpcStatus("protobuf", { code, message, retryAfterSeconds }) as Uint8Array,
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

function encodingOf(contentType: string): OtlpEncoding | undefined {
  const mediaType = contentType.split(";")[0]!.trim().toLowerCase();
  if (mediaType === PROTOBUF || mediaType === "application/protobuf") return "protobuf";
  return mediaType === JSON_TYPE ? "json" : undefined;
}

function mediaTypeOf(encoding: OtlpEncoding): string {
  return encoding === "json" ? JSON_TYPE : PROTOBUF;
}

/** A `google.rpc.Status` in the request's own encoding. Senders never try a 500 again, so that our own faults are 503. */
function tellFault(
  fault: FinchError,
  request: Parameters<HttpFaultWriter>[1],
): ReturnType<HttpFaultWriter> {
  const reply = faultReply(fault, "text");
  const status = reply.status === 500 || reply.status === 504 ? 503 : reply.status;
  const encoding = encodingOf(request.headers["content-type"] ?? "") ?? "protobuf";
  const { retryAfterSeconds, message } = fault;
  return {
    status,
    headers: { ...reply.headers, "content-type": mediaTypeOf(encoding) },
    body: encodeRpcStatus(encoding, { code: RPC_CODES[status] ?? 2, message, retryAfterSeconds }),
  };
}
