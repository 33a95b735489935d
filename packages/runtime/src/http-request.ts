/** A request as handlers see it, over node's IncomingMessage: bounded body, merged parameters. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { FinchError } from "./errors.ts";
import { joinBytes } from "./free-bytes.ts";
import type { HttpLimits } from "./http-limits.ts";
import type { RequestEnd } from "./http-request-end.ts";
import type { RequestTarget } from "./http-request-target.ts";
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

/** What a request needs of the server that answers it. */
export interface RequestHost {
  readonly options: { readonly limits: HttpLimits };
  readonly budget: BodyBudget;
}

/** A message as handlers see it. */
export class ServedRequest implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly headers: IncomingHttpHeaders;
  readonly #message: IncomingMessage;
  readonly #host: RequestHost;
  readonly #target: RequestTarget;
  readonly #end: RequestEnd;
  readonly #peer: string | undefined;
  #held = 0;

  /** `params` come from the router. */
  constructor(
    message: IncomingMessage,
    host: RequestHost,
    about: {
      readonly target: RequestTarget;
      readonly params: Readonly<Record<string, string>>;
      readonly end: RequestEnd;
      /** Where it is not the other end of the socket. */
      readonly peer?: string | undefined;
    },
  ) {
    this.#message = message;
    this.#host = host;
    this.#target = about.target;
    this.#end = about.end;
    this.#peer = about.peer;
    this.method = message.method ?? "GET";
    this.path = about.target.path;
    this.params = about.params;
    this.headers = message.headers;
  }

  get query(): URLSearchParams {
    return this.#target.query;
  }

  get peer(): string {
    return this.#peer ?? this.#message.socket.remoteAddress ?? "";
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  header(name: string): string {
    return firstOf(this.headers[name] ?? this.headers[name.toLowerCase()]);
  }

  readBody(ofRoute: number): Promise<Buffer<ArrayBuffer>> {
    const maxBytes = Math.min(ofRoute, this.#host.options.limits.bodyBytesMax);
    const declared = Number(this.headers["content-length"] ?? "0");
    if (declared > maxBytes) return Promise.reject(tooLarge(declared, maxBytes));
    return collectBody(this.#message, maxBytes, (bytes) => {
      this.#host.budget.take(bytes);
      this.#held += bytes;
    });
  }

  async *readChunks(): AsyncGenerator<Uint8Array> {
    const { bodyBytesMax } = this.#host.options.limits;
    const chunks = this.#message.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
    let size = 0;
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        throw bodyCutShort(error as Error);
      });
      if (next.done === true) return;
      size += next.value.length;
      if (size > bodyBytesMax) throw tooLarge(size, bodyBytesMax);
      yield next.value;
    }
  }

  async readParameters(): Promise<URLSearchParams> {
    if (!isForm(this.#message)) return this.query;
    const { limits } = this.#host.options;
    const body = await this.readBody(limits.formBytesMax);
    refuseManyParameters(body, limits.formParametersMax);
    const merged = new URLSearchParams(body.toString("utf8"));
    for (const [name, value] of this.query) merged.append(name, value);
    return merged;
  }

  /** Gives back what the body took of the budget; called when the reply is out. */
  release(): void {
    this.#host.budget.give(this.#held);
    this.#held = 0;
  }
}

/** By events: an iterator costs more than a body of some kilobytes does. A body that is refused half way stays unread, and the connection whole. */
function collectBody(
  message: IncomingMessage,
  maxBytes: number,
  take: (bytes: number) => void,
): Promise<Buffer<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer<ArrayBuffer>[] = [];
    let size = 0;
    const stop = (): void => {
      message.off("data", onData).off("end", onEnd).off("error", onCut).off("close", onCut);
    };
    const onData = (chunk: Buffer<ArrayBuffer>): void => {
      try {
        size += chunk.length;
        if (size > maxBytes) throw tooLarge(size, maxBytes);
        take(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        stop();
        message.pause();
        reject(error as FinchError);
      }
    };
    const onEnd = (): void => {
      stop();
      resolve(joinBytes(chunks));
    };
    const onCut = (error?: Error): void => {
      stop();
      reject(bodyCutShort(error));
    };
    if (message.readableEnded) onEnd();
    else if (message.destroyed) onCut();
    else message.on("data", onData).on("end", onEnd).on("error", onCut).on("close", onCut);
  });
}

function bodyCutShort(cause: Error | undefined): FinchError {
  return new FinchError("canceled", "runtime/body-cut-short", "the request body was cut short", {
    cause,
  });
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
