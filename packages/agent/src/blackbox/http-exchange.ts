/** One request of an HTTP probe on a connection of its own, with the time of each phase. Speaks HTTP/2 where the server chooses it. */
import type { IncomingMessage } from "node:http";
import type { ClientHttp2Stream, IncomingHttpHeaders as Http2Headers } from "node:http2";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { TLSSocket } from "node:tls";
import { loadHttp2, request as httpRequest } from "@finch/runtime/http";
import type { TlsOptions } from "../http-tls.ts";
import { openSocket, secureSocket } from "./connect.ts";
import type { Probe } from "./probe.ts";
import { inspectTls, type TlsFacts } from "./tls-report.ts";

export interface ExchangeRequest {
  readonly url: URL;
  /** Where to connect. */
  readonly address: string;
  readonly method: string;
  /** What the `Host` header says. */
  readonly host: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array | undefined;
  /** Name the certificate must carry, unless `tls` names another. */
  readonly serverName: string;
  readonly tls: TlsOptions | undefined;
  readonly enableHttp2: boolean;
}

export interface Exchange {
  readonly status: number;
  /** By name in lower case. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** `HTTP/1.1`, `HTTP/2.0`. */
  readonly protocol: string;
  readonly body: Readable;
  /** Of the connection; undefined without TLS. */
  readonly tls: TlsFacts | undefined;
  readonly responseStartMs: number;
  close(): void;
}

/** Told of each phase as it ends, in seconds, so that a request that fails shows what it came to. */
export type OnPhase = (phase: "connect" | "tls" | "processing", seconds: number) => void;

/** Sends the request; resolves with the head of the answer. Rejects when there is none. */
export async function exchange(
  probe: Probe,
  request: ExchangeRequest,
  onPhase: OnPhase,
): Promise<Exchange> {
  const startMs = probe.monotonicMs();
  const isSecure = request.url.protocol === "https:";
  const port = Number(request.url.port) || (isSecure ? 443 : 80);
  const socket = await openSocket({ host: request.address, port }, probe.signal);
  const connectedMs = probe.monotonicMs();
  onPhase("connect", (connectedMs - startMs) / 1000);
  try {
    let tlsSocket: TLSSocket | undefined;
    let facts: TlsFacts | undefined;
    if (isSecure) {
      const { serverName: host, tls } = request;
      const protocols = request.enableHttp2 ? ["h2", "http/1.1"] : ["http/1.1"];
      tlsSocket = await secureSocket(probe, socket, { host, tls, protocols });
      facts = inspectTls(tlsSocket);
      onPhase("tls", (probe.monotonicMs() - connectedMs) / 1000);
    }
    const sentMs = probe.monotonicMs();
    const connection = tlsSocket ?? socket;
    const answer =
      tlsSocket?.alpnProtocol === "h2"
        ? await sendHttp2(connection, request)
        : await sendHttp1(connection, request);
    const responseStartMs = probe.monotonicMs();
    onPhase("processing", (responseStartMs - sentMs) / 1000);
    return { ...answer, tls: facts, responseStartMs, close: () => socket.destroy() };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

type Answer = Pick<Exchange, "status" | "headers" | "protocol" | "body">;

function sendHttp1(connection: Socket, request: ExchangeRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = { host: request.host };
    for (const [name, value] of request.headers) headers[name] = value;
    if (request.body !== undefined) headers["content-length"] = String(request.body.length);
    const sent = httpRequest({
      createConnection: () => connection,
      method: request.method,
      path: pathOf(request.url),
      headers,
    });
    sent.on("error", reject);
    connection.once("close", () => reject(new Error("the server closed the connection")));
    sent.on("response", (message: IncomingMessage) => {
      const found = new Map<string, string[]>();
      for (let i = 0; i < message.rawHeaders.length; i += 2) {
        const name = message.rawHeaders[i]!.toLowerCase();
        found.set(name, [...(found.get(name) ?? []), message.rawHeaders[i + 1]!]);
      }
      resolve({
        status: message.statusCode ?? 0,
        headers: found,
        protocol: `HTTP/${message.httpVersion}`,
        body: message,
      });
    });
    sent.end(request.body);
  });
}

function sendHttp2(connection: Socket, request: ExchangeRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = loadHttp2().connect(`https://${request.host}`, {
      createConnection: () => connection,
    });
    session.on("error", reject);
    const headers: Record<string, string> = {
      ":method": request.method,
      ":path": pathOf(request.url),
      ":authority": request.host,
      ":scheme": "https",
    };
    for (const [name, value] of request.headers) headers[name.toLowerCase()] = value;
    if (request.body !== undefined) headers["content-length"] = String(request.body.length);
    const stream: ClientHttp2Stream = session.request(headers);
    stream.on("error", reject);
    stream.on("response", (received) => {
      resolve({
        status: Number(received[":status"]),
        headers: headersOfHttp2(received),
        protocol: "HTTP/2.0",
        body: stream,
      });
    });
    stream.end(request.body);
  });
}

function headersOfHttp2(received: Http2Headers): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const [name, value] of Object.entries(received))
    if (!name.startsWith(":") && value !== undefined) found.set(name, [value].flat());
  return found;
}

function pathOf(url: URL): string {
  return url.pathname + url.search;
}
