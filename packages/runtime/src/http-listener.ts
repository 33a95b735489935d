/** Opens a TCP port for an HttpServer, says clearly when it cannot, and closes it gracefully. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { FinchError } from "./errors.ts";
import { HttpServer } from "./http-server.ts";
import type { HttpServerOptions } from "./http-server.ts";
import { WebSocketGate } from "./http-websocket.ts";
import type { MetricFamily } from "./metric-family.ts";
import { createServer } from "./node-http.ts";

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
  const server = createServer({
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    noDelay: true,
  });
  server.maxConnections = limits.socketsMax;
  server.on("request", (message, response) => void http.serve(message, response));
  server.on("upgrade", (message, socket, head) => void gate.serve(message, socket, head));
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
    close: (deadlineMs) => (closing ??= closeGracefully(server, http, gate, deadlineMs)),
  };
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

async function closeGracefully(
  server: Server,
  http: HttpServer,
  gate: WebSocketGate,
  deadlineMs: number,
): Promise<void> {
  http.beginClosing();
  const ended = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  gate.closeAll();
  const cut = setTimeout(() => {
    http.abortRequests();
    gate.terminateAll();
    server.closeAllConnections();
  }, deadlineMs);
  await ended;
  clearTimeout(cut);
}

function bindFault(error: NodeJS.ErrnoException, options: ListenerOptions): FinchError {
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
