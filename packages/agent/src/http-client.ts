/**
 * The HTTP client of the agent's components: one per component or endpoint, made from the component's own arguments. Connections are kept
 * alive and reused; credentials in files are read at each request, so a rotated token works without a reload. Used by scraping, by the
 * sinks, and by anything else that calls out; it decides nothing about retries.
 */
import type { IncomingMessage, RequestOptions } from "node:http";
import { gunzip } from "node:zlib";
import { FinchError } from "@finch/runtime";
import { openAuthentication, type OpenAuthentication } from "./http-authentication.ts";
import type {
  HttpClient,
  HttpClientOptions,
  HttpClientRequest,
  HttpClientResponse,
  HttpClientStream,
  HttpStreamRequest,
} from "./http-client-types.ts";
import { Agent as HttpAgent, loadHttps, request as httpRequest } from "@finch/runtime/http";
import { createTunnelAgent, proxyFor, type ProxyOptions } from "./http-proxy.ts";
import { loadTls } from "./http-tls.ts";

export { DEFAULT_HTTP_CLIENT_OPTIONS } from "./http-client-types.ts";
export type {
  Authentication,
  Credential,
  HttpClient,
  HttpClientOptions,
  HttpClientRequest,
  HttpClientResponse,
  HttpClientStream,
} from "./http-client-types.ts";

/** Go's client follows at most ten; a loop would never end without a limit. */
const REDIRECTS_MAX = 10;
/** Silence after which the system asks whether the peer of a stream is still there; a cut cable would look like a quiet stream for ever. */
const STREAM_KEEP_ALIVE_MS = 30_000;
/** Sockets kept open while idle, for each host; more would only hold file descriptors. */
const IDLE_SOCKETS_MAX = 4;

export async function createHttpClient(options: HttpClientOptions): Promise<HttpClient> {
  const pools = new ConnectionPools(options.proxy, await loadTls(options.tls));
  const authentication = await openAuthentication(options.authentication, createHttpClient);
  const agents: Agents = {
    for: (url) => pools.for(url),
    proof: (proven) => authentication.headers(proven),
  };
  return {
    request: (request) => exchange(request, options, agents),
    open: (request) => openStream(request, options, agents),
    [Symbol.dispose]: () => {
      pools[Symbol.dispose]();
      authentication[Symbol.dispose]();
    },
  };
}

type RequestAgent = InstanceType<typeof HttpAgent>;

/** Connections of one client: plain and TLS, directly and through a proxy. TLS is loaded for those who talk to a server that has it. */
class ConnectionPools implements Disposable {
  readonly #proxy: ProxyOptions | undefined;
  readonly #tls: Record<string, unknown>;
  readonly #pools = new Map<string, RequestAgent>();

  constructor(proxy: ProxyOptions | undefined, tls: Record<string, unknown>) {
    this.#proxy = proxy;
    this.#tls = tls;
  }

  for(url: URL): RequestAgent {
    const proxy = this.#proxy === undefined ? undefined : proxyFor(url, this.#proxy);
    const key = `${url.protocol} ${proxy?.href ?? ""}`;
    let pool = this.#pools.get(key);
    if (pool === undefined) this.#pools.set(key, (pool = this.#open(url.protocol, proxy)));
    return pool;
  }

