/**
 * Speaks to a Kubernetes API server: one request, or one answer read as it comes. Every fault names verb, resource and namespace, so that missing
 * rights can be granted by reading the message. It decides nothing about retries; `watch.ts` does.
 */
import { FinchError } from "@finch/runtime";
import type { FaultKind } from "@finch/runtime";
import { createHttpClient } from "../http-client.ts";
import type { HttpClient, HttpClientOptions } from "../http-client.ts";

/** What is asked for, for messages: `cannot list pods in namespace demo`. */
export interface KubernetesAction {
  readonly verb: "get" | "list" | "watch" | "read";
  /** Such as `pods` or `pods/log of web-1`. */
  readonly resource: string;
  /** Undefined: in the whole cluster. */
  readonly namespace: string | undefined;
}

export interface KubernetesRequest {
  readonly action: KubernetesAction;
  /** From the root of the server: `/api/v1/pods`. */
  readonly path: string;
  /** Undefined values are left out. */
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Until the answer is there; of a stream, until its headers are. */
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
}

export interface KubernetesClient extends Disposable {
  readonly server: string;
  /** Namespace that the agent runs in, or that the kubeconfig's context names. */
  readonly namespace: string | undefined;
  /** The decoded JSON of the answer. Rejects with a {@link KubernetesFault} for any status but 200. */
  get(request: KubernetesRequest): Promise<unknown>;
  /** The bytes of an answer as they come; leaving the loop over them closes the connection. */
  open(request: KubernetesRequest): Promise<AsyncIterable<Uint8Array>>;
}

/** An answer other than 200. */
export class KubernetesFault extends FinchError {
  readonly status: number;

  constructor(status: number, message: string, retryAfterSeconds: number | undefined) {
    super(kindOf(status), "agent/kubernetes-status", message, {
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    });
    this.status = status;
  }
}

/** Whether the server no longer knows the resourceVersion or the continue token it was asked for. */
export function isExpired(error: unknown): boolean {
  return error instanceof KubernetesFault && error.status === 410;
}

/** A page of 500 objects of the largest size etcd takes (1.5 MiB) would be beyond this; pages are a few MiB in practice. */
const RESPONSE_BYTES_MAX = 256 << 20;
const STATUS_BYTES_MAX = 64 << 10;
const TIMEOUT_MS = 60_000;

export async function createKubernetesClient(options: {
  readonly server: string;
  readonly namespace: string | undefined;
  readonly http: HttpClientOptions;
}): Promise<KubernetesClient> {
  const server = options.server.replace(/\/+$/, "");
  const http = await createHttpClient(options.http);
  return {
    server,
    namespace: options.namespace,
    get: (request) => getJson(http, server, request),
    open: (request) => openBody(http, server, request),
    [Symbol.dispose]: () => http[Symbol.dispose](),
  };
}

async function getJson(
  http: HttpClient,
  server: string,
  request: KubernetesRequest,
): Promise<unknown> {
  const response = await http
    .request({
      method: "GET",
      url: urlOf(server, request),
      headers: { accept: "application/json", "accept-encoding": "gzip" },
      timeoutMs: request.timeoutMs ?? TIMEOUT_MS,
      signal: request.signal,
      responseBytesMax: RESPONSE_BYTES_MAX,
    })
    .catch((error: unknown) => {
      throw explain(error, request);
    });
  const text = Buffer.from(response.body).toString();
  if (response.status !== 200)
    throw toFault(request.action, response.status, text, response.headers["retry-after"]);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FinchError(
      "invalid",
      "agent/kubernetes-answer",
      `${server}${request.path} answers with something that is not JSON; look whether it is a Kubernetes API server`,
      { cause },
    );
  }
}

async function openBody(
  http: HttpClient,
  server: string,
  request: KubernetesRequest,
): Promise<AsyncIterable<Uint8Array>> {
  const stream = await http
    .open({
      method: "GET",
      url: urlOf(server, request),
      headers: { accept: "*/*" },
      timeoutMs: request.timeoutMs ?? TIMEOUT_MS,
      signal: request.signal,
    })
    .catch((error: unknown) => {
      throw explain(error, request);
    });
  if (stream.status === 200) return stream.body;
  let text = "";
  for await (const chunk of stream.body) {
    text += Buffer.from(chunk).toString();
    if (text.length > STATUS_BYTES_MAX) break;
  }
  throw toFault(request.action, stream.status, text, stream.headers["retry-after"]);
}

function urlOf(server: string, request: KubernetesRequest): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(request.query ?? {}))
    if (value !== undefined && value !== "") query.set(name, value);
  return `${server}${request.path}${query.size === 0 ? "" : `?${query.toString()}`}`;
}

/** A fault of the connection, with what was asked for; what aborted it is passed on as it is. */
function explain(error: unknown, request: KubernetesRequest): unknown {
  if (!(error instanceof FinchError)) return error;
  return new FinchError(error.kind, error.code, `cannot ${describeAction(request.action)}`, {
    cause: error,
  });
}

/** The fault of an answer, from the `Status` object that the server sends. */
export function toFault(
  action: KubernetesAction,
  status: number,
  body: string,
  retryAfter?: string,
): KubernetesFault {
  let message = body.slice(0, 300).trim();
  try {
    const parsed = JSON.parse(body) as { readonly message?: unknown } | null;
    if (typeof parsed?.message === "string") message = parsed.message;
  } catch {
    // A proxy in between answers in its own words.
  }
  const seconds = Number(retryAfter);
  return new KubernetesFault(
    status,
    `cannot ${describeAction(action)}: ${status}${message === "" ? "" : ` ${message}`}`,
    Number.isFinite(seconds) && seconds > 0 ? seconds : undefined,
  );
}

function describeAction({ verb, resource, namespace }: KubernetesAction): string {
  return `${verb} ${resource} ${namespace === undefined ? "in the cluster" : `in namespace ${namespace}`}`;
}

function kindOf(status: number): FaultKind {
  if (status === 404) return "not-found";
  if (status === 429) return "limited";
  return status >= 500 ? "unavailable" : "invalid";
}
