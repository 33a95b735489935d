/**
 * What OTLP's receivers of all signals share: encodings by content type, routes that answer in the request's encoding, the gRPC method, and faults.
 * What can never be stored is a partial success that names it; what may be stored later is 429 or 503 with Retry-After, which are the statuses that
 * senders try again after. Over gRPC the same, with UNAVAILABLE and RESOURCE_EXHAUSTED.
 */
import { FinchError } from "@finch/runtime";
import { faultReply, GRPC_CODES } from "@finch/runtime/http";
import type {
  GrpcMethod,
  HttpFaultWriter,
  HttpReply,
  HttpRequest,
  HttpRoute,
} from "@finch/runtime/http";
import { encodeOtlpResponse, encodeRpcStatus } from "@finch/wire";
import type { BodyEncoding, OtlpEncoding, OtlpPartialSuccess } from "@finch/wire";
import { readEncodedBody } from "./encoded-body.ts";

/** How a signal takes requests. */
export interface OtlpReceiver {
  /** Decodes and stores a body; resolves with what was not taken, when all the rest is durable. */
  readonly take: (
    body: Uint8Array,
    encoding: OtlpEncoding,
  ) => Promise<OtlpPartialSuccess | undefined>;
  readonly encodings: readonly BodyEncoding[];
  readonly limits: { readonly writeBytesMax: number; readonly writeDecodedBytesMax: number };
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

/** A route of the receiver. `emptyStatus` is that of a full success; one of 204 has no body. */
export function otlpRoute(
  path: string,
  receiver: OtlpReceiver,
  emptyStatus: 200 | 204 = 200,
): HttpRoute {
  const handle = async (request: HttpRequest): Promise<HttpReply> => {
    const encoding = encodingOf(request.header("content-type"));
    if (encoding === undefined) {
      throw new FinchError(
        "unsupported-media",
        "server/otlp-media",
        `unsupported content type: ${request.header("content-type")}, supported: [${JSON_TYPE}, ${PROTOBUF}]`,
      );
    }
    const body = await readEncodedBody(request, receiver.limits, receiver.encodings);
    const partial = await receiver.take(body, encoding);
    if (partial === undefined && emptyStatus === 204) return { status: 204 };
    return {
      status: 200,
      headers: { "content-type": mediaTypeOf(encoding) },
      body: encodeOtlpResponse(encoding, partial),
    };
  };
  return { kind: "http", methods: ["POST"], path, faults: tellFault, handle };
}

/** `Export` of a service, such as `metrics.v1.MetricsService`. */
export function otlpGrpcMethod(service: string, receiver: OtlpReceiver): GrpcMethod {
  return {
    path: `/opentelemetry.proto.collector.${service}/Export`,
    messageBytesMax: receiver.limits.writeBytesMax,
    messageBytesDecodedMax: receiver.limits.writeDecodedBytesMax,
    handle: async (request) => {
      const partial = await receiver.take(request.message, "protobuf");
      return encodeOtlpResponse("protobuf", partial) as Uint8Array;
    },
    // Senders give up on an internal error, and try again on these.
    codes: { internal: GRPC_CODES.unavailable, corrupt: GRPC_CODES.unavailable },
    details: ({ message, retryAfterSeconds }, code) =>
      encodeRpcStatus("protobuf", { code, message, retryAfterSeconds }) as Uint8Array,
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
