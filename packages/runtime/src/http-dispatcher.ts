/**
 * Routes without a port of their own: a gateway that accepted a request, over HTTP/1.1 or HTTP/2, has it answered here, with the limits and counters that a listener
 * has. Knows nothing of sockets.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Stream } from "node:http2";
import type { IncomingHttpHeaders } from "node:http2";
import type { Duplex } from "node:stream";
import { GrpcServer } from "./grpc-server.ts";
import type { GrpcMethod } from "./grpc-types.ts";
import { HttpServer } from "./http-server.ts";
import type { HttpServerOptions } from "./http-server.ts";
import { WebSocketGate } from "./http-websocket.ts";
import type { MetricFamily } from "./metric-family.ts";

export interface DispatcherOptions extends HttpServerOptions {
  readonly grpc?: readonly GrpcMethod[];
}

/** `peer` is the address of who asks, as handlers are told it. None of the three rejects. */
export interface Dispatcher {
  serve(
    message: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
    peer: string,
  ): Promise<void>;
  /** An `upgrade` of HTTP/1.1. */
  upgrade(message: IncomingMessage, socket: Duplex, head: Buffer, peer: string): Promise<void>;
  /** A call of gRPC. */
  call(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, peer: string): Promise<void>;
  families(): readonly MetricFamily[];
  /** Replies close their connections, WebSockets are told good-bye. */
  beginClosing(): void;
  /** What is still being answered is broken off. */
  terminate(): void;
}

export function openDispatcher(options: DispatcherOptions): Dispatcher {
  const http = new HttpServer(options);
  const gate = new WebSocketGate(http);
  const grpc = new GrpcServer(http, options.grpc ?? []);
  return {
    // What HTTP/2 has in their place answers to the same calls.
    serve: (message, response, peer) =>
      http.serve(message as IncomingMessage, response as ServerResponse, peer),
    upgrade: (message, socket, head, peer) => gate.serve(message, socket, head, peer),
    call: (stream, headers, peer) => grpc.serve(stream, headers, peer),
    families: () => http.statistics.families(),
    beginClosing: () => {
      http.beginClosing();
      gate.closeAll();
    },
    terminate: () => {
      http.abortRequests();
      gate.terminateAll();
    },
  };
}
