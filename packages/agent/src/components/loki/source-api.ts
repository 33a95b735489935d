/**
 * `loki.source.api`: a server for Loki's push API, protobuf and JSON, and for bare lines. A push is acknowledged when every receiver has taken all of it;
 * while they do not, the sender waits, and what takes longer than `server_write_timeout` it is told to send again.
 */
import { Labels } from "@finch/model";
import { FinchError, freeBytes } from "@finch/runtime";
import { textReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { decodeLokiPush, DEFAULT_LOKI_PUSH_LIMITS, decompressBody } from "@finch/wire";
import type { LokiPushLimits, LokiPushResult } from "@finch/wire";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import { runHttpServer } from "../../http-server.ts";
import { HTTP_SERVER_BLOCKS, httpServerFault } from "../../http-server-schema.ts";
import type { LogEntry } from "../../receivers.ts";
import { maybe, notYet, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { uniqueNanoseconds } from "./forward.ts";
import { createLabeler, handOver } from "./received-entries.ts";

/** Seconds. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100];
/** Bytes. */
const SIZE_BUCKETS = [1, 2.5, 5, 10, 25, 50, 100, 250].map((mebibytes) => mebibytes * 2 ** 20);
const LF = 0x0a;
const CR = 0x0d;

const ARGUMENTS = {
  forward_to: required("list(logs-receiver)", "Where the entries go."),
  labels: optional("map(string)", {}, "Labels of every entry; they win over the sender's."),
  relabel_rules: maybe("relabel-rules", "Rules for the labels of entries."),
  use_incoming_timestamp: optional(
    "bool",
    false,
    "Keep the times of the sender; else entries have the time at which they arrive.",
  ),
  max_send_message_size: optional(
    "bytes",
    100 << 20,
    "Largest push, as it is sent and decompressed.",
    { min: 1 },
  ),
  graceful_shutdown_timeout: optional(
    "duration",
    30_000,
    "How long pushes under way may take at a stop; what a component may take to stop bounds it.",
  ),
  grpc: notYet("block", "A gRPC server."),
  ...HTTP_SERVER_BLOCKS,
} as const;

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, object>;

export const sourceApi = defineComponent({
  name: "loki.source.api",
  stability: "generally-available",
  summary: "Receives log entries by Loki's push API and forwards them.",
  arguments: ARGUMENTS,
  exports: {},
  check: (values) => httpServerFault(values.http),
  run: (context: Context, signal) => {
    const stamp = uniqueNanoseconds(() => context.clock.nowNs());
    const route = (path: string, take: Take): HttpRoute => ({
      kind: "http",
      methods: ["POST"],
      path,
      faults: "text",
      handle: (request) => measured(context, path, () => take(context, request, stamp)),
    });
    return runHttpServer(
      context,
      {
        purpose: "Loki's push API of the agent",
        closeMs: () => context.arguments().graceful_shutdown_timeout,
        routes: [
          ...["/loki/api/v1/push", "/api/v1/push"].map((path) => route(path, takePush)),
          ...["/loki/api/v1/raw", "/api/v1/raw"].map((path) => route(path, takeLines)),
          {
            kind: "http",
            methods: ["GET"],
            path: "/ready",
            faults: "text",
            handle: () => Promise.resolve(textReply(200, "ready")),
          },
        ],
      },
      signal,
    );
  },
});

type Take = (context: Context, request: HttpRequest, stamp: () => bigint) => Promise<HttpReply>;

async function measured(
  { clock, metrics }: Context,
  path: string,
  take: () => Promise<HttpReply>,
): Promise<HttpReply> {
  const startedMs = clock.monotonicMs();
  const labels = { method: "POST", route: path.slice(1).replaceAll("/", "_") };
  const inflight = metrics.gauge(
    "loki_source_api_inflight_requests",
    "Current number of inflight requests.",
    labels,
  );
  inflight.add(1);
  let status = "error";
  try {
    const reply = await take();
    status = String(reply.status);
    return reply;
  } finally {
    inflight.add(-1);
    metrics
      .histogram(
        "loki_source_api_request_duration_seconds",
        "Time (in seconds) spent serving HTTP requests.",
        DURATION_BUCKETS,
        { ...labels, status_code: status, ws: "false" },
      )
      .observe((clock.monotonicMs() - startedMs) / 1000);
  }
}

/** As for a Loki, with room for lines that a stage shortens later. */
function limitsOf(bytesMax: number): LokiPushLimits {
  return {
    ...DEFAULT_LOKI_PUSH_LIMITS,
    bodyBytesMax: bytesMax,
    decodedBytesMax: bytesMax,
    lineBytesMax: bytesMax,
    labelsPerStreamMax: 128,
    labelValueBytesMax: 64 << 10,
  };
}

async function takePush(
  context: Context,
  request: HttpRequest,
  stamp: () => bigint,
): Promise<HttpReply> {
  const limits = limitsOf(context.arguments().max_send_message_size);
  const body = await readBody(context, request);
  const decoded = decodeLokiPush({
    body,
    contentType: request.header("content-type") || undefined,
    contentEncoding: request.header("content-encoding") || undefined,
    limits,
  });
  freeBytes(body);
  const entries = entriesOf(context, decoded, { tenant: request.header("x-scope-orgid"), stamp });
  await hand(context, entries, request);
  // Loki tells of entries it refuses when it has the rest; senders take that as final.
  if (decoded.faultCount > 0)
    throw new FinchError("invalid", "agent/api-refused", decoded.faults.join("\n"));
  return { status: 204 };
}

async function readBody(context: Context, request: HttpRequest): Promise<Buffer<ArrayBuffer>> {
  const body = await request.readBody(context.arguments().max_send_message_size);
  context.metrics
    .histogram(
      "loki_source_api_request_message_bytes",
      "Size (in bytes) of messages received in the request.",
      SIZE_BUCKETS,
      { method: request.method, route: request.path.slice(1).replaceAll("/", "_") },
    )
    .observe(body.length);
  return body;
}

interface Receipt {
  /** Empty when the sender names none. */
  readonly tenant: string;
  readonly stamp: () => bigint;
}

function entriesOf(context: Context, decoded: LokiPushResult, receipt: Receipt): LogEntry[] {
  const { use_incoming_timestamp: keepsTime } = context.arguments();
  const { labels: fixed, relabel_rules: rules } = context.arguments();
  const label = createLabeler({ fixed, rules, tenant: receipt.tenant });
  const entries: LogEntry[] = [];
  for (const { labels: sent, entries: columns } of decoded.batch.streams) {
    const labels = label(sent);
    if (labels === undefined) {
      context.drops.count({ kind: "lines", reason: "relabel_rules" }, columns.count, () => [
        { labels: String(sent), text: "" },
      ]);
      continue;
    }
    const { count, lines, lineBounds, timestampsNs, metadataSets, metadataOf } = columns;
    const bytes = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength);
    for (let row = 0; row < count; row++) {
      entries.push({
        labels,
        timestampNs: keepsTime ? timestampsNs[row]! : receipt.stamp(),
        line: bytes.toString("utf8", lineBounds[row], lineBounds[row + 1]),
        structuredMetadata: metadataSets[metadataOf[row]!]!,
      });
    }
  }
  decoded.free();
  return entries;
}

/** One entry a line; empty lines are passed over. */
async function takeLines(
  context: Context,
  request: HttpRequest,
  stamp: () => bigint,
): Promise<HttpReply> {
  const sizeMax = context.arguments().max_send_message_size;
  const encoding = request.header("content-encoding").trim().toLowerCase();
  let body: Uint8Array = await readBody(context, request);
  if (encoding === "gzip" || encoding === "deflate" || encoding === "zstd")
    body = decompressBody(body, encoding, sizeMax);
  else if (encoding !== "" && encoding !== "identity")
    throw new FinchError(
      "unsupported-media",
      "agent/api-encoding",
      `Content-Encoding ${JSON.stringify(encoding)} is not known: send gzip, deflate, zstd or none`,
    );
  const { labels: fixed, relabel_rules: rules } = context.arguments();
  const label = createLabeler({ fixed, rules, tenant: request.header("x-scope-orgid") });
  const labels = label(Labels.EMPTY);
  const entries: LogEntry[] = [];
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  for (let at = 0; at < bytes.length && labels !== undefined;) {
    const lf = bytes.indexOf(LF, at);
    const next = lf < 0 ? bytes.length : lf + 1;
    let end = lf < 0 ? bytes.length : lf;
    while (end > at && bytes[end - 1] === CR) end--;
    if (end > at)
      entries.push({
        labels,
        timestampNs: stamp(),
        line: bytes.toString("utf8", at, end),
        structuredMetadata: Labels.EMPTY,
      });
    at = next;
  }
  await hand(context, entries, request);
  return { status: 204 };
}

async function hand(
  context: Context,
  entries: readonly LogEntry[],
  request: HttpRequest,
): Promise<void> {
  await handOver(context.arguments(), entries, request);
  context.metrics
    .counter("loki_source_api_entries_written", "Total number of entries written.")
    .add(entries.length);
}
