/** What `otelcol.receiver.otlp` answers over HTTP and gRPC: bodies into batches, faults into what senders understand. */
import { describeError, FinchError } from "@finch/runtime";
import { faultReply, GRPC_CODES } from "@finch/runtime/http";
import type {
  GrpcMethod,
  HttpFaultWriter,
  HttpReply,
  HttpRequest,
  HttpRoute,
} from "@finch/runtime/http";
import {
  decodeOtlpTreeJson,
  decompressBody,
  DEFAULT_OTLP_LIMITS,
  encodeOtlpResponse,
  encodeRpcStatus,
} from "@finch/wire";
import type { BodyEncoding, OtlpEncoding, OtlpLimits, OtlpSignal } from "@finch/wire";
import { wrongHandler } from "../../otel/handler.ts";
import type { OtelHandler, RequestHeaders } from "../../otel/handler.ts";
import { emit, UNITS } from "../../otel/output.ts";
import { isPermanent } from "../../otel/permanent-fault.ts";
import { NO_CLIENT, TelemetryBatch } from "../../otel/telemetry-batch.ts";
import type { AnyBatch, ClientInfo } from "../../otel/telemetry-batch.ts";
import type { OtlpReceiverArguments, OtlpReceiverContext } from "./receiver-otlp.ts";

type Context = OtlpReceiverContext;
type HttpValues = NonNullable<OtlpReceiverArguments["http"]>;
type GrpcValues = NonNullable<OtlpReceiverArguments["grpc"]>;

const PROTOBUF = "application/x-protobuf";
const JSON_TYPE = "application/json";
const RETRY_AFTER_SECONDS = 5;

const SERVICES: Readonly<Record<OtlpSignal, string>> = {
  traces: "trace.v1.TraceService",
  metrics: "metrics.v1.MetricsService",
  logs: "logs.v1.LogsService",
};
const SIGNALS = ["traces", "metrics", "logs"] as const;

/** Names in the collector's metrics. */
const METRIC_UNITS = { spans: "spans", samples: "metric_points", lines: "log_records" } as const;

export function httpRoutes(context: Context, values: HttpValues): readonly HttpRoute[] {
  const paths = {
    traces: values.traces_url_path,
    metrics: values.metrics_url_path,
    logs: values.logs_url_path,
  };
  return SIGNALS.map((signal) => ({
    kind: "http",
    methods: ["POST"],
    path: paths[signal],
    faults: tellFault,
    handle: (request) => takeHttp(context, values, { request, signal }),
  }));
}

export function grpcMethods(context: Context, values: GrpcValues): readonly GrpcMethod[] {
  const limits = limitsOf(values.max_recv_msg_size);
  return SIGNALS.map((signal) => ({
    path: `/opentelemetry.proto.collector.${SERVICES[signal]}/Export`,
    messageBytesMax: values.max_recv_msg_size,
    messageBytesDecodedMax: values.max_recv_msg_size,
    handle: async ({ message, headers, peer, signal: callSignal }) => {
      admit(values.auth, headers);
      const client = values.include_metadata ? clientOf(headers, peer) : NO_CLIENT;
      const batch = TelemetryBatch.ofRequest(signal, message, { client, limits });
      await hand(context, batch as AnyBatch, { transport: "grpc", signal: callSignal });
      return encodeOtlpResponse("protobuf", undefined) as Uint8Array;
    },
    // Senders give up on an internal error, and try again on this.
    codes: {
      internal: GRPC_CODES.unavailable,
      corrupt: GRPC_CODES.unavailable,
      "too-large": GRPC_CODES.limited,
    },
    details: ({ message, retryAfterSeconds }, code) =>
      encodeRpcStatus("protobuf", { code, message, retryAfterSeconds }) as Uint8Array,
  }));
}

