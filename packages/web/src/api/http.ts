/** Requests to the server of this page: JSON in, a typed error with a readable sentence out. */

/** A refusal of the server or the network, worded for a person. `status` 0 means that no answer came. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

/** Said once for the whole page when no answer comes at all. */
export const UNREACHABLE = "Finch does not answer. Is it still running on this machine?";

const listeners = new Set<() => void>();

/** Calls `listener` when the server answers that somebody must sign in; returns what stops that. */
export function onSignInNeeded(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What a request may need besides its address. */
export interface RequestOptions {
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

export type QueryParams = Readonly<Record<string, string | number | undefined>>;

/** An answer and how many characters it had on the way. */
export interface SizedReply {
  readonly value: unknown;
  readonly size: number;
}

/** A GET whose answer is JSON; a plain text error body becomes the message. */
export async function fetchJson(
  path: string,
  params: QueryParams = {},
  options: RequestOptions = {},
): Promise<unknown> {
  return (await fetchSized(path, params, options)).value;
}

export async function fetchSized(
  path: string,
  params: QueryParams,
  options: RequestOptions,
): Promise<SizedReply> {
  let reply: Response;
  let text: string;
  try {
    reply = await fetch(withParams(path, params), {
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      headers: { accept: "application/json", ...options.headers },
    });
    text = await reply.text();
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError(0, UNREACHABLE);
  }
  if (reply.status === 401) for (const listener of listeners) listener();
  if (!reply.ok) throw new ApiError(reply.status, errorMessage(text, reply.status));
  try {
    return { value: JSON.parse(text) as unknown, size: text.length };
  } catch {
    throw new ApiError(reply.status, `The answer of ${path} is not JSON: ${text.slice(0, 80)}`);
  }
}

export function withParams(path: string, params: QueryParams): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined) search.set(name, String(value));
  }
  const text = search.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** The sentence in an error body: Prometheus' `error`, Finch's `message`, or the text itself. */
export function errorMessage(body: string, status: number): string {
  const text = body.trim();
  try {
    const parsed = JSON.parse(text) as unknown;
    if (isRecord(parsed)) {
      const message = parsed["error"] ?? parsed["message"];
      if (typeof message === "string" && message !== "") return message;
    }
  } catch {
    // Loki answers plain text: it is the message itself.
  }
  if (text === "" || text.startsWith("<")) return `The server answered ${status} without a reason.`;
  return text;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function stringMap(value: unknown): Record<string, string> {
  const map: Record<string, string> = {};
  if (!isRecord(value)) return map;
  for (const [name, text] of Object.entries(value)) {
    if (typeof text === "string") map[name] = text;
  }
  return map;
}

export function stringList(value: unknown): string[] {
  return Array.isArray(value)
    ? value.filter((item): item is string => typeof item === "string")
    : [];
}
