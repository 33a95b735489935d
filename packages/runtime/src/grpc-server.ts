/**
 * Unary gRPC over HTTP/2, on the sockets (with or without TLS) that a listener hands over: framing, gzip, deadlines, statuses. node:http2 is loaded with the
 * first of them, for it takes megabytes that an idle process does not need.
 */
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { AssertionFailure } from "./assert.ts";
import { FinchError } from "./errors.ts";
import { GRPC_CODES, GRPC_OK, GRPC_UNIMPLEMENTED } from "./grpc-types.ts";
import type { GrpcMethod } from "./grpc-types.ts";
import { faultReply, toFault } from "./http-faults.ts";
import type { HttpServer } from "./http-server.ts";
import { loadHttp2 } from "./node-http.ts";

const gunzipAll = promisify(gunzip);

const PREFIX_BYTES = 5;
/** Calls at once on one connection. */
const STREAMS_MAX = 128;
/** Bytes a sender may have in flight on one call; the protocol's 64 KiB would make it wait for every one. */
const WINDOW_BYTES = 1 << 20;
/** HTTP/2's code for a stream that ends early and well. */
const NO_ERROR = 0;
/** Characters of a message in trailers, which clients hold to a few kilobytes. */
const TOLD_MAX = 1500;

/** Serves the calls of one listener; `http` holds its limits, budget and counters. */
export class GrpcServer {
  readonly #http: HttpServer;
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(http: HttpServer, methods: readonly GrpcMethod[]) {
    this.#http = http;
    this.#methods = new Map(methods.map((method) => [method.path, method]));
  }

  /** Takes a socket whose first bytes (still unread) are the preface of HTTP/2. */
  accept(socket: Socket): void {
    const { limits } = this.#http.options;
    const session = loadHttp2().performServerHandshake(socket, {
      settings: { maxConcurrentStreams: STREAMS_MAX, initialWindowSize: WINDOW_BYTES },
      maxSessionMemory: 32,
    });
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    session.on("error", () => session.destroy());
    session.setTimeout(limits.keepAliveTimeoutMs, () => session.close());
    session.on("stream", (stream, headers) => void this.serve(stream, headers));
  }

  /** Lets calls in flight finish and takes no more. */
  beginClosing(): void {
    for (const session of this.#sessions) session.close();
  }

  terminateAll(): void {
    for (const session of this.#sessions) session.destroy();
  }

  /** Answers one call; never rejects. `peer` is given where it is not the other end of the socket. */
  async serve(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    peer = stream.session?.socket.remoteAddress ?? "",
  ): Promise<void> {
    const { statistics, options } = this.#http;
    const started = options.clock.monotonicMs();
    const path = String(headers[":path"] ?? "");
    const method = this.#methods.get(path);
    statistics.inFlight++;
    stream.on("error", () => {});
    let status = 200;
    try {
      if (!String(headers["content-type"] ?? "").startsWith("application/grpc")) {
        status = 415;
        stream.respond({ ":status": status, "content-type": "text/plain" });
        stream.end("this port speaks gRPC (content type application/grpc)\n");
      } else if (method === undefined) {
        status = 404;
        respondStatus(stream, GRPC_UNIMPLEMENTED, `unknown method ${path}`);
      } else {
        const reply = await this.#call(stream, { headers, peer }, method);
        respondMessage(stream, reply);
      }
    } catch (thrown) {
      status = this.#refuse(stream, method, thrown);
    } finally {
      statistics.inFlight--;
      const seconds = (options.clock.monotonicMs() - started) / 1000;
      statistics.record(method?.path ?? "none", "POST", status, seconds);
    }
  }

  async #call(
    stream: ServerHttp2Stream,
    { headers, peer }: { readonly headers: IncomingHttpHeaders; readonly peer: string },
    method: GrpcMethod,
  ): Promise<Uint8Array> {
    const { budget, options, statistics, teardown } = this.#http;
    if (statistics.inFlight > options.limits.requestsMax) {
      throw new FinchError(
        "unavailable",
        "runtime/too-many-requests",
        "too many requests at once; try again shortly",
        { retryAfterSeconds: 1 },
      );
    }
    const gone = new AbortController();
    stream.once("close", () =>
      gone.abort(new FinchError("canceled", "runtime/client-gone", "the client gave up the call")),
    );
    const signals = [gone.signal, teardown];
    const deadlineMs = parseTimeout(String(headers["grpc-timeout"] ?? ""));
    if (deadlineMs !== undefined) signals.push(AbortSignal.timeout(deadlineMs));
    let held = 0;
    try {
      const bytesMax = Math.min(method.messageBytesMax, options.limits.bodyBytesMax);
      const body = await readAll(stream, bytesMax + PREFIX_BYTES, (bytes) => {
        budget.take(bytes);
        held += bytes;
      });
      const message = await unframe(body, String(headers["grpc-encoding"] ?? "identity"), method);
      return await method.handle({
        message,
        headers,
        peer,
        signal: AbortSignal.any(signals),
      });
    } finally {
      budget.give(held);
    }
  }

  /** Tells what was thrown; returns the HTTP status that says the same, for the counters. */
  #refuse(stream: ServerHttp2Stream, method: GrpcMethod | undefined, thrown: unknown): number {
    if (thrown instanceof AssertionFailure) {
      stream.destroy();
      setImmediate(() => {
        throw thrown;
      });
      return 500;
    }
    const fault = toFault(thrown);
    if (fault.kind === "internal" || fault.kind === "corrupt") {
      const { code, message } = fault;
      this.#http.options.log.error("call failed", {
        method: method?.path ?? "",
        code,
        error: message,
      });
    }
    const code = method?.codes?.[fault.kind] ?? GRPC_CODES[fault.kind];
    respondStatus(stream, code, fault.message, method?.details?.(fault, code));
    return faultReply(fault, "text").status;
  }
}

