/** OTLP over gRPC as exporters speak it: the arguments of a client, and what its answers mean. */
import { describeError, FinchError } from "@finch/runtime";
import type { OtlpSignal } from "@finch/wire";
import type { ArgumentFault } from "../component.ts";
import { loadTls } from "../http-tls.ts";
import { maybe, notYet, oneOf, optional } from "../schema.ts";
import type { ValuesOf } from "../schema.ts";
import { clientHeaders } from "./client-headers.ts";
import { clientTlsFault, CLIENT_TLS_BLOCK, tlsOptionsOf } from "./client-tls.ts";
import { GrpcClient } from "./grpc-client.ts";
import type { GrpcAnswer } from "./grpc-client.ts";
import { readPartialSuccess, readRetryDelayMs } from "./otlp-transport.ts";
import type { OtlpTransport, SendOutcome } from "./otlp-transport.ts";
import type { AnyBatch } from "./telemetry-batch.ts";

/** What `client` takes besides the endpoint. */
export const GRPC_CLIENT = {
  compression: oneOf(["gzip", "none", ""], "gzip", "How messages are compressed."),
  headers: optional("map(string)", {}, "Metadata of every request."),
  auth: maybe("otel-handler", "The handler of a component that shows who sends."),
  authority: maybe(
    "string",
    "Name of the server in requests, when it is not that of the endpoint.",
  ),
  balancer_name: oneOf(
    ["round_robin", "pick_first"],
    "round_robin",
    "How Alloy chooses among addresses; here all requests go over one connection, to the first that answers.",
  ),
  read_buffer_size: maybe("bytes", "Of Alloy; buffers size themselves here."),
  write_buffer_size: maybe("bytes", "Of Alloy; buffers size themselves here."),
  wait_for_ready: optional("bool", false, "Wait for a connection; only false: it is tried again."),
  keepalive: notYet("block", "Pings on idle connections."),
  tls: CLIENT_TLS_BLOCK,
};

export type GrpcClientArguments = ValuesOf<typeof GRPC_CLIENT>;

const SERVICES: Readonly<Record<OtlpSignal, string>> = {
  traces: "trace.v1.TraceService",
  metrics: "metrics.v1.MetricsService",
  logs: "logs.v1.LogsService",
};

const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const ABORTED = 10;
const OUT_OF_RANGE = 11;
const UNIMPLEMENTED = 12;
const UNAVAILABLE = 14;
const DATA_LOSS = 15;
const UNAUTHENTICATED = 16;
/** Those that OTLP sends again, and those that are about the sender and not about what it sends. */
const LATER: ReadonlySet<number> = new Set([
  CANCELLED,
  DEADLINE_EXCEEDED,
  ABORTED,
  OUT_OF_RANGE,
  UNAVAILABLE,
  DATA_LOSS,
  PERMISSION_DENIED,
  UNIMPLEMENTED,
  UNAUTHENTICATED,
]);

/** Why a client cannot be made of the arguments; undefined when it can. */
export function grpcClientFault(client: GrpcClientArguments): ArgumentFault | undefined {
  if (client.wait_for_ready)
    return { at: "wait_for_ready", message: "not supported yet: wait_for_ready = true" };
  const fault = clientTlsFault(client.tls);
  return fault === undefined ? undefined : { at: "tls", message: fault };
}

/** With TLS unless the address or the `tls` block says otherwise, as in the collector. Of a URL the path is passed over: gRPC has its own. */
export function grpcUrl(endpoint: string, { tls }: GrpcClientArguments): string | undefined {
  const [, scheme, address] = /^(?:(https?|dns):\/{2,3})?([^/]+)(?:\/.*)?$/.exec(endpoint) ?? [];
  if (address === undefined || (scheme === undefined && !/:\d+$/.test(address))) return undefined;
  const isPlain = scheme === "http" || (scheme !== "https" && tls?.insecure === true);
  return URL.parse(`${isPlain ? "http" : "https"}://${address}`)?.origin;
}

/** A transport to one endpoint, whose address {@link grpcUrl} can read. */
export async function openGrpcTransport(
  endpoint: string,
  client: GrpcClientArguments,
  timeoutMs: number,
): Promise<OtlpTransport> {
  const grpc = new GrpcClient({
    url: grpcUrl(endpoint, client)!,
    tls: await loadTls(tlsOptionsOf(client.tls)),
    authority: client.authority,
    compresses: client.compression === "gzip",
  });
  return {
    send: (batch, signal) => send(grpc, { endpoint, client, timeoutMs, batch, signal }),
    [Symbol.dispose]: () => grpc[Symbol.dispose](),
  };
}

async function send(
  grpc: GrpcClient,
  what: {
    readonly endpoint: string;
    readonly client: GrpcClientArguments;
    readonly timeoutMs: number;
    readonly batch: AnyBatch;
    readonly signal: AbortSignal;
  },
): Promise<SendOutcome> {
  const { batch, client, signal } = what;
  try {
    const answer = await grpc.call({
      path: `/opentelemetry.proto.collector.${SERVICES[batch.signal]}/Export`,
      headers: await clientHeaders(client, batch.client),
      message: batch.bytes(),
      timeoutMs: what.timeoutMs,
      signal,
    });
    return outcomeOf(what.endpoint, answer);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FinchError) return { kind: "later", why: describeError(error) };
    throw error;
  }
}

function outcomeOf(endpoint: string, { status, message, details, body }: GrpcAnswer): SendOutcome {
  if (status === 0) return { kind: "sent", ...readPartialSuccess(body) };
  const why = `${endpoint} answered with status ${status} of gRPC: ${message}`;
  const afterMs = readRetryDelayMs(details);
  const asked = afterMs === undefined ? {} : { afterMs };
  if (LATER.has(status)) return { kind: "later", why, ...asked };
  if (status !== RESOURCE_EXHAUSTED) return { kind: "refused", why };
  // Without a time it is about the size: servers refuse messages that are too large with it.
  return afterMs === undefined ? { kind: "too-large", why } : { kind: "later", why, ...asked };
}