  #open(protocol: string, proxy: URL | undefined): RequestAgent {
    const kept = { keepAlive: true, maxFreeSockets: IDLE_SOCKETS_MAX };
    if (protocol === "http:")
      return new HttpAgent(
        proxy === undefined ? kept : { ...kept, proxyEnv: { HTTP_PROXY: proxy.href } },
      );
    const secure = { ...kept, ...this.#tls };
    return proxy === undefined
      ? new (loadHttps().Agent)(secure)
      : createTunnelAgent(secure, proxy, this.#proxy?.connectHeaders ?? []);
  }

  [Symbol.dispose](): void {
    for (const pool of this.#pools.values()) pool.destroy();
  }
}

interface Agents {
  readonly for: (url: URL) => RequestAgent;
  /** Headers that prove who sends a request. */
  readonly proof: OpenAuthentication["headers"];
}

async function exchange(
  request: HttpClientRequest,
  options: HttpClientOptions,
  agents: Agents,
): Promise<HttpClientResponse> {
  const deadline = AbortSignal.timeout(request.timeoutMs);
  const signal = AbortSignal.any([deadline, request.signal]);
  try {
    const message = await sendAndFollow(request, options, agents, signal);
    return await readResponse(message, request, signal);
  } catch (error) {
    throw explain(error, request, deadline);
  }
}

async function openStream(
  request: HttpStreamRequest,
  options: HttpClientOptions,
  agents: Agents,
): Promise<HttpClientStream> {
  const deadline = new AbortController();
  const timer =
    request.timeoutMs === Infinity
      ? undefined
      : setTimeout(() => deadline.abort(), request.timeoutMs);
  const signal = AbortSignal.any([deadline.signal, request.signal]);
  try {
    const message = await sendAndFollow(request, options, agents, signal);
    message.socket.setKeepAlive(true, STREAM_KEEP_ALIVE_MS);
    return { status: message.statusCode ?? 0, headers: message.headers, body: message };
  } catch (error) {
    throw explain(error, request, deadline.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves with the headers of the last answer. */
async function sendAndFollow(
  request: HttpStreamRequest,
  options: HttpClientOptions,
  agents: Agents,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { socketPath } = options;
  let url = parseUrl(request.url);
  let method: string = request.method;
  let body = request.body;
  const origin = url.origin;
  for (let redirects = 0; ; redirects++) {
    const headers = requestHeaders(request, options, {
      body,
      // As Go's client does: what proves who we are stays with the host it was given for.
      proof: url.origin === origin ? await agents.proof({ method, url, body }) : undefined,
    });
    const message = await send({ url, method, headers, body, signal, socketPath }, agents);
    const location = message.headers.location;
    if (location === undefined || !options.followRedirects || !isRedirect(message.statusCode))
      return message;
    message.resume();
    if (redirects === REDIRECTS_MAX) {
      throw new FinchError(
        "unavailable",
        "agent/http-redirects",
        `${request.url} redirects more than ${REDIRECTS_MAX} times`,
      );
    }
    url = parseUrl(new URL(location, url).href);
    if (message.statusCode !== 307 && message.statusCode !== 308) {
      if (method !== "HEAD") method = "GET";
      body = undefined;
    }
  }
}

function isRedirect(status: number | undefined): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new FinchError(
      "invalid",
      "agent/http-url",
      `${JSON.stringify(text)} is not an http or https URL`,
    );
  }
  return url;
}

function requestHeaders(
  request: HttpStreamRequest,
  options: HttpClientOptions,
  about: {
    readonly body: Uint8Array | undefined;
    /** Undefined where the client's own headers must not go. */
    readonly proof: Readonly<Record<string, string>> | undefined;
  },
): Record<string, string> {
  const headers: Record<string, string> = { ...about.proof };
  if (about.proof !== undefined)
    for (const { name, value } of options.headers) headers[name.toLowerCase()] = value.reveal();
  for (const [name, value] of Object.entries(request.headers)) headers[name.toLowerCase()] = value;
  if (about.body !== undefined) headers["content-length"] = String(about.body.byteLength);
  return headers;
}

interface Outgoing {
  readonly url: URL;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array | undefined;
  readonly signal: AbortSignal;
  readonly socketPath: string | undefined;
}

function send(outgoing: Outgoing, agents: Agents): Promise<IncomingMessage> {
  const { url, method, headers, body, signal, socketPath } = outgoing;
  return new Promise((resolve, reject) => {
    const isSecure = url.protocol === "https:";
    const options: RequestOptions = {
      method,
      headers,
      signal,
      agent: agents.for(url),
      ...(socketPath !== undefined && { socketPath }),
    };
    const request = isSecure
      ? loadHttps().request(url, options, resolve)
      : httpRequest(url, options, resolve);
    request.on("error", (error) => {
      // A kept connection that the server closed meanwhile: nothing was answered, so the exchange is tried once more on a fresh one.
      if (
        request.reusedSocket &&
        (error as NodeJS.ErrnoException).code === "ECONNRESET" &&
        !signal.aborted
      ) {
        send({ ...outgoing, headers: { ...headers, connection: "close" } }, agents).then(
          resolve,
          reject,
        );
      } else {
        reject(error);
      }
    });
    request.end(body);
  });
}

async function readResponse(
  message: IncomingMessage,
  request: HttpClientRequest,
  signal: AbortSignal,
): Promise<HttpClientResponse> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > request.responseBytesMax) throw tooLarge(request);
    chunks.push(chunk);
  }
  signal.throwIfAborted();
  const raw = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size);
  const isGzip = message.headers["content-encoding"] === "gzip";
  const body = isGzip && raw.byteLength > 0 ? await decompress(raw, request) : raw;
  return { status: message.statusCode ?? 0, headers: message.headers, body };
}

function decompress(raw: Uint8Array, request: HttpClientRequest): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    gunzip(raw, { maxOutputLength: request.responseBytesMax }, (error, result) => {
      if (error === null) resolve(result);
      else if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE")
        reject(tooLarge(request));
      else
        reject(
          new FinchError(
            "invalid",
            "agent/http-gzip",
            `the answer of ${request.url} is not valid gzip`,
            { cause: error },
          ),
        );
    });
  });
}

function tooLarge(request: HttpClientRequest): FinchError {
  return new FinchError(
    "too-large",
    "agent/http-too-large",
    `the answer of ${request.url} is larger than ${request.responseBytesMax} bytes`,
  );
}

function explain(thrown: unknown, request: HttpStreamRequest, deadline: AbortSignal): unknown {
  if (thrown instanceof FinchError) return thrown;
  if (request.signal.aborted) return request.signal.reason;
  if (deadline.aborted) {
    return new FinchError(
      "timeout",
      "agent/http-timeout",
      `no answer from ${request.url} within ${request.timeoutMs} ms`,
    );
  }
  return new FinchError("unavailable", "agent/http-unreachable", `cannot reach ${request.url}`, {
    cause: thrown,
  });
}
