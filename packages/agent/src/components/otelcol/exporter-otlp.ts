/** `otelcol.exporter.otlp`: sends OTLP over gRPC, through a queue on disk. */
import { describeError, FinchError } from "@finch/runtime";
import type { OtlpSignal } from "@finch/wire";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { loadTls } from "../../http-tls.ts";
import { clientHeaders } from "../../otel/client-headers.ts";
import { clientTlsFault, CLIENT_TLS_BLOCK, tlsOptionsOf } from "../../otel/client-tls.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { GrpcClient } from "../../otel/grpc-client.ts";
import type { GrpcAnswer } from "../../otel/grpc-client.ts";
import { readPartialSuccess, readRetryDelayMs } from "../../otel/otlp-transport.ts";
import type { OtlpTransport, SendOutcome } from "../../otel/otlp-transport.ts";
import { runExporter } from "../../otel/run-exporter.ts";
import type { ExporterExports } from "../../otel/run-exporter.ts";
import { senderFault, SENDER_BLOCKS } from "../../otel/sender-schema.ts";
import type { AnyBatch } from "../../otel/telemetry-batch.ts";
import { block, maybe, notYet, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

const CLIENT = {
  endpoint: required("string", "HOST:PORT, or a URL: http:// is without TLS."),
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

const ARGUMENTS = {
  timeout: optional("duration", 5000, "Time for a request.", { min: 1 }),
  client: block(CLIENT, { repeat: "one", doc: "Where it is sent.", isRequired: true }),
  ...SENDER_BLOCKS,
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

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

export const exporterOtlp = defineComponent({
  name: "otelcol.exporter.otlp",
  stability: "generally-available",
  summary: "Sends traces, metrics and logs by OTLP over gRPC, with a queue on disk.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces, metrics and logs." },
  check: findFault,
  run: (context: ComponentContext<Arguments, ExporterExports>, signal) =>
    runExporter(context, openTransport, signal),
});

function findFault(values: Arguments): ArgumentFault | undefined {
  const { client } = values;
  if (urlOf(client) === undefined)
    return {
      at: "client.endpoint",
      message: `${JSON.stringify(client.endpoint)} is no address: write HOST:PORT, such as localhost:4317`,
    };
  if (client.wait_for_ready)
    return { at: "client.wait_for_ready", message: "not supported yet: wait_for_ready = true" };
  const fault = clientTlsFault(client.tls);
  if (fault !== undefined) return { at: "client.tls", message: fault };
  return senderFault(values) ?? debugMetricsFault(values);
}

/** With TLS unless the address or the `tls` block says otherwise, as in the collector. Of a URL the path is passed over: gRPC has its own. */
function urlOf({ endpoint, tls }: Arguments["client"]): string | undefined {
  const [, scheme, address] = /^(?:(https?|dns):\/{2,3})?([^/]+)(?:\/.*)?$/.exec(endpoint) ?? [];
  if (address === undefined || (scheme === undefined && !/:\d+$/.test(address))) return undefined;
  const isPlain = scheme === "http" || (scheme !== "https" && tls?.insecure === true);
  return URL.parse(`${isPlain ? "http" : "https"}://${address}`)?.origin;
}

async function openTransport(values: Arguments): Promise<OtlpTransport> {
  const { client } = values;
  const options = tlsOptionsOf(client.tls);
  const tls = await loadTls(options);
  const grpc = new GrpcClient({
    url: urlOf(client)!,
    tls,
    authority: client.authority,
    compresses: client.compression === "gzip",
  });
  return {
    send: (batch, signal) => send(values, grpc, { batch, signal }),
    [Symbol.dispose]: () => grpc[Symbol.dispose](),
  };
}

async function send(
  values: Arguments,
  grpc: GrpcClient,
  { batch, signal }: { readonly batch: AnyBatch; readonly signal: AbortSignal },
): Promise<SendOutcome> {
  try {
    const answer = await grpc.call({
      path: `/opentelemetry.proto.collector.${SERVICES[batch.signal]}/Export`,
      headers: await clientHeaders(values.client, batch.client),
      message: batch.bytes(),
      timeoutMs: values.timeout,
      signal,
    });
    return outcomeOf(values.client.endpoint, answer);
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
