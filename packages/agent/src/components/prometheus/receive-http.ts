/**
 * `prometheus.receive_http`: a remote-write server, 1.0 and 2.0. A request is acknowledged when every receiver has taken all of it; while they
 * do not, the sender waits, and what takes longer than `server_write_timeout` it is told to send again.
 */
import { FinchError } from "@finch/runtime";
import { faultReply } from "@finch/runtime/http";
import type { HttpFaultWriter, HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { SampleBatch } from "@finch/model";
import {
  decodeRemoteWrite,
  decodeRemoteWrite2,
  DEFAULT_REMOTE_WRITE_LIMITS,
  negotiateRemoteWrite,
  remoteWriteVersionOf,
  type RemoteWriteVersion,
} from "@finch/wire";
import { defineComponent, type ComponentContext } from "../../component.ts";
import { runHttpServer } from "../../http-server.ts";
import { HTTP_SERVER_BLOCKS, httpServerFault } from "../../http-server-schema.ts";
import { optional, required, type ValuesOf } from "../../schema.ts";
import { fanOut } from "./fan-out.ts";
import { samplesOfBatch } from "./received-samples.ts";

const WRITE_PATH = "/api/v1/metrics/write";
const MESSAGES: Readonly<Record<RemoteWriteVersion, string>> = {
  "1.0": "prometheus.WriteRequest",
  "2.0": "io.prometheus.write.v2.Request",
};
/** Seconds. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100];
/** Bytes. */
const SIZE_BUCKETS = [1, 2.5, 5, 10, 25, 50, 100, 250].map((mebibytes) => mebibytes * 2 ** 20);

const ARGUMENTS = {
  forward_to: required("list(metrics-receiver)", "Where samples go."),
  accepted_remote_write_protobuf_messages: optional(
    "list(string)",
    [MESSAGES["1.0"]],
    `Messages that are accepted: ${MESSAGES["1.0"]}, ${MESSAGES["2.0"]}.`,
  ),
  append_metadata: optional("bool", false, "Forward metadata too."),
  enable_type_and_unit_labels: optional("bool", false, "Add type and unit as labels."),
  ...HTTP_SERVER_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, Record<never, never>>;

export const receiveHttp = defineComponent<typeof ARGUMENTS, Record<never, never>>({
  name: "prometheus.receive_http",
  stability: "generally-available",
  summary: "Receives samples by Prometheus remote write and forwards them.",
  arguments: ARGUMENTS,
  exports: {},
  check: (values) => {
    const at = "accepted_remote_write_protobuf_messages";
    const accepted = values[at];
    const unknown = accepted.find((name) => !Object.values(MESSAGES).includes(name));
    if (unknown !== undefined) {
      return {
        at,
        message: `there is no message ${JSON.stringify(unknown)}; known are ${Object.values(MESSAGES).join(" and ")}`,
      };
    }
    if (accepted.length === 0) return { at, message: "name at least one message" };
    if (values.enable_type_and_unit_labels) {
      return {
        at: "enable_type_and_unit_labels",
        message: "not supported yet: enable_type_and_unit_labels = true",
      };
    }
    return httpServerFault(values.http);
  },
  run: (context, signal) => {
    const route: HttpRoute = {
      kind: "http",
      methods: ["POST"],
      path: WRITE_PATH,
      faults: tellFault,
      handle: (request) => measured(context, request),
    };
    return runHttpServer(
      context,
      { purpose: "remote write to the agent", routes: [route] },
      signal,
    );
  },
});

async function measured(context: Context, request: HttpRequest): Promise<HttpReply> {
  const started = context.clock.monotonicMs();
  let status = 500;
  try {
    const reply = await write(context, request);
    status = reply.status;
    return reply;
  } catch (error) {
    if (error instanceof FinchError) status = faultReply(error, "text").status;
    throw error;
  } finally {
    const labels = {
      method: request.method,
      route: WRITE_PATH.slice(1).replaceAll("/", "_"),
      status_code: String(status),
      ws: "false",
    };
    context.metrics
      .histogram(
        "prometheus_receive_http_request_duration_seconds",
        "Time (in seconds) spent serving HTTP requests.",
        DURATION_BUCKETS,
        labels,
      )
      .observe((context.clock.monotonicMs() - started) / 1000);
  }
}

async function write(context: Context, request: HttpRequest): Promise<HttpReply> {
  const version = negotiateRemoteWrite(
    request.header("content-type") || undefined,
    request.header("content-encoding") || undefined,
  );
  const accepted = context.arguments().accepted_remote_write_protobuf_messages;
  if (!accepted.includes(MESSAGES[version])) {
    throw new FinchError(
      "unsupported-media",
      "agent/receive-message",
      `${MESSAGES[version]} protobuf message is not accepted by this server; only accepts ${accepted.join(", ")}`,
    );
  }
  const limits = DEFAULT_REMOTE_WRITE_LIMITS;
  const body = await request.readBody(limits.bodyBytesMax);
  observeSize(context, request, body.length);
  if (version === "1.0") {
    const decoded = decodeRemoteWrite(body, { limits });
    await forward(context, decoded.batch, request);
    countLeftOut(context, decoded.skippedSamples + decoded.badHistograms, decoded.faults[0]);
    // Prometheus leaves out series with bad labels and says nothing; what is over a limit of ours, or no histogram, is told.
    const told = [...decoded.limitFaults, ...decoded.histogramFaults];
    return told.length === 0 ? { status: 204 } : refusal(told, {});
  }
  const decoded = decodeRemoteWrite2(body, { limits });
  await forward(context, decoded.batch, request);
  countLeftOut(context, decoded.skippedSamples + decoded.skippedHistograms, decoded.faults[0]);
  const headers = writtenHeaders(decoded.batch);
  return decoded.faultCount === 0 ? { status: 204, headers } : refusal(decoded.faults, headers);
}

async function forward(context: Context, batch: SampleBatch, request: HttpRequest): Promise<void> {
  const { forward_to: receivers, append_metadata: keepsMetadata, http } = context.arguments();
  const deadline = AbortSignal.timeout(http.server_write_timeout);
  const signal = AbortSignal.any([request.signal, deadline]);
  let refusing: readonly string[];
  try {
    refusing = await fanOut(context, receivers, {
      samples: samplesOfBatch(batch, keepsMetadata),
      signal,
    });
  } catch (error) {
    if (!deadline.aborted) throw error;
    throw notTaken(`receivers did not take the samples within ${http.server_write_timeout} ms`);
  }
  if (refusing.length > 0) throw notTaken(`not taken by ${refusing.join(", ")}`);
}

/** The sender has it still, and tries again: what some receivers have taken comes a second time with the same times and values. */
function notTaken(message: string): FinchError {
  return new FinchError("unavailable", "agent/receive-not-taken", message, {
    retryAfterSeconds: 5,
  });
}

function countLeftOut(context: Context, samples: number, first: string | undefined): void {
  if (samples === 0 && first === undefined) return;
  context.metrics
    .counter(
      "prometheus_receive_http_left_out_samples_total",
      "Samples of requests that could not be forwarded, for their labels or as broken histograms.",
    )
    .add(samples);
  context.log.warn("samples left out of a request", { samples, first: first ?? "" });
}

function refusal(lines: readonly string[], headers: Readonly<Record<string, string>>): HttpReply {
  return {
    status: 400,
    headers: {
      ...headers,
      "content-type": "text/plain; charset=utf-8",
      "x-content-type-options": "nosniff",
    },
    body: `${lines.join("\n")}\n`,
  };
}

/** Which 2.0 asks for on every answer, and 1.0 must not have. */
function writtenHeaders(batch: SampleBatch | undefined): Record<string, string> {
  const histograms = batch?.histograms?.size ?? 0;
  const samples = (batch?.timestampsMs.length ?? 0) - histograms;
  return {
    "x-prometheus-remote-write-samples-written": String(samples),
    "x-prometheus-remote-write-histograms-written": String(histograms),
    "x-prometheus-remote-write-exemplars-written": String(batch?.exemplars?.length ?? 0),
  };
}

function tellFault(
  fault: FinchError,
  request: Parameters<HttpFaultWriter>[1],
): ReturnType<HttpFaultWriter> {
  const reply = faultReply(fault, "text");
  try {
    if (remoteWriteVersionOf(request.headers["content-type"]) !== "2.0") return reply;
  } catch {
    return reply;
  }
  return { ...reply, headers: { ...reply.headers, ...writtenHeaders(undefined) } };
}

function observeSize(context: Context, request: HttpRequest, bytes: number): void {
  context.metrics
    .histogram(
      "prometheus_receive_http_request_message_bytes",
      "Size (in bytes) of messages received in the request.",
      SIZE_BUCKETS,
      { method: request.method, route: WRITE_PATH.slice(1).replaceAll("/", "_") },
    )
    .observe(bytes);
}
