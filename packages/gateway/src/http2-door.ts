/** HTTP/2 on connections that a TLS server accepted: bounds of the protocol, and requests in the shape that HTTP/1.1 has. */
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { TLSSocket } from "node:tls";
import { loadHttp2 } from "@finch/runtime/http";
import type { GatewayLimits } from "./limits.ts";
import { isGrpc, letGoOfBody } from "./refusal.ts";

/** Bytes a sender may have in flight, on a stream and on a connection. */
const STREAM_WINDOW_BYTES = 1 << 20;
const SESSION_WINDOW_BYTES = 4 << 20;
const RESET_WINDOW_MS = 10_000;
const TOO_LARGE_HEADERS = 431;

export interface Http2DoorOptions {
  readonly limits: GatewayLimits;
  readonly request: (message: Http2ServerRequest, response: Http2ServerResponse) => void;
  /** Of gRPC, which answers with trailers of its own. */
  readonly call: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
}

export class Http2Door {
  readonly #options: Http2DoorOptions;
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(options: Http2DoorOptions) {
    this.#options = options;
  }

  accept(socket: TLSSocket): void {
    const { limits } = this.#options;
    const http2 = loadHttp2();
    const session = http2.performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: limits.streamsMax,
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxHeaderListSize: limits.headerBytesMax,
      },
      maxSessionMemory: 32,
      maxHeaderListPairs: limits.headersMax,
      maxOutstandingPings: 10,
      maxSettings: 32,
      maxSessionInvalidFrames: 100,
      maxSessionRejectedStreams: 100,
      // CVE-2023-44487: who takes back more than that loses the connection.
      streamResetBurst: limits.resetsMax,
      streamResetRate: Math.ceil((limits.resetsMax * 1000) / RESET_WINDOW_MS),
    });
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    session.on("error", () => session.destroy());
    session.setTimeout(limits.keepAliveTimeoutMs, () => session.close());
    session.once("connect", () => session.setLocalWindowSize(SESSION_WINDOW_BYTES));
    session.on("stream", (stream, headers, _flags, rawHeaders) => {
      stream.on("error", () => {});
      if (headers[":method"] === "CONNECT") {
        stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
        return;
      }
      this.#bound(stream);
      if (sizeOf(rawHeaders) > limits.headerBytesMax) {
        stream.respond({ ":status": TOO_LARGE_HEADERS }, { endStream: true });
        letGoOfBody(stream);
        return;
      }
      if (isGrpc(headers["content-type"])) {
        this.#options.call(stream, headers);
        return;
      }
      const message = new http2.Http2ServerRequest(stream, headers, {}, rawHeaders);
      this.#options.request(message, new http2.Http2ServerResponse(stream));
    });
  }

  beginClosing(): void {
    for (const session of this.#sessions) session.close();
  }

  terminateAll(): void {
    for (const session of this.#sessions) session.destroy();
  }

  /** A request that does not arrive in time, and one that stands still, is ended. */
  #bound(stream: ServerHttp2Stream): void {
    const { limits } = this.#options;
    const { NGHTTP2_CANCEL } = loadHttp2().constants;
    const late = setTimeout(() => {
      if (!stream.readableEnded) stream.close(NGHTTP2_CANCEL);
    }, limits.requestTimeoutMs);
    stream.once("end", () => clearTimeout(late));
    stream.once("close", () => clearTimeout(late));
    stream.setTimeout(limits.stallTimeoutMs, () => stream.close(NGHTTP2_CANCEL));
  }
}

/** Bytes of names and values, which stand in turn. */
function sizeOf(rawHeaders: readonly string[]): number {
  return rawHeaders.reduce((bytes, text) => bytes + text.length, 0);
}
