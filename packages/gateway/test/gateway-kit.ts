/** A gateway on free ports for tests, with an authority that knows one token, and clients of every protocol it speaks. */
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { connect as connectHttp2, constants } from "node:http2";
import type { IncomingHttpHeaders } from "node:http";
import type { ClientHttp2Session, OutgoingHttpHeaders } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import type { TLSSocket } from "node:tls";
import { createLogger, systemClock } from "@finch/runtime";
import type { LogEvent } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, jsonReply, openDispatcher, textReply } from "@finch/runtime/http";
import type { Dispatcher, GrpcMethod, HttpLimits, HttpRequest, Route } from "@finch/runtime/http";
import { DEFAULT_GATEWAY_LIMITS, openGateway } from "@finch/gateway";
import type { CertificateOptions } from "../src/certificates.ts";
import type { Authority, Gateway, GatewayOptions, GatewayRoute } from "@finch/gateway";

export const AGENT_TOKEN = "agent.good.token";

export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly directory: string;
  readonly port: number;
  readonly log: readonly LogEvent[];
}

/** Knows the token above, and `certificates` by their PEM text. */
export function fakeAuthority(certificates: ReadonlySet<string> = new Set()): Authority {
  return {
    verifyAgentToken: async (token) =>
      token === AGENT_TOKEN ? { kind: "agent", resourceId: "rid:finch:test:agent:1" } : undefined,
    verifyClientCertificate: async (pem) =>
      certificates.has(pem) ? { kind: "client", resourceId: "rid:finch:test:client:1" } : undefined,
  };
}

/** Answers what it was asked, as JSON. */
async function echo(request: HttpRequest) {
  const body = request.method === "POST" ? await request.readBody(1 << 20) : Buffer.alloc(0);
  const { method, path, peer, headers } = request;
  const query = request.query.toString();
  return jsonReply(200, { method, path, query, peer, headers, bytes: body.length });
}

const ROUTES: readonly Route[] = [
  {
    kind: "websocket",
    path: "/ws",
    faults: "text",
    accept: async (request) => async (socket) => {
      await socket.send(`hello ${request.peer}`);
    },
  },
  {
    kind: "http",
    methods: ["GET"],
    path: "/long",
    faults: "text",
    handle: async () => ({
      ...textReply(200, ""),
      body: Array<string>(2000).fill("x".repeat(1000)),
    }),
  },
  { kind: "http", methods: ["GET", "POST"], path: "/*", faults: "text", handle: echo },
];

const ECHO_CALL: GrpcMethod = {
  path: "/test.Service/Echo",
  messageBytesMax: 1 << 20,
  messageBytesDecodedMax: 1 << 20,
  handle: async ({ message, headers, peer }) =>
    Buffer.concat([
      message,
      Buffer.from(
        `|${peer}|${String(headers["x-forwarded-tls-client-cert"] ?? "none").slice(0, 8)}`,
      ),
    ]),
};

export function echoTarget(limits: Partial<HttpLimits> = {}): Dispatcher {
  return openDispatcher({
    name: "echo",
    routes: ROUTES,
    grpc: [ECHO_CALL],
    limits: { ...DEFAULT_HTTP_LIMITS, ...limits },
    clock: systemClock,
    log: createLogger({ sink: () => {}, level: "error", part: "test", nowMs: () => 0 }),
  });
}

export function testRoutes(target: Dispatcher): readonly GatewayRoute[] {
  const route = (
    prefix: string,
    access: GatewayRoute["access"],
    more: Partial<GatewayRoute> = {},
  ): GatewayRoute => ({
    name: prefix.slice(1) || "root",
    prefix,
    strips: true,
    protocol: "http",
    access,
    target,
    ...more,
  });
  const writes = (method: string, path: string) => method === "POST" && path === "/api/v1/push";
  return [
    route("/loki", { kind: "agent", writes, others: "refused" }),
    route("/mixed", { kind: "agent", writes, others: "own" }),
    route("/app", { kind: "own" }, { strips: false }),
    route("/open", { kind: "public" }),
    route("/", { kind: "client-certificate" }, { protocol: "grpc" }),
  ];
}

