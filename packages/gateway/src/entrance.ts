/**
 * One port that speaks TLS, HTTP/1.1 and HTTP/2 by what a connection agrees on (ALPN). Asks for client certificates and takes any: routes judge them. Bounds what a slow
 * or hostile client can hold. HTTP/1.1 is node:https, which times headers and requests; connections that agreed on h2 are handed to node:http2.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "node:https";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import { assert } from "@finch/runtime";
import type { Logger } from "@finch/runtime";
import { bindFault, loadHttps } from "@finch/runtime/http";
import type { ListenerSetting } from "@finch/runtime/http";
import type { ChallengeDoor } from "./acme-challenges.ts";
import { clientKey, plainAddress } from "./client-address.ts";
import { Http2Door } from "./http2-door.ts";
import type { GatewayLimits } from "./limits.ts";

export type GatewayRequest = IncomingMessage | Http2ServerRequest;
export type GatewayResponse = ServerResponse | Http2ServerResponse;

export interface EntranceOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly setting: ListenerSetting;
  readonly certificate: SecureContextOptions;
  /** Answers the connections of an authority that checks whose the name is. */
  readonly challenges: ChallengeDoor;
  readonly limits: GatewayLimits;
  readonly log: Logger;
  readonly request: (message: GatewayRequest, response: GatewayResponse) => void;
  readonly call: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
  readonly upgrade: (message: IncomingMessage, socket: TLSSocket, head: Buffer) => void;
}

export interface EntranceFigures {
  readonly connections: number;
  /** Since the start. */
  readonly handshakesFailed: number;
  readonly connectionsRefused: number;
}

export interface Entrance {
  readonly port: number;
  isServing(): boolean;
  figures(): EntranceFigures;
  /** New connections get this one; those that are open keep theirs. */
  useCertificate(certificate: SecureContextOptions): void;
  /** Stops accepting and resolves when every connection is closed. */
  close(): Promise<void>;
  /** Cuts the connections that are left. */
  terminate(): void;
}

export async function openEntrance(options: EntranceOptions): Promise<Entrance> {
  const { limits, log } = options;
  const server = loadHttps().createServer({
    ...options.certificate,
    minVersion: "TLSv1.2",
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: limits.handshakeTimeoutMs,
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: Math.min(5_000, limits.headersTimeoutMs),
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    noDelay: true,
  });
  server.maxConnections = limits.socketsMax;
  server.maxHeadersCount = limits.headersMax;
  server.timeout = limits.stallTimeoutMs;
  server.on("request", options.request);
  server.on("upgrade", options.upgrade);
  server.on("connect", (_message, socket) => socket.destroy());
  let handshakesFailed = 0;
  server.on("tlsClientError", (error, socket) => {
    handshakesFailed++;
    log.debug("handshake failed", { error: error.message });
    socket.destroy();
  });
  const http2 = new Http2Door(options);
  serveByProtocol(server, http2);
  const counted = countConnections(server, options);
  await listen(server, options);
  server.on("error", (error) => log.error("gateway failed", { error: error.message }));
  let closing: Promise<void> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    isServing: () => server.listening && closing === undefined,
    figures: () => ({
      connections: counted.open,
      connectionsRefused: counted.refused,
      handshakesFailed,
    }),
    useCertificate: (certificate) => server.setSecureContext(certificate),
    close: () => (closing ??= closeServer(server, http2)),
    terminate: () => {
      http2.terminateAll();
      server.closeAllConnections();
      for (const socket of counted.sockets) socket.destroy();
    },
  };
}

/** Connections that agreed on `h2` are for `http2`. */
function serveByProtocol(server: Server, http2: Http2Door): void {
  const [serveHttp1, ...more] = server.listeners("secureConnection");
  assert(serveHttp1 !== undefined && more.length === 0, "an HTTPS server takes its connections");
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket: TLSSocket) => {
    if (socket.alpnProtocol === "h2") http2.accept(socket);
    else serveHttp1.call(server, socket);
  });
}

/** Refuses connections of an address that has too many, and hands those that are an authority's question to the challenges. */
function countConnections(
  server: Server,
  { limits, challenges }: EntranceOptions,
): { readonly sockets: ReadonlySet<Socket>; readonly open: number; readonly refused: number } {
  const sockets = new Set<Socket>();
  const byClient = new Map<string, number>();
  let refused = 0;
  const [serveTls, ...more] = server.listeners("connection");
  assert(serveTls !== undefined && more.length === 0, "a TLS server takes its connections");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    const client = clientKey(plainAddress(socket.remoteAddress ?? ""));
    const count = (byClient.get(client) ?? 0) + 1;
    if (count > limits.socketsPerClientMax) {
      refused++;
      socket.destroy();
      return;
    }
    byClient.set(client, count);
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      const left = (byClient.get(client) ?? 1) - 1;
      if (left === 0) byClient.delete(client);
      else byClient.set(client, left);
    });
    challenges.admit(socket, (other) => serveTls.call(server, other) as void);
  });
  return {
    sockets,
    get open() {
      return sockets.size;
    },
    get refused() {
      return refused;
    },
  };
}

function listen(server: Server, options: EntranceOptions): Promise<void> {
  const { host, port, setting } = options;
  const purpose = "the public entrance (TLS)";
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) =>
      reject(bindFault(error, { host, port, purpose, setting }));
    server.once("error", onError);
    server.listen({ host, port }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

async function closeServer(server: Server, http2: Http2Door): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  http2.beginClosing();
  await ended;
}
