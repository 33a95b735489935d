/** Unary calls of gRPC over one connection of HTTP/2, which is made when it is needed and made again when it is lost. */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { describeError, FinchError } from "@finch/runtime";
import { loadHttp2 } from "@finch/runtime/http";

const gzipAll = promisify(gzip);
const gunzipAll = promisify(gunzip);

const PREFIX_BYTES = 5;
const ANSWER_BYTES_MAX = 1 << 20;

export interface GrpcClientOptions {
  /** `http:` or `https:` with host and port. */
  readonly url: string;
  /** For node:tls. */
  readonly tls: Readonly<Record<string, unknown>>;
  /** In place of host and port, where it is written. */
  readonly authority: string | undefined;
  readonly compresses: boolean;
}

export interface GrpcCall {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: Uint8Array;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface GrpcAnswer {
  /** Of gRPC; 0 is well. */
  readonly status: number;
  readonly message: string;
  /** `google.rpc.Status`, empty where there is none. */
  readonly details: Uint8Array;
  /** The message, empty unless `status` is 0. */
  readonly body: Uint8Array;
}

export class GrpcClient implements Disposable {
  readonly #options: GrpcClientOptions;
  #session: ClientHttp2Session | undefined;

  constructor(options: GrpcClientOptions) {
    this.#options = options;
  }

  /** Any status is an answer. Rejects with `unavailable` when the server cannot be reached, and with the signal's reason. */
  async call(call: GrpcCall): Promise<GrpcAnswer> {
    const { url, compresses } = this.#options;
    const deadline = AbortSignal.timeout(call.timeoutMs);
    const signal = AbortSignal.any([call.signal, deadline]);
    const framed = await frame(call.message, compresses);
    let session: ClientHttp2Session | undefined;
    try {
      session = await this.#connected(signal);
      return await exchange(session.request(this.#headers(call)), framed, signal);
    } catch (error) {
      call.signal.throwIfAborted();
      // What did not answer in time may be dead: the next call makes a new connection.
      this.#leave(session);
      if (deadline.aborted) return failed(GRPC_DEADLINE, `no answer within ${call.timeoutMs} ms`);
      throw new FinchError(
        "unavailable",
        "agent/http-unreachable",
        `cannot reach ${url}: ${describeError(error)}`,
      );
    }
  }

  #headers({ path, headers, timeoutMs }: GrpcCall): Record<string, string> {
    const { authority, compresses } = this.#options;
    return {
      ":method": "POST",
      ":path": path,
      ...(authority === undefined ? {} : { ":authority": authority }),
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "finch-agent",
      "grpc-timeout": `${Math.min(99_999_999, Math.ceil(timeoutMs))}m`,
      "grpc-accept-encoding": "identity,gzip",
      ...(compresses ? { "grpc-encoding": "gzip" } : {}),
      ...headers,
    };
  }

  async #connected(signal: AbortSignal): Promise<ClientHttp2Session> {
    const known = this.#session;
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const session = loadHttp2().connect(this.#options.url, this.#options.tls);
    this.#session = session;
    const leave = () => this.#leave(session);
    session.once("close", leave).once("goaway", leave);
    const connected = Promise.withResolvers<void>();
    session.once("connect", () => connected.resolve());
    session.on("error", (error) => connected.reject(error));
    session.once("close", () => connected.reject(new Error("the connection was closed")));
    const onAbort = () => connected.reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    connected.promise.catch(() => {});
    await connected.promise.finally(() => signal.removeEventListener("abort", onAbort));
    return session;
  }

  #leave(session: ClientHttp2Session | undefined): void {
    if (session === undefined) return;
    if (this.#session === session) this.#session = undefined;
    session.close();
    setTimeout(() => session.destroy(), 1000).unref();
  }

  [Symbol.dispose](): void {
    this.#session?.destroy();
    this.#session = undefined;
  }
}

const GRPC_DEADLINE = 4;
const NOTHING = new Uint8Array(0);

function failed(status: number, message: string): GrpcAnswer {
  return { status, message, details: NOTHING, body: NOTHING };
}

async function frame(message: Uint8Array, compresses: boolean): Promise<Uint8Array> {
  const payload = compresses ? await gzipAll(message) : message;
  const framed = Buffer.alloc(PREFIX_BYTES + payload.length);
  framed[0] = compresses ? 1 : 0;
  framed.writeUInt32BE(payload.length, 1);
  framed.set(payload, PREFIX_BYTES);
  return framed;
}

async function exchange(
  stream: ClientHttp2Stream,
  framed: Uint8Array,
  signal: AbortSignal,
): Promise<GrpcAnswer> {
  const onAbort = () => stream.close(CANCEL);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    let seen: IncomingHttpHeaders = {};
    stream.on("response", (headers) => (seen = { ...seen, ...headers }));
    stream.on("trailers", (headers) => (seen = { ...seen, ...headers }));
    stream.end(framed);
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > ANSWER_BYTES_MAX)
        throw new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
    signal.throwIfAborted();
    return await answerOf(seen, Buffer.concat(chunks));
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** HTTP/2's code for a request that is not wanted any more. */
const CANCEL = 8;

/** Codes that a proxy's status stands for, when there is none of gRPC. */
const CODE_OF_HTTP: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 14,
};

async function answerOf(headers: IncomingHttpHeaders, body: Buffer): Promise<GrpcAnswer> {
  const text = (name: string) => [headers[name]].flat()[0] ?? "";
  const httpStatus = Number(headers[":status"] ?? 0);
  const told = text("grpc-status");
  if (told === "") {
    if (httpStatus === 0) throw new Error("the connection ended before the answer");
    return failed(
      CODE_OF_HTTP[httpStatus] ?? 2,
      `HTTP status ${httpStatus} without a status of gRPC`,
    );
  }
  const status = Number(told);
  const details = Buffer.from(text("grpc-status-details-bin"), "base64");
  if (status !== 0)
    return { status, message: percentDecode(text("grpc-message")), details, body: NOTHING };
  return { status, message: "", details, body: await unframe(body, text("grpc-encoding")) };
}

async function unframe(body: Buffer, encoding: string): Promise<Uint8Array> {
  if (body.length < PREFIX_BYTES) return NOTHING;
  const payload = body.subarray(PREFIX_BYTES, PREFIX_BYTES + body.readUInt32BE(1));
  return body[0] === 1 && encoding === "gzip"
    ? gunzipAll(payload, { maxOutputLength: ANSWER_BYTES_MAX })
    : payload;
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
