/**
 * `otelcol.receiver.otlp`: servers for OTLP over gRPC and over HTTP, protobuf and JSON. A request is acknowledged when everything behind has taken
 * it; what is not taken for now is told so that senders try again, what can never be taken so that they do not.
 */
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import type { Listener, ListenerTls } from "@finch/runtime/http";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { keepListening } from "../../otel/listeners.ts";
import type { WantedListener } from "../../otel/listeners.ts";
import { OUTPUT_BLOCK } from "../../otel/output.ts";
import { listenerTls, serverTlsBlockFault, SERVER_TLS_BLOCK } from "../../otel/server-tls.ts";
import type { ServerTls } from "../../otel/server-tls.ts";
import { block, maybe, notYet, optional } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { grpcMethods, httpRoutes } from "./otlp-endpoints.ts";

/** Encodings of bodies that are read; "" is none. */
const ENCODINGS = ["", "gzip", "zstd", "zlib", "deflate", "lz4"] as const;

const SHARED = {
  include_metadata: optional(
    "bool",
    false,
    "Keep the headers of requests, for components that hand them on or batch by them.",
  ),
  auth: maybe("otel-handler", "The handler of a component that asks who may send."),
  tls: SERVER_TLS_BLOCK,
};

const GRPC = {
  endpoint: optional("string", "0.0.0.0:4317", "Address to listen on."),
  transport: optional("string", "tcp", 'How it listens; only "tcp" is taken.'),
  max_recv_msg_size: optional("bytes", 4 << 20, "Largest message, as sent and unfolded.", {
    min: 1,
  }),
  read_buffer_size: optional("bytes", 512 << 10, "Of Alloy; buffers size themselves here."),
  write_buffer_size: maybe("bytes", "Of Alloy; buffers size themselves here."),
  max_concurrent_streams: notYet("attribute", "Calls at once on one connection."),
  keepalive: notYet("block", "How idle and old connections are treated."),
  ...SHARED,
};

const HTTP = {
  endpoint: optional("string", "0.0.0.0:4318", "Address to listen on."),
  traces_url_path: optional("string", "/v1/traces", "Path of traces."),
  metrics_url_path: optional("string", "/v1/metrics", "Path of metrics."),
  logs_url_path: optional("string", "/v1/logs", "Path of logs."),
  max_request_body_size: optional("bytes", 20 << 20, "Largest body, as sent and unfolded.", {
    min: 1,
  }),
  compression_algorithms: optional(
    "list(string)",
    ENCODINGS,
    'Encodings that are taken, "" for none.',
  ),
  read_header_timeout: optional("duration", 60_000, "How long headers may take.", { min: 1 }),
  read_timeout: optional("duration", 0, "How long a request may take to arrive; 0: a minute."),
  write_timeout: optional("duration", 30_000, "How long what is behind may take.", { min: 1 }),
  idle_timeout: optional("duration", 60_000, "How long an idle connection stays open.", { min: 1 }),
  keep_alives_enabled: optional("bool", true, "Whether connections are used again; only true."),
  cors: notYet("block", "Requests from web pages of other origins."),
  ...SHARED,
};

const ARGUMENTS = {
  grpc: block(GRPC, { repeat: "optional", doc: "Serves gRPC." }),
  http: block(HTTP, { repeat: "optional", doc: "Serves HTTP." }),
  output: OUTPUT_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

export type OtlpReceiverArguments = ValuesOf<typeof ARGUMENTS>;
export type OtlpReceiverContext = ComponentContext<OtlpReceiverArguments, object>;
type Values = OtlpReceiverArguments;

export const receiverOtlp = defineComponent({
  name: "otelcol.receiver.otlp",
  stability: "generally-available",
  summary: "Receives traces, metrics and logs by OTLP and forwards them.",
  arguments: ARGUMENTS,
  exports: {},
  check: findFault,
  run: (context: OtlpReceiverContext, signal) =>
    keepListening(context, () => listenersOf(context), signal),
});

function findFault(values: Values): ArgumentFault | undefined {
  const { grpc, http } = values;
  if (grpc === undefined && http === undefined)
    return { message: "write a grpc or an http block, or both: without them nothing is received" };
  for (const [at, one] of [["grpc", grpc] as const, ["http", http] as const]) {
    if (one === undefined) continue;
    if (addressOf(one.endpoint) === undefined)
      return {
        at: `${at}.endpoint`,
        message: `${JSON.stringify(one.endpoint)} is no address: write HOST:PORT, such as 0.0.0.0:4317`,
      };
    const fault = serverTlsBlockFault(one.tls);
    if (fault !== undefined) return { at: `${at}.tls`, message: fault };
  }
  if (grpc !== undefined && grpc.transport !== "tcp")
    return { at: "grpc.transport", message: `not supported yet: transport = "${grpc.transport}"` };
  return httpFault(http) ?? debugMetricsFault(values);
}

function httpFault(http: Values["http"]): ArgumentFault | undefined {
  if (http === undefined) return undefined;
  if (!http.keep_alives_enabled)
    return {
      at: "http.keep_alives_enabled",
      message: "not supported yet: keep_alives_enabled = false",
    };
  const unknown = http.compression_algorithms.find(
    (name) => !(ENCODINGS as readonly string[]).includes(name),
  );
  if (unknown !== undefined)
    return {
      at: "http.compression_algorithms",
      message: `not supported yet: compression_algorithms ${JSON.stringify(unknown)}`,
    };
  for (const at of ["traces_url_path", "metrics_url_path", "logs_url_path"] as const)
    if (!http[at].startsWith("/")) return { at: `http.${at}`, message: "a path begins with /" };
  return undefined;
}

function listenersOf(context: OtlpReceiverContext): readonly WantedListener[] {
  const { grpc, http } = context.arguments();
  const wanted: WantedListener[] = [];
  if (grpc !== undefined)
    wanted.push({ name: "grpc", values: grpc, open: () => openGrpc(context, grpc) });
  if (http !== undefined)
    wanted.push({ name: "http", values: http, open: () => openHttp(context, http) });
  return wanted;
}

async function openGrpc(
  context: OtlpReceiverContext,
  values: NonNullable<Values["grpc"]>,
): Promise<Listener> {
  return openListener({
    ...(await shared(context, values)),
    purpose: "OTLP over gRPC to the agent",
    routes: [],
    grpc: grpcMethods(context, values),
    limits: DEFAULT_HTTP_LIMITS,
  });
}

async function openHttp(
  context: OtlpReceiverContext,
  values: NonNullable<Values["http"]>,
): Promise<Listener> {
  return openListener({
    ...(await shared(context, values)),
    purpose: "OTLP over HTTP to the agent",
    routes: httpRoutes(context, values),
    limits: {
      ...DEFAULT_HTTP_LIMITS,
      headersTimeoutMs: values.read_header_timeout,
      requestTimeoutMs: values.read_timeout || DEFAULT_HTTP_LIMITS.requestTimeoutMs,
      keepAliveTimeoutMs: values.idle_timeout,
    },
  });
}

async function shared(
  { id, clock, log }: OtlpReceiverContext,
  { endpoint, tls }: { readonly endpoint: string; readonly tls: ServerTls | undefined },
) {
  const encrypted: { readonly tls?: ListenerTls } =
    tls === undefined ? {} : { tls: await listenerTls(tls) };
  return { name: id, clock, log, ...addressOf(endpoint)!, ...encrypted };
}

/** `HOST:PORT`, `:PORT` for all addresses, `[::1]:PORT`. */
function addressOf(endpoint: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(endpoint);
  if (match === null || Number(match[3]) > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? "", port: Number(match[3]) };
}
