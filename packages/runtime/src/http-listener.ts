/** Opens a TCP port for an HttpServer, says clearly when it cannot, and closes it gracefully. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { TlsOptions, TLSSocket } from "node:tls";
import { assert } from "./assert.ts";
import { FinchError } from "./errors.ts";
import { GrpcServer } from "./grpc-server.ts";
import type { GrpcMethod } from "./grpc-types.ts";
import { HttpServer } from "./http-server.ts";
import type { HttpServerOptions } from "./http-server.ts";
import { WebSocketGate } from "./http-websocket.ts";
import type { MetricFamily } from "./metric-family.ts";
import { createServer, loadHttps } from "./node-http.ts";
import { sniffProtocol } from "./protocol-sniffer.ts";

/** Where a person changes the address, named in messages. */
export interface ListenerSetting {
  readonly flag: string;
  readonly env: string;
  readonly key: string;
}

export interface ListenerOptions extends HttpServerOptions {
  /** What it is for, in words for a person: `the Loki API`. */
  readonly purpose: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly setting?: ListenerSetting;
  /** Calls of gRPC that are served on the same port: told from HTTP by how a connection begins, with TLS by what it agrees on (ALPN). */
  readonly grpc?: readonly GrpcMethod[];
  /** Speaks TLS. */
  readonly tls?: ListenerTls;
}

export interface ListenerTls {
  /** Certificate, key, and whether clients show a certificate. */
  readonly options: TlsOptions;
  /** Called after each handshake: connections that it refuses are closed. */
  readonly admits?: (socket: TLSSocket) => boolean;
}

export interface Listener {
  readonly name: string;
  readonly host: string;
  /** The port in use. */
  readonly port: number;
  /** Whether it accepts connections. */
  isServing(): boolean;
  families(): readonly MetricFamily[];
  /**
   * Stops accepting, lets requests in flight finish for up to `deadlineMs`, then aborts and cuts them. Further calls wait for the first.
   */
  close(deadlineMs: number): Promise<void>;
}

/** Binds and serves; rejects with a FinchError that names the port, its purpose and how to change it. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { limits, host, port } = options;
  const http = new HttpServer(options);
  const gate = new WebSocketGate(http);
  const server = createHttpServer(options);
  server.maxConnections = limits.socketsMax;
  server.on("request", (message, response) => void http.serve(message, response));
  server.on("upgrade", (message, socket, head) => void gate.serve(message, socket, head));
  const grpc = options.grpc === undefined ? undefined : new GrpcServer(http, options.grpc);
  if (grpc !== undefined && options.tls !== undefined) shareTlsWithGrpc(server, grpc);
  else if (grpc !== undefined)
    shareWithGrpc(server, grpc, { timeoutMs: limits.headersTimeoutMs, signal: http.teardown });
  await listen(server, options);
  server.on("error", (error) => options.log.error("listener failed", { error: error.message }));
  const address = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    name: options.name,
    host,
    port: port === 0 ? address.port : port,
    isServing: () => server.listening && closing === undefined,
    families: () => [
      ...http.statistics.families(),
      {
        name: "finch_http_websockets_open",
        type: "gauge",
        help: "Open WebSockets.",
        samples: [{ labels: { listener: options.name }, value: gate.openCount }],
      },
    ],
    close: (deadlineMs) => (closing ??= closeGracefully(server, { http, gate, grpc }, deadlineMs)),
  };
}

function createHttpServer({ limits, tls, grpc }: ListenerOptions): Server {
  const bounds = {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    noDelay: true,
  };
  if (tls === undefined) return createServer(bounds);
  const protocols = grpc === undefined ? {} : { ALPNProtocols: ["h2", "http/1.1"] };
  const server = loadHttps().createServer({ ...bounds, ...protocols, ...tls.options });
  server.on("secureConnection", (socket) => {
    if (tls.admits?.(socket) === false) socket.destroy();
  });
  return server;
}

function listen(server: Server, options: ListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => reject(bindFault(error, options));
    server.once("error", onError);
    server.listen({ host: options.host, port: options.port }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

/** Connections that begin as HTTP/2 go to `grpc`, all others to the server's own listener. */
function shareWithGrpc(
  server: Server,
  grpc: GrpcServer,
  wait: { readonly timeoutMs: number; readonly signal: AbortSignal },
): void {
  const [serveHttp1] = server.listeners("connection");
  assert(serveHttp1 !== undefined, "an HTTP server listens to its connections");
  server.removeAllListeners("connection");
  server.on("connection", (socket) => {
    sniffProtocol(socket, wait, {
      http1: (known) => serveHttp1.call(server, known),
      http2: (known) => grpc.accept(known),
    });
  });
}

/** The same behind a handshake: connections that agreed on `h2` are for `grpc`, if they are admitted. */
function shareTlsWithGrpc(server: Server, grpc: GrpcServer): void {
  const [serveHttp1, ...later] = server.listeners("secureConnection");
  assert(serveHttp1 !== undefined, "an HTTPS server listens to its connections");
  server.removeAllListeners("secureConnection");
  for (const listener of later)
    server.on("secureConnection", (socket: TLSSocket) => listener.call(server, socket) as void);
  server.on("secureConnection", (socket: TLSSocket) => {
    if (socket.destroyed) return;
    if (socket.alpnProtocol === "h2") grpc.accept(socket);
    else serveHttp1.call(server, socket);
  });
}

async function closeGracefully(
  server: Server,
  parts: {
    readonly http: HttpServer;
    readonly gate: WebSocketGate;
    readonly grpc: GrpcServer | undefined;
  },
  deadlineMs: number,
): Promise<void> {
  const { http, gate, grpc } = parts;
  http.beginClosing();
  const ended = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  gate.closeAll();
  grpc?.beginClosing();
  const cut = setTimeout(() => {
    http.abortRequests();
    gate.terminateAll();
    grpc?.terminateAll();
    server.closeAllConnections();
  }, deadlineMs);
  await ended;
  clearTimeout(cut);
}

/** Says why a port cannot be opened, and how to take another. */
export function bindFault(
  error: NodeJS.ErrnoException,
  options: Pick<ListenerOptions, "host" | "port" | "purpose" | "setting">,
): FinchError {
  const { host, port, purpose, setting } = options;
  const where = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const remedy =
    setting === undefined
      ? ""
      : `; choose another with ${setting.flag} HOST:PORT, ${setting.env}=HOST:PORT or ${setting.key} in finch.yaml ("off" turns it off)`;
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} on ${host}, for ${purpose}, is taken by another program`,
    EACCES: `no permission to listen on ${where}, for ${purpose}`,
    EADDRNOTAVAIL: `${host} is not an address of this machine (listener for ${purpose})`,
    ENOTFOUND: `the host name ${host} cannot be resolved (listener for ${purpose})`,
  };
  const message =
    why[error.code ?? ""] ?? `cannot listen on ${where}, for ${purpose}: ${error.message}`;
  const code = error.code === "EADDRINUSE" ? "runtime/port-taken" : "runtime/cannot-listen";
  return new FinchError("conflict", code, message + remedy, { cause: undefined });
}
