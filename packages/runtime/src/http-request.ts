/** A request as handlers see it, over node's IncomingMessage: bounded body, merged parameters. */
import type { IncomingMessage } from "node:http";
import { FinchError } from "./errors.ts";
import type { HttpLimits } from "./http-limits.ts";
import type { HttpRequest } from "./http-types.ts";

/** Counts body bytes held by all requests of a listener, and refuses to hold more than the limit. */
export class BodyBudget {
  readonly #max: number;
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get heldBytes(): number {
    return this.#held;
  }

  take(bytes: number): void {
    if (this.#held + bytes > this.#max) {
      throw new FinchError(
        "unavailable",
        "runtime/too-many-bodies",
        `too many bytes of requests in flight (limit ${this.#max}); try again shortly`,
        { retryAfterSeconds: 1 },
      );
    }
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

export interface ServedRequest extends HttpRequest {
  /** Gives back what the body took of the budget; called when the reply is out. */
  readonly release: () => void;
}

/** Wraps a message; `params` come from the router. */
export function wrapRequest(
  message: IncomingMessage,
  context: {
    readonly url: URL;
    readonly params: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
    readonly limits: HttpLimits;
    readonly budget: BodyBudget;
  },
): ServedRequest {
  const { url, params, signal, limits, budget } = context;
  let held = 0;
  const readBody = async (maxBytes: number): Promise<Buffer> => {
    const declared = Number(message.headers["content-length"] ?? "0");
    if (declared > maxBytes) throw tooLarge(declared, maxBytes);
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      // A body that is refused half way must not take the connection with it: the sender is owed the answer.
      const arriving = message.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      for await (const chunk of arriving) {
        size += chunk.length;
        if (size > maxBytes) throw tooLarge(size, maxBytes);
        budget.take(chunk.length);
        held += chunk.length;
        chunks.push(chunk);
      }
    } catch (error) {
      if (error instanceof FinchError) throw error;
      throw new FinchError("canceled", "runtime/body-cut-short", "the request body was cut short", {
        cause: error,
      });
    }
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size);
  };
  return {
    method: message.method ?? "GET",
    path: url.pathname,
    params,
    query: url.searchParams,
    headers: message.headers,
    peer: message.socket.remoteAddress ?? "",
    signal,
    header: (name) => firstOf(message.headers[name.toLowerCase()]),
    readBody,
    readParameters: async () => {
      if (!isForm(message)) return url.searchParams;
      const body = await readBody(limits.formBytesMax);
      refuseManyParameters(body, limits.formParametersMax);
      const merged = new URLSearchParams(body.toString("utf8"));
      for (const [name, value] of url.searchParams) merged.append(name, value);
      return merged;
    },
    release: () => {
      budget.give(held);
      held = 0;
    },
  };
}

function refuseManyParameters(body: Buffer, parametersMax: number): void {
  let parameters = 1;
  for (let at = body.indexOf("&"); at >= 0; at = body.indexOf("&", at + 1)) parameters++;
  if (parameters <= parametersMax) return;
  throw new FinchError(
    "invalid",
    "runtime/too-many-parameters",
    `the form has ${parameters} parameters, more than ${parametersMax}`,
  );
}

/**
 * Reads and forgets the rest of a body, so that a sender who writes everything before it reads gets the answer instead of a broken pipe.
 * Gives up, with false, after the limits' bytes or time.
 */
export function drainBody(message: IncomingMessage, limits: HttpLimits): Promise<boolean> {
  if (message.complete) return Promise.resolve(true);
  if (message.destroyed) return Promise.resolve(false);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let bytes = 0;
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > limits.drainBytesMax) resolve(false);
  };
  const finish = (): void => resolve(message.complete);
  const timer = setTimeout(finish, limits.drainMsMax);
  message.on("data", count).once("end", finish).once("close", finish);
  message.resume();
  return promise.finally(() => {
    clearTimeout(timer);
    message.off("data", count).off("end", finish).off("close", finish);
  });
}

function isForm(message: IncomingMessage): boolean {
  const type = firstOf(message.headers["content-type"]).toLowerCase();
  return (
    (message.method === "POST" || message.method === "PUT") &&
    type.startsWith("application/x-www-form-urlencoded")
  );
}

function firstOf(value: string | readonly string[] | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : (value[0] ?? "");
}

function tooLarge(size: number, maxBytes: number): FinchError {
  return new FinchError(
    "too-large",
    "runtime/body-too-large",
    `request body too large: ${size} bytes, limit ${maxBytes}`,
  );
}