/** The whole body; `take` is told of each piece before it is kept. */
async function readAll(
  stream: ServerHttp2Stream,
  bytesMax: number,
  take: (bytes: number) => void,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  // A call that is refused midway is still answered: leaving the loop must not destroy it.
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) {
      throw new FinchError(
        "too-large",
        "runtime/message-too-large",
        `the message is larger than ${bytesMax - PREFIX_BYTES} bytes: send smaller batches`,
      );
    }
    take(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** The one message of a unary call: a flag (compressed or not), four bytes of length, the bytes. */
async function unframe(body: Buffer, encoding: string, method: GrpcMethod): Promise<Uint8Array> {
  const length = body.length < PREFIX_BYTES ? 0 : body.readUInt32BE(1);
  if (body.length !== PREFIX_BYTES + length) {
    throw bad(`a call takes one message: ${body.length} bytes are not one of ${length}`);
  }
  const message = body.subarray(PREFIX_BYTES);
  if (body[0] === 0) return message;
  if (encoding !== "gzip" || body[0] !== 1) {
    throw new FinchError(
      "unsupported",
      "runtime/grpc-encoding",
      `grpc-encoding ${JSON.stringify(encoding)} is not supported: send gzip or identity`,
    );
  }
  try {
    return await gunzipAll(message, { maxOutputLength: method.messageBytesDecodedMax });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      throw new FinchError(
        "too-large",
        "runtime/message-too-large",
        `the message unfolds to more than ${method.messageBytesDecodedMax} bytes: send smaller batches`,
        { cause: error },
      );
    }
    throw bad(`the message is not valid gzip: ${(error as Error).message}`);
  }
}

function bad(message: string): FinchError {
  return new FinchError("invalid", "runtime/bad-grpc", message);
}

const TIMEOUT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};
/** The longest a timer can wait. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Milliseconds of `grpc-timeout`, or undefined. */
function parseTimeout(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (match === null) return undefined;
  return Math.min(TIMER_MS_MAX, Math.ceil(Number(match[1]) * TIMEOUT_MS[match[2]!]!));
}

const REPLY_HEADERS = {
  ":status": 200,
  "content-type": "application/grpc",
  "grpc-accept-encoding": "identity,gzip",
} as const;

function respondMessage(stream: ServerHttp2Stream, message: Uint8Array): void {
  if (stream.destroyed || stream.closed) return;
  const framed = Buffer.alloc(PREFIX_BYTES + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX_BYTES);
  stream.respond(REPLY_HEADERS, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(GRPC_OK) }));
  stream.end(framed);
}

/** A reply without a message: its headers are its trailers. */
function respondStatus(
  stream: ServerHttp2Stream,
  code: number,
  message: string,
  details?: Uint8Array,
): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  stream.respond(
    {
      ...REPLY_HEADERS,
      "grpc-status": String(code),
      "grpc-message": percentEncode(message.slice(0, TOLD_MAX)),
      ...(details !== undefined &&
        details.length <= 4 * TOLD_MAX && {
          "grpc-status-details-bin": Buffer.from(details).toString("base64"),
        }),
    },
    { endStream: true },
  );
  // What is left of the message is not wanted; the sender is told to stop without an error.
  if (!stream.readableEnded) setImmediate(() => stream.close(NO_ERROR));
}

/** Printable ASCII but the percent sign stays as it is. */
function percentEncode(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(text)) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
