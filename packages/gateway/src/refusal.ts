/** How the gateway says no, in the shape of the protocol that was spoken: it tells what to do, and nothing about what is behind it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { STATUS_CODES } from "@finch/runtime/http";

/** Why, as counted. */
export type RefusalReason =
  | "bad-request"
  | "no-route"
  | "too-large"
  | "rate"
  | "unauthenticated"
  | "forbidden"
  | "foreign-origin";

export interface Refusal {
  readonly reason: RefusalReason;
  readonly message: string;
  readonly retryAfterSeconds?: number;
}

/** HTTP status and gRPC code (https://grpc.io/docs/guides/status-codes/). */
const STATUS: Readonly<Record<RefusalReason, readonly [http: number, grpc: number]>> = {
  "bad-request": [400, 3],
  "no-route": [404, 12],
  "too-large": [413, 8],
  rate: [429, 8],
  unauthenticated: [401, 16],
  forbidden: [403, 7],
  "foreign-origin": [403, 7],
};

/** HTTP/2's code for a stream that ends early and well. */
const NO_ERROR = 0;

/** Answers a call of gRPC. Returns the HTTP status that says the same. */
export function refuseCall(stream: ServerHttp2Stream, refusal: Refusal): number {
  const [status, grpcCode] = STATUS[refusal.reason];
  if (stream.destroyed || stream.closed) return status;
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": String(grpcCode),
      "grpc-message": refusal.message.replaceAll("%", "%25"),
    },
    { endStream: true },
  );
  letGoOfBody(stream);
  return status;
}

/** A body that nobody reads any more is not waited for. */
export function letGoOfBody(stream: ServerHttp2Stream): void {
  if (stream.readableEnded || stream.closed) return;
  setImmediate(() => stream.close(NO_ERROR));
}

/** Answers a request, and lets go of a body that nobody reads. Returns the HTTP status. */
export function refuse(
  message: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  refusal: Refusal,
): number {
  const [status] = STATUS[refusal.reason];
  const { headers, body } = refusalReply(refusal);
  if ("stream" in message) {
    const { stream } = message;
    response.once("finish", () => letGoOfBody(stream));
  } else if (!message.complete || refusal.reason === "bad-request")
    // What is left of the body, or of a request that others may read otherwise, is not taken for the next.
    headers["connection"] = "close";
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end(message.method === "HEAD" ? "" : body);
  return status;
}

/** Answers an upgrade of HTTP/1.1 that is not made. */
export function refuseUpgrade(socket: Duplex, refusal: Refusal): number {
  const [status] = STATUS[refusal.reason];
  const { headers, body } = refusalReply(refusal);
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nconnection: close\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
  socket.end(`${head}\r\n${body}`);
  return status;
}

function refusalReply(refusal: Refusal): {
  readonly headers: Record<string, string>;
  readonly body: string;
} {
  const body = `${refusal.message}\n`;
  const headers: Record<string, string> = {
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
  };
  if (refusal.retryAfterSeconds !== undefined)
    headers["retry-after"] = String(Math.max(1, Math.ceil(refusal.retryAfterSeconds)));
  if (refusal.reason === "unauthenticated") headers["www-authenticate"] = 'Bearer realm="finch"';
  return { headers, body };
}

export function isGrpc(contentType: string | undefined): boolean {
  return contentType?.startsWith("application/grpc") === true;
}
