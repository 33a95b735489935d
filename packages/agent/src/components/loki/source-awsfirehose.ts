/**
 * `loki.source.awsfirehose`: the HTTP endpoint that Amazon Data Firehose delivers to. A request is acknowledged when every receiver has all of it; else
 * Firehose sends it again.
 */
import { timingSafeEqual } from "node:crypto";
import { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { faultReply, jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest } from "@finch/runtime/http";
import { decompressBody } from "@finch/wire";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import { runHttpServer } from "../../http-server.ts";
import { HTTP_SERVER_BLOCKS, httpServerFault } from "../../http-server-schema.ts";
import type { LogEntry } from "../../receivers.ts";
import { maybe, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import {
  commonLabels,
  parseFirehoseRequest,
  readFirehoseRecord,
  type FirehoseRecord,
} from "./firehose-record.ts";
import { uniqueNanoseconds } from "./forward.ts";
import { createLabeler, handOver } from "./received-entries.ts";

const ARGUMENTS = {
  forward_to: required("list(logs-receiver)", "Where the entries go."),
  access_key: maybe("secret", "Key that Firehose must show; without one everybody may send."),
  relabel_rules: maybe(
    "relabel-rules",
    "Rules for the labels of entries, which see `__aws_firehose_request_id`, `__aws_firehose_source_arn` and, of CloudWatch, `__aws_owner` and `__aws_cw_…`.",
  ),
  use_incoming_timestamp: optional(
    "bool",
    false,
    "Keep the times of CloudWatch's events, and for other records that of the request; else entries have the time at which they arrive.",
  ),
  ...HTTP_SERVER_BLOCKS,
} as const;

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, object>;

/** Firehose sends 64 MiB at most; in Base64 that is a third more. */
const BODY_BYTES_MAX = 96 << 20;
const RECORD_BYTES_MAX = 64 << 20;
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/** How long deliveries under way may take at a stop. */
const CLOSE_MS = 5000;

export const sourceAwsFirehose = defineComponent({
  name: "loki.source.awsfirehose",
  stability: "generally-available",
  summary: "Receives log entries that Amazon Data Firehose delivers.",
  arguments: ARGUMENTS,
  exports: {},
  check: (values) => httpServerFault(values.http),
  run: (context: Context, signal) => {
    const stamp = uniqueNanoseconds(() => context.clock.nowNs());
    return runHttpServer(
      context,
      {
        purpose: "deliveries of Amazon Data Firehose",
        closeMs: () => CLOSE_MS,
        routes: [
          {
            kind: "http",
            methods: ["POST"],
            path: "/awsfirehose/api/v1/push",
            faults: (fault, { headers }) => {
              const { status, headers: more } = faultReply(fault, "text");
              const id = String(headers["x-amz-firehose-request-id"] ?? "");
              const isRefused = fault.code === "agent/firehose-access";
              const reply = answer(context, isRefused ? 401 : status, id, fault.message);
              return { ...reply, headers: { ...more, ...reply.headers } };
            },
            handle: (request) => take(context, request, stamp),
          },
        ],
      },
      signal,
    );
  },
});

function answer({ clock }: Context, status: number, requestId: string, error?: string): HttpReply {
  const timestamp = clock.nowMs();
  return jsonReply(status, { requestId, timestamp, ...(error && { errorMessage: error }) });
}

async function take(
  context: Context,
  request: HttpRequest,
  stamp: () => bigint,
): Promise<HttpReply> {
  const values = context.arguments();
  checkAccess(values.access_key?.reveal() ?? "", request.header("x-amz-firehose-access-key"));
  const body = await request.readBody(BODY_BYTES_MAX);
  const isGzip = request.header("content-encoding") === "gzip";
  const { records, timestampMs } = parseFirehoseRequest(
    isGzip ? decompressBody(body, "gzip", BODY_BYTES_MAX) : body,
  );
  const { metrics } = context;
  metrics
    .histogram(
      "loki_source_awsfirehose_batch_size",
      "Size in number of records of each request.",
      BATCH_BUCKETS,
    )
    .observe(records.length);
  const label = createLabeler({
    fixed: {},
    rules: values.relabel_rules,
    tenant: request.header("x-scope-orgid"),
  });
  const common = requestLabels(context, request);
  const sentNs = BigInt(timestampMs) * 1_000_000n;
  const entries: LogEntry[] = [];
  for (const data of records) {
    const record = readFirehoseRecord(data, RECORD_BYTES_MAX);
    if (typeof record === "string") {
      countFault(context, record);
      continue;
    }
    metrics
      .counter("loki_source_awsfirehose_records_received", "Records received, by their kind.", {
        type: record.kind === "line" ? "direct-put" : "cloudwatch-logs",
      })
      .add(1);
    const isOwnTime = values.use_incoming_timestamp;
    for (const { sent, line, timestampNs } of linesOf(record, sentNs)) {
      const labels = label(Labels.fromObject({ ...common, ...sent }));
      if (labels === undefined)
        context.drops.count({ kind: "lines", reason: "relabel_rules" }, 1, () => [
          { labels: "", text: line },
        ]);
      else
        entries.push({
          labels,
          timestampNs: isOwnTime ? timestampNs : stamp(),
          line,
          structuredMetadata: Labels.EMPTY,
        });
    }
  }
  await handOver(values, entries, request);
  return answer(context, 200, request.header("x-amz-firehose-request-id"));
}

function checkAccess(wanted: string, given: string): void {
  if (wanted === "") return;
  const [a, b] = [Buffer.from(wanted), Buffer.from(given)];
  if (a.length === b.length && timingSafeEqual(a, b)) return;
  throw new FinchError(
    "invalid",
    "agent/firehose-access",
    "the access key of Firehose is missing or is not the one of the configuration",
  );
}

function requestLabels(
  { metrics }: Context,
  request: HttpRequest,
): Readonly<Record<string, string>> {
  const attributes = request.header("x-amz-firehose-common-attributes");
  return {
    __aws_firehose_request_id: request.header("x-amz-firehose-request-id"),
    __aws_firehose_source_arn: request.header("x-amz-firehose-source-arn"),
    ...commonLabels(attributes, (reason) =>
      metrics
        .counter(
          "loki_source_awsfirehose_invalid_static_labels_errors",
          "Labels of requests that cannot be read.",
          { reason },
        )
        .add(1),
    ),
  };
}

function countFault({ metrics, drops }: Context, reason: string): void {
  metrics
    .counter("loki_source_awsfirehose_record_errors", "Records that cannot be read.", { reason })
    .add(1);
  drops.count({ kind: "lines", reason }, 1, () => []);
}

interface SentLine {
  readonly sent: Readonly<Record<string, string>>;
  readonly line: string;
  readonly timestampNs: bigint;
}

function linesOf(record: FirehoseRecord, sentNs: bigint): readonly SentLine[] {
  if (record.kind === "line") return [{ sent: {}, line: record.line, timestampNs: sentNs }];
  return record.events.map(({ timestampMs, message }) => ({
    sent: record.labels,
    line: message,
    timestampNs: BigInt(timestampMs) * 1_000_000n,
  }));
}
