/** What handlers see of HTTP: plain requests in, plain replies out. The kit (see `http-server.ts`) does the rest. */
import type { IncomingHttpHeaders } from "node:http";
import type { FinchError } from "./errors.ts";
import type { HttpFaultStyle } from "./http-faults.ts";

export interface HttpRequest {
  readonly method: string;
  /** The path as it came, without the query; parameters below are percent-decoded, this is not. */
  readonly path: string;
  /** Values of `:name` segments of the route, decoded; `*` holds what a trailing `/*` took. */
  readonly params: Readonly<Record<string, string>>;
  /** Parameters of the query string. */
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Address of who asks: the peer of the socket, or whom a gateway took the request from. */
  readonly peer: string;
  /** Aborts when the client hangs up before it has the whole reply, and when the listener is torn down. */
  readonly signal: AbortSignal;
  /** A header's first value, or the empty string. */
  header(name: string): string;
  /** The whole body, once. More than `maxBytes` is a `too-large` fault; what was declared is refused before it is read. */
  readBody(maxBytes: number): Promise<Buffer<ArrayBuffer>>;
  /**
   * The body as it arrives, once, in place of `readBody`: the next chunk is read when it is asked for, so that a body of any length holds one. Ends with a
   * `canceled` fault when the body is cut short.
   */
  readChunks(): AsyncIterable<Uint8Array>;
  /** Query and, for a form POST, body parameters together: the query's come last, as in Go's `Request.Form` the body wins. */
  readParameters(): Promise<URLSearchParams>;
}

/** All at once, or chunks that are asked for one by one, so that a slow client holds one and not all. */
export type HttpBody =
  | string
  | Uint8Array
  | Iterable<string | Uint8Array>
  | AsyncIterable<string | Uint8Array>;

export interface HttpReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An iterable is written chunk by chunk with back-pressure; a fault in it breaks the connection, so that nobody takes half for whole. */
  readonly body?: HttpBody;
  /** Set for bytes that are nobody else's: their memory is given back as soon as they are sent. */
  readonly givesBody?: true;
  /** Set for bodies that are compressed already or must not be (event streams). */
  readonly compress?: false;
}

export type HttpHandler = (request: HttpRequest) => Promise<HttpReply>;

/** Tells a fault to the sender of `request`. */
export type HttpFaultWriter = (
  fault: FinchError,
  request: { readonly headers: IncomingHttpHeaders },
) => HttpReply;

export interface HttpRoute {
  readonly kind: "http";
  readonly methods: readonly HttpMethod[];
  /** Such as `/api/v1/label/:name/values`, or `/assets/*`. */
  readonly path: string;
  /** In which shape faults are told: the protocol's own. A function where the shape depends on the request; it must not throw. */
  readonly faults: HttpFaultStyle | HttpFaultWriter;
  readonly handle: HttpHandler;
  readonly access?: RouteAccess;
}

/**
 * What somebody must be allowed to be answered. The kit does not look at it: whoever guards a listener does, and takes a route that does not say for `admin`.
 * `open` nothing · `signed-in` to be known · `read` to read what is stored, as far as they may · `read-all` to read all of it, as the answer tells of what cannot be
 * told apart · `write` to send telemetry · `edit` to change what is watched and shown · `admin` to change Finch itself.
 */
export type RouteAccess = "open" | "signed-in" | "read" | "read-all" | "write" | "edit" | "admin";

export type HttpMethod = "GET" | "POST" | "PUT" | "DELETE";

/** One open WebSocket, server side. */
export interface HttpWebSocket {
  /** Resolves when the text was handed to the kernel: awaiting it is the back-pressure. Rejects after the socket has closed. */
  send(text: string): Promise<void>;
  /** Aborts when the socket closes, for whatever reason. */
  readonly signal: AbortSignal;
}

export interface WebSocketRoute {
  readonly kind: "websocket";
  readonly path: string;
  readonly faults: HttpFaultStyle;
  /**
   * Called before the upgrade: a fault is answered as plain HTTP. What it returns runs the open socket; when that ends the socket is closed
   * with 1000 and the text it resolved with as the reason, when it rejects with 1011 and the message.
   */
  readonly accept: (
    request: HttpRequest,
  ) => Promise<(socket: HttpWebSocket) => Promise<string | void>>;
  readonly access?: RouteAccess;
}

export type Route = HttpRoute | WebSocketRoute;

/** Routes of one API under a further prefix, such as Mimir's `/prometheus`. */
export function underPrefix(prefix: string, routes: readonly Route[]): readonly Route[] {
  return routes.map((route) => ({ ...route, path: prefix + route.path }));
}

/** Routes with what somebody must be allowed to be answered by them. */
export function withAccess<R extends Route>(
  access: RouteAccess,
  routes: readonly R[],
): readonly R[] {
  return routes.map((route) => ({ ...route, access }));
}

/** A `text/plain` reply. */
export function textReply(status: number, text: string): HttpReply {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body: text };
}

/** A JSON reply; for large results stream chunks instead. */
export function jsonReply(status: number, value: unknown): HttpReply {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}