async function takeHttp(
  context: Context,
  values: HttpValues,
  { request, signal }: { readonly request: HttpRequest; readonly signal: OtlpSignal },
): Promise<HttpReply> {
  admit(values.auth, request.headers);
  const encoding = encodingOf(request.header("content-type"));
  if (encoding === undefined)
    throw new FinchError(
      "unsupported-media",
      "agent/otel-media",
      `unsupported content type: ${request.header("content-type")}, supported: [${JSON_TYPE}, ${PROTOBUF}]`,
    );
  const limits = limitsOf(values.max_request_body_size);
  const body = await readBody(request, values);
  const client = values.include_metadata ? clientOf(request.headers, request.peer) : NO_CLIENT;
  const batch =
    encoding === "protobuf"
      ? TelemetryBatch.ofRequest(signal, body, { client, limits })
      : TelemetryBatch.ofTree(signal, decodeOtlpTreeJson(signal, body, limits), client);
  const deadline = AbortSignal.timeout(values.write_timeout);
  await hand(context, batch as AnyBatch, {
    transport: "http",
    signal: AbortSignal.any([request.signal, deadline]),
  });
  return {
    status: 200,
    headers: { "content-type": mediaTypeOf(encoding) },
    body: encodeOtlpResponse(encoding, undefined),
  };
}

function limitsOf(bytesMax: number): OtlpLimits {
  return { ...DEFAULT_OTLP_LIMITS, decodedBytesMax: bytesMax };
}

async function readBody(request: HttpRequest, values: HttpValues): Promise<Uint8Array> {
  const { max_request_body_size: bytesMax, compression_algorithms: allowed } = values;
  const encoding = request.header("content-encoding").trim().toLowerCase();
  const name = encoding === "identity" ? "" : encoding;
  if (!allowed.includes(name))
    throw new FinchError(
      "unsupported-media",
      "agent/otel-encoding",
      `unsupported Content-Encoding: ${encoding || "none"}, supported: ${allowed.map((one) => one || "none").join(", ")}`,
    );
  const body = await request.readBody(bytesMax);
  if (name === "") return body;
  return decompressBody(body, name === "zlib" ? "deflate" : (name as BodyEncoding), bytesMax);
}

function admit(handler: OtelHandler | undefined, headers: RequestHeaders): void {
  if (handler === undefined) return;
  if (handler.admit === undefined) throw wrongHandler(handler, "by servers");
  handler.admit(headers);
}

function clientOf(headers: RequestHeaders, address: string): ClientInfo {
  const metadata = new Map<string, readonly string[]>();
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !name.startsWith(":"))
      metadata.set(name, typeof value === "string" ? [value] : value);
  return { metadata, address };
}

/** What is behind has it when this resolves. */
async function hand(
  context: Context,
  batch: AnyBatch,
  how: { readonly transport: "grpc" | "http"; readonly signal: AbortSignal },
): Promise<void> {
  const { items } = batch;
  const unit = METRIC_UNITS[UNITS[batch.signal]];
  const count = (what: "accepted" | "refused") =>
    context.metrics
      .counter(`otelcol_receiver_${what}_${unit}_total`, `Items that were ${what}.`, {
        transport: how.transport,
      })
      .add(items);
  try {
    await emit(context, batch, how.signal);
  } catch (error) {
    count("refused");
    if (isPermanent(error)) throw error;
    const retryAfterSeconds =
      (error instanceof FinchError ? error.retryAfterSeconds : undefined) ?? RETRY_AFTER_SECONDS;
    throw new FinchError("unavailable", "agent/receive-not-taken", describeError(error), {
      retryAfterSeconds,
    });
  }
  count("accepted");
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
  const { retryAfterSeconds, message, kind } = fault;
  const headers: Record<string, string> = {
    ...reply.headers,
    "content-type": mediaTypeOf(encoding),
  };
  if (status === 401) headers["www-authenticate"] = "Basic";
  return {
    status,
    headers,
    body: encodeRpcStatus(encoding, { code: GRPC_CODES[kind], message, retryAfterSeconds }),
  };
}
