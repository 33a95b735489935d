/**
 * `pyroscope.receive_http`: a server for Pyroscope's `/ingest`, which its SDKs use, and for its push service by the Connect protocol. A request is answered
 * when every receiver has taken it; while they do not, the sender waits, and what takes longer than `server_write_timeout` it is told to send again.
 */
import { FinchError } from "@finch/runtime";
import { faultReply } from "@finch/runtime/http";
import type { HttpFaultStyle, HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import {
  decodeProfilePush,
  decompressBody,
  DEFAULT_PROFILE_PUSH_LIMITS,
  negotiateConnect,
  parseProfileName,
} from "@finch/wire";
import { defineComponent, type ComponentContext } from "../../component.ts";
import { runHttpServer } from "../../http-server.ts";
import { HTTP_SERVER_BLOCKS, httpServerFault } from "../../http-server-schema.ts";
import type { ProfileSeries } from "../../receivers.ts";
import { required, type ValuesOf } from "../../schema.ts";
import { fanOut } from "./fan-out.ts";
import { withServiceName } from "./profile-labels.ts";

const INGEST_PATH = "/ingest";
const PUSH_PATH = "/push.v1.PusherService/Push";
/** Bytes of a body as sent, and of a push decompressed; the largest recordings of Java's flight recorder take some tens of megabytes. */
const BODY_BYTES_MAX = 64 << 20;
const RETRY_AFTER_SECONDS = 5;
/** Seconds. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100];
/** Bytes. */
const SIZE_BUCKETS = [1, 2.5, 5, 10, 25, 50, 100, 250].map((mebibytes) => mebibytes * 2 ** 20);

const ARGUMENTS = {
  forward_to: required("list(profiles-receiver)", "Where profiles go."),
  ...HTTP_SERVER_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, Record<never, never>>;

export const receiveHttp = defineComponent<typeof ARGUMENTS, Record<never, never>>({
  name: "pyroscope.receive_http",
  stability: "generally-available",
  summary: "Receives profiles by Pyroscope's APIs and forwards them.",
  arguments: ARGUMENTS,
  exports: {},
  check: (values) => httpServerFault(values.http),
  run: (context, signal) =>
    runHttpServer(
      context,
      {
        purpose: "Pyroscope's ingest API of the agent",
        routes: [
          route(context, { path: INGEST_PATH, faults: "text", take: takeIngest }),
          route(context, { path: PUSH_PATH, faults: "connect", take: takePush }),
        ],
      },
      signal,
    ),
});

interface Served {
  readonly path: string;
  readonly faults: HttpFaultStyle;
  readonly take: (context: Context, request: HttpRequest) => Promise<HttpReply>;
}

function route(context: Context, { path, faults, take }: Served): HttpRoute {
  return {
    kind: "http",
    methods: ["POST"],
    path,
    faults,
    handle: async (request) => {
      const startedMs = context.clock.monotonicMs();
      let status = 500;
      try {
        const reply = await take(context, request);
        status = reply.status;
        return reply;
      } catch (error) {
        if (error instanceof FinchError) status = faultReply(error, faults).status;
        throw error;
      } finally {
        context.metrics
          .histogram(
            "pyroscope_receive_http_request_duration_seconds",
            "Time (in seconds) spent serving HTTP requests.",
            DURATION_BUCKETS,
            { method: "POST", route: routeName(path), status_code: String(status), ws: "false" },
          )
          .observe((context.clock.monotonicMs() - startedMs) / 1000);
      }
    },
  };
}

/** As the metrics of Alloy's servers have it. */
function routeName(path: string): string {
  return path.slice(1).replaceAll("/", "_");
}

async function takeIngest(context: Context, request: HttpRequest): Promise<HttpReply> {
  const name = request.query.get("name") ?? "";
  if (name === "")
    throw new FinchError(
      "invalid",
      "agent/no-profile-name",
      "the parameter name is missing: send the application with its labels, such as name=shop.api{region=eu}",
    );
  const labels = withServiceName(parseProfileName(name));
  const body = await readBody(context, request);
  const parameters = [...request.query].filter(([key]) => key !== "name");
  const contentType = request.header("content-type");
  await forward(context, request, {
    series: [{ kind: "ingested", labels, parameters, contentType, body }],
  });
  return { status: 200 };
}

async function takePush(context: Context, request: HttpRequest): Promise<HttpReply> {
  const { encoding, isGzip, timeoutMs } = negotiateConnect((header) => request.header(header));
  const body = await readBody(context, request);
  const message = isGzip ? decompressBody(body, "gzip", BODY_BYTES_MAX) : body;
  const pushed = decodeProfilePush(message, { encoding, limits: DEFAULT_PROFILE_PUSH_LIMITS });
  const series = pushed.map(({ labels, profiles }): ProfileSeries => {
    return { kind: "pushed", labels: withServiceName(labels), profiles };
  });
  await forward(context, request, { series, timeoutMs });
  return {
    status: 200,
    headers: { "content-type": `application/${encoding}` },
    body: encoding === "json" ? "{}" : "",
  };
}

async function readBody(context: Context, request: HttpRequest): Promise<Uint8Array> {
  const body = await request.readBody(BODY_BYTES_MAX);
  context.metrics
    .histogram(
      "pyroscope_receive_http_request_message_bytes",
      "Size (in bytes) of messages received in the request.",
      SIZE_BUCKETS,
      { method: request.method, route: routeName(request.path) },
    )
    .observe(body.length);
  return body;
}

/** `timeoutMs` is how long the sender waits, where it says so. */
async function forward(
  context: Context,
  request: HttpRequest,
  of: { readonly series: readonly ProfileSeries[]; readonly timeoutMs?: number | undefined },
): Promise<void> {
  const { forward_to: receivers, http } = context.arguments();
  const waitMs = Math.min(http.server_write_timeout, of.timeoutMs ?? Infinity);
  const deadline = AbortSignal.timeout(waitMs);
  const signal = AbortSignal.any([request.signal, deadline]);
  try {
    await fanOut(context, receivers, { series: of.series, signal });
  } catch (error) {
    if (!deadline.aborted) throw error;
    throw new FinchError(
      waitMs === of.timeoutMs ? "timeout" : "unavailable",
      "agent/profiles-not-taken",
      `receivers did not take the profiles within ${waitMs} ms`,
      { retryAfterSeconds: RETRY_AFTER_SECONDS },
    );
  }
}
