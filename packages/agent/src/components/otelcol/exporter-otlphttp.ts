/** `otelcol.exporter.otlphttp`: sends OTLP over HTTP, through a queue on disk. */
import { promisify } from "node:util";
import { deflate, gzip, zstdCompress } from "node:zlib";
import { describeError, FinchError } from "@finch/runtime";
import { encodeOtlpTreeJson } from "@finch/wire";
import type { OtlpSignal } from "@finch/wire";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { createHttpClient, DEFAULT_HTTP_CLIENT_OPTIONS } from "../../http-client.ts";
import type { HttpClient, HttpClientResponse } from "../../http-client.ts";
import { clientHeaders } from "../../otel/client-headers.ts";
import { clientTlsFault, CLIENT_TLS_BLOCK, tlsOptionsOf } from "../../otel/client-tls.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { readPartialSuccess } from "../../otel/otlp-transport.ts";
import type { OtlpTransport, SendOutcome } from "../../otel/otlp-transport.ts";
import { runExporter } from "../../otel/run-exporter.ts";
import type { ExporterExports } from "../../otel/run-exporter.ts";
import { senderFault, SENDER_BLOCKS } from "../../otel/sender-schema.ts";
import type { AnyBatch } from "../../otel/telemetry-batch.ts";
import { block, maybe, notYet, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

const CLIENT = {
  endpoint: required("string", "Base of the addresses, such as http://localhost:4318."),
  proxy_url: maybe("string", "Proxy to send requests through."),
  headers: optional("map(string)", {}, "Headers of every request."),
  compression: oneOf(
    ["gzip", "zstd", "zlib", "deflate", "none", ""],
    "gzip",
    "How bodies are compressed.",
  ),
  timeout: optional("duration", 30_000, "Time for a request.", { min: 1 }),
  auth: maybe("otel-handler", "The handler of a component that shows who sends."),
  tls: CLIENT_TLS_BLOCK,
  read_buffer_size: maybe("bytes", "Of Alloy; buffers size themselves here."),
  write_buffer_size: maybe("bytes", "Of Alloy; buffers size themselves here."),
  max_idle_conns: maybe("number", "Of Alloy; up to four connections to a host stay open idle."),
  idle_conn_timeout: maybe("duration", "Of Alloy; the server says how long they stay."),
  max_idle_conns_per_host: notYet("attribute", "Idle connections to a host."),
  max_conns_per_host: notYet("attribute", "Connections to a host."),
  disable_keep_alives: notYet("attribute", "A connection for each request."),
  http2_read_idle_timeout: notYet("attribute", "Of HTTP/2, which is not spoken here."),
  http2_ping_timeout: notYet("attribute", "Of HTTP/2, which is not spoken here."),
  force_attempt_http2: maybe(
    "bool",
    "Whether HTTP/2 is tried; HTTP/1.1, which every receiver of OTLP speaks, is what is chosen.",
  ),
  compression_params: notYet("block", "Levels of compression."),
  cookies: notYet("block", "Whether cookies are kept."),
};

const ARGUMENTS = {
  client: block(CLIENT, { repeat: "one", doc: "Where it is sent.", isRequired: true }),
  encoding: oneOf(["proto", "json"], "proto", "Encoding of bodies."),
  traces_endpoint: maybe("string", "Address for traces, in place of endpoint with /v1/traces."),
  metrics_endpoint: maybe("string", "Address for metrics, in place of endpoint with /v1/metrics."),
  logs_endpoint: maybe("string", "Address for logs, in place of endpoint with /v1/logs."),
  ...SENDER_BLOCKS,
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

const ANSWER_BYTES_MAX = 1 << 20;
/** What is shown of an answer. */
const SHOWN_MAX = 300;
/** The statuses that OTLP sends again, and those that are about the sender and not about what it sends: a wrong password must not cost it. */
const LATER: ReadonlySet<number> = new Set([401, 403, 404, 405, 407, 408, 429, 502, 503, 504]);

export const exporterOtlphttp = defineComponent({
  name: "otelcol.exporter.otlphttp",
  stability: "generally-available",
  summary: "Sends traces, metrics and logs by OTLP over HTTP, with a queue on disk.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces, metrics and logs." },
  check: findFault,
  run: (context: ComponentContext<Arguments, ExporterExports>, signal) =>
    runExporter(context, openTransport, signal),
});

function findFault(values: Arguments): ArgumentFault | undefined {
  const addresses = [
    ["client.endpoint", values.client.endpoint],
    ["client.proxy_url", values.client.proxy_url],
    ["traces_endpoint", values.traces_endpoint],
    ["metrics_endpoint", values.metrics_endpoint],
    ["logs_endpoint", values.logs_endpoint],
  ] as const;
  for (const [at, address] of addresses)
    if (address !== undefined && !isHttpUrl(address))
      return { at, message: `${JSON.stringify(address)} is not an http or https URL` };
  const fault = clientTlsFault(values.client.tls);
  if (fault !== undefined) return { at: "client.tls", message: fault };
  return senderFault(values) ?? debugMetricsFault(values);
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === "http:" || url?.protocol === "https:";
}

async function openTransport(values: Arguments): Promise<OtlpTransport> {
  const { tls, proxy_url: proxy } = values.client;
  const client = await createHttpClient({
    ...DEFAULT_HTTP_CLIENT_OPTIONS,
    tls: tlsOptionsOf(tls),
    ...(proxy === undefined
      ? {}
      : { proxy: { http: proxy, https: proxy, except: undefined, connectHeaders: [] } }),
  });
  return {
    send: (batch, signal) => send(values, client, { batch, signal }),
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}

async function send(
  values: Arguments,
  client: HttpClient,
  { batch, signal }: { readonly batch: AnyBatch; readonly signal: AbortSignal },
): Promise<SendOutcome> {
  const url = addressOf(values, batch.signal);
  const { compression, timeout: timeoutMs } = values.client;
  try {
    const body = await compress(bodyOf(values, batch), compression);
    const isPlain = compression === "none" || compression === "";
    const answer = await client.request({
      method: "POST",
      url,
      headers: {
        "content-type": values.encoding === "json" ? "application/json" : "application/x-protobuf",
        ...(isPlain
          ? {}
          : { "content-encoding": compression === "zlib" ? "deflate" : compression }),
        ...(await clientHeaders(values.client, batch.client)),
      },
      body,
      timeoutMs,
      signal,
      responseBytesMax: ANSWER_BYTES_MAX,
    });
    return outcomeOf(url, answer);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FinchError) return { kind: "later", why: describeError(error) };
    throw error;
  }
}

function addressOf(values: Arguments, signal: OtlpSignal): string {
  const own = {
    traces: values.traces_endpoint,
    metrics: values.metrics_endpoint,
    logs: values.logs_endpoint,
  }[signal];
  return own ?? `${values.client.endpoint.replace(/\/$/, "")}/v1/${signal}`;
}

function bodyOf({ encoding }: Arguments, batch: AnyBatch): Uint8Array {
  if (encoding === "proto") return batch.bytes();
  return encodeOtlpTreeJson(batch.signal, batch.tree());
}

const gzipAll = promisify(gzip);
const deflateAll = promisify(deflate);
const zstdAll = promisify(zstdCompress);

function compress(
  body: Uint8Array,
  compression: Arguments["client"]["compression"],
): Promise<Uint8Array> {
  switch (compression) {
    case "gzip":
      return gzipAll(body);
    case "zstd":
      return zstdAll(body);
    case "zlib":
    case "deflate":
      return deflateAll(body);
    default:
      return Promise.resolve(body);
  }
}

function outcomeOf(url: string, { status, headers, body }: HttpClientResponse): SendOutcome {
  if (status >= 200 && status < 300) {
    const isJson = String(headers["content-type"] ?? "").startsWith("application/json");
    return { kind: "sent", ...(isJson ? jsonPartial(body) : readPartialSuccess(body)) };
  }
  const text = new TextDecoder().decode(body);
  // A google.rpc.Status in protobuf is not for people, but its message is in it.
  const shown = text
    .replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]+/gu, " ")
    .trim()
    .slice(0, SHOWN_MAX);
  const why = `${url} answered with status ${status}: ${shown}`;
  if (status === 413) return { kind: "too-large", why };
  if (!LATER.has(status)) return { kind: "refused", why };
  const afterMs = retryAfterMs(headers["retry-after"]);
  return { kind: "later", why, ...(afterMs === undefined ? {} : { afterMs }) };
}

/** Seconds; a date is passed over, as the pauses of the retries do without it. */
function retryAfterMs(header: string | undefined): number | undefined {
  const seconds = Number(header ?? Number.NaN);
  return seconds > 0 ? Math.min(seconds, 300) * 1000 : undefined;
}

function jsonPartial(body: Uint8Array): { readonly rejected: number; readonly message: string } {
  try {
    const { partialSuccess = {} } = JSON.parse(new TextDecoder().decode(body)) as {
      readonly partialSuccess?: Readonly<Record<string, unknown>>;
    };
    const counted = Object.entries(partialSuccess).find(([name]) => name.startsWith("rejected"));
    const message = partialSuccess["errorMessage"];
    return {
      rejected: Number(counted?.[1] ?? 0) || 0,
      message: typeof message === "string" ? message : "",
    };
  } catch {
    return { rejected: 0, message: "" };
  }
}