export async function openTestGateway(
  options: Partial<GatewayOptions> &
    Partial<Pick<CertificateOptions, "hosts" | "files" | "acme">> & {
      readonly certs?: string;
    } = {},
): Promise<TestGateway> {
  const directory = await mkdtemp(join(tmpdir(), "finch-gateway-"));
  const events: LogEvent[] = [];
  const log = createLogger({
    sink: (event) => events.push(event),
    level: "debug",
    part: "test",
    nowMs: () => systemClock.nowMs(),
  });
  const clock = options.clock ?? systemClock;
  const setting = { flag: "--listen-gateway", env: "FINCH_LISTEN_GATEWAY", key: "listen.gateway" };
  const gateway = await openGateway({
    tls: { host: "127.0.0.1", port: 0, setting },
    redirect: { host: "127.0.0.1", port: 0, setting },
    routes: testRoutes(echoTarget()),
    authority: fakeAuthority(),
    certificates: {
      directory: options.certs ?? join(directory, "certs"),
      hosts: options.hosts ?? [],
      files: options.files,
      acme: options.acme,
      clock,
      log,
    },
    isTrustedProxy: () => false,
    accessLog: "all",
    limits: DEFAULT_GATEWAY_LIMITS,
    clock,
    log,
    ...options,
  });
  return {
    gateway,
    directory,
    port: gateway.port,
    log: events,
    async [Symbol.asyncDispose]() {
      await gateway.close(0);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
  readonly cert?: string;
  readonly key?: string;
}

/** One request over HTTP/1.1; the certificate of the gateway is not looked at. */
export function ask1(port: number, path: string, asking: Asking = {}): Promise<Answer> {
  const { method = "GET", headers = {}, body, cert, key } = asking;
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      {
        host: "127.0.0.1",
        port,
        path,
        method,
        headers,
        agent: false,
        rejectUnauthorized: false,
        ...(cert !== undefined && { cert, key }),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

export function openHttp2(
  port: number,
  certificate: { readonly cert?: string; readonly key?: string } = {},
): ClientHttp2Session & Disposable {
  const session = connectHttp2(`https://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
    ...certificate,
  });
  session.on("error", () => {});
  return Object.assign(session, { [Symbol.dispose]: () => session.destroy() });
}

/** One request on a connection of HTTP/2; trailers are among the headers. */
export function askOn(
  session: ClientHttp2Session,
  path: string,
  asking: Asking = {},
): Promise<Answer> {
  const { method = "GET", headers = {}, body } = asking;
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": method, ":path": path, ...headers });
    const chunks: Buffer[] = [];
    let answered: IncomingHttpHeaders = {};
    stream.on("response", (given) => (answered = { ...given } as IncomingHttpHeaders));
    stream.on("trailers", (given) => Object.assign(answered, given));
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () =>
      resolve({
        status: Number((answered as Record<string, unknown>)[":status"] ?? 0),
        headers: answered,
        body: Buffer.concat(chunks).toString(),
      }),
    );
    stream.end(body);
  });
}

/** One request on a connection of HTTP/2 of its own. */
export async function ask2(port: number, path: string, asking: Asking = {}): Promise<Answer> {
  using session = openHttp2(port, asking);
  return await askOn(session, path, asking);
}

/** A unary call of gRPC: the status, its message, and the bytes that came back. */
export async function callGrpc(
  port: number,
  path: string,
  message: Buffer,
  asking: Asking = {},
): Promise<{ readonly code: number; readonly told: string; readonly reply: string }> {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  const { headers, body } = await ask2(port, path, {
    ...asking,
    method: "POST",
    headers: { "content-type": "application/grpc", te: "trailers", ...asking.headers },
    body: frame,
  });
  const fields = headers as Readonly<Record<string, string | undefined>>;
  const field = (name: string) => fields[name] ?? "";
  return { code: Number(field("grpc-status")), told: field("grpc-message"), reply: body.slice(5) };
}

/** Sends bytes over TLS as they are, and returns what comes back until the other side closes, or for `waitMs`. */
export function sendRaw(
  port: number,
  text: string | readonly (string | Buffer)[],
  {
    waitMs = 5_000,
    protocols = ["http/1.1"],
  }: { readonly waitMs?: number; readonly protocols?: string[] } = {},
): Promise<{ readonly reply: string; readonly closed: boolean }> {
  return new Promise((resolve) => {
    let reply = "";
    const socket: TLSSocket = connectTls({
      host: "127.0.0.1",
      port,
      rejectUnauthorized: false,
      ALPNProtocols: protocols,
    });
    const finish = (closed: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ reply, closed });
    };
    const timer = setTimeout(() => finish(false), waitMs);
    socket.on("secureConnect", () => {
      for (const part of typeof text === "string" ? [text] : text) socket.write(part);
    });
    socket.on("data", (chunk: Buffer) => (reply += chunk.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => finish(true));
  });
}

export const H2_CANCEL = constants.NGHTTP2_CANCEL;
