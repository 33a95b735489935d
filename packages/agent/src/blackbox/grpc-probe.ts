/** Prober `grpc`: the health check of gRPC (`grpc.health.v1.Health/Check`), over a connection with or without TLS. */
import type { Socket } from "node:net";
import type { ClientHttp2Session } from "node:http2";
import { ProtobufReader, ProtobufWriter } from "@finch/codec";
import { describeError } from "@finch/runtime";
import { loadHttp2 } from "@finch/runtime/http";
import { openSocket, resolveAddress, secureSocket } from "./connect.ts";
import type { GrpcModule } from "./module.ts";
import type { Probe } from "./probe.ts";
import { EARLIEST_EXPIRY, inspectTls, reportTls } from "./tls-report.ts";

const DURATION = {
  name: "probe_grpc_duration_seconds",
  help: "Duration of gRPC request by phase",
};
const SSL = {
  name: "probe_grpc_ssl",
  help: "Indicates if SSL was used for the connection",
};
const STATUS_CODE = { name: "probe_grpc_status_code", help: "Response gRPC status code" };
const HEALTH = { name: "probe_grpc_healthcheck_response", help: "Response HealthCheck response" };

/** By number in the protocol. */
const SERVING_STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"] as const;
const CODE_CANCELED = 1;
const CODE_DEADLINE_EXCEEDED = 4;
const CODE_UNAVAILABLE = 14;
/** The answer is a message of two bytes. */
const ANSWER_BYTES_MAX = 64 << 10;

export async function probeGrpc(
  probe: Probe,
  target: string,
  module: GrpcModule,
): Promise<boolean> {
  probe.add(DURATION, 0, "phase", "resolve");
  for (const one of [SSL, STATUS_CODE, EARLIEST_EXPIRY]) probe.set(one, 0);
  const text = /^https?:\/\//.test(target) ? target : `http://${target}`;
  if (!URL.canParse(text)) return probe.fail(`${target} is no address`);
  const url = new URL(text);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port) || (module.isSecure ? 443 : 80);
  const { address, seconds } = await resolveAddress(probe, host, module.ip);
  if (address === undefined) return false;
  probe.add(DURATION, seconds, "phase", "resolve");
  const startMs = probe.monotonicMs();
  const outcome = await check(probe, { host, address, port, module });
  probe.add(DURATION, (probe.monotonicMs() - startMs) / 1000, "phase", "check");
  for (const name of SERVING_STATUSES)
    probe.set(HEALTH, name === outcome.serving ? 1 : 0, "serving_status", name);
  probe.set(STATUS_CODE, outcome.code);
  if (outcome.serving === "SERVING") return true;
  return probe.fail(outcome.message);
}

interface Outcome {
  readonly code: number;
  /** Undefined when there was no answer. */
  readonly serving: (typeof SERVING_STATUSES)[number] | undefined;
  readonly message: string;
}

interface Server {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly module: GrpcModule;
}

async function check(probe: Probe, server: Server): Promise<Outcome> {
  const { host, address, port, module } = server;
  let socket: Socket | undefined;
  try {
    socket = await openSocket({ host: address, port }, probe.signal);
    let connection = socket;
    if (module.isSecure) {
      const secure = await secureSocket(probe, socket, {
        host,
        tls: module.tls,
        protocols: ["h2"],
      });
      probe.set(SSL, 1);
      reportTls(probe, inspectTls(secure));
      connection = secure;
    }
    const scheme = module.isSecure ? "https" : "http";
    const session = loadHttp2().connect(`${scheme}://${host}:${port}`, {
      createConnection: () => connection,
    });
    return await call(session, `${host}:${port}`, module.service);
  } catch (error) {
    const code = probe.signal.aborted
      ? probe.signal.reason instanceof DOMException && probe.signal.reason.name === "TimeoutError"
        ? CODE_DEADLINE_EXCEEDED
        : CODE_CANCELED
      : CODE_UNAVAILABLE;
    return { code, serving: undefined, message: describeError(error) };
  } finally {
    socket?.destroy();
  }
}

function call(session: ClientHttp2Session, authority: string, service: string): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    session.on("error", reject);
    session.on("close", () => reject(new Error("the server closed the connection")));
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      ":authority": authority,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "Blackbox Exporter/Finch",
    });
    const chunks: Buffer[] = [];
    let size = 0;
    let status = 0;
    let fields: Readonly<Record<string, unknown>> = {};
    stream.on("response", (headers) => {
      status = Number(headers[":status"]);
      fields = { ...headers };
    });
    stream.on("trailers", (trailers) => void (fields = { ...fields, ...trailers }));
    stream.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > ANSWER_BYTES_MAX) stream.destroy(new Error("the answer is too large"));
      else chunks.push(chunk);
    });
    stream.on("error", reject);
    stream.on("end", () => resolve(outcomeOf(status, fields, Buffer.concat(chunks))));
    stream.end(frameOf(service));
  });
}

/** A `HealthCheckRequest` behind the five bytes of a gRPC frame. */
function frameOf(service: string): Buffer {
  const writer = new ProtobufWriter(service.length + 16);
  if (service !== "") writer.writeString(1, service);
  const message = writer.finish();
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function outcomeOf(
  status: number,
  fields: Readonly<Record<string, unknown>>,
  body: Buffer,
): Outcome {
  const told = fields["grpc-status"];
  // An answer that is none of gRPC: codes by status of HTTP, of which only what is not there matters here.
  const code = told === undefined ? (status === 404 ? 12 : CODE_UNAVAILABLE) : Number(told);
  if (code !== 0) {
    const message = decodeURIComponent(textOf(fields["grpc-message"]));
    return { code, serving: undefined, message: `status ${code} ${message}`.trim() };
  }
  if (body.length < 5 || body[0] !== 0)
    return { code: 13, serving: undefined, message: "the answer is no message" };
  const serving = SERVING_STATUSES[servingOf(body.subarray(5))] ?? "UNKNOWN";
  return { code, serving, message: `the service is ${serving}` };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Field 1 of a `HealthCheckResponse`. */
function servingOf(message: Uint8Array): number {
  const reader = new ProtobufReader(message);
  let status = 0;
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) status = reader.readVarint32();
    else reader.skip();
  }
  return status;
}
