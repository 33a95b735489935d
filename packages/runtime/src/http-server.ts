/** Answers requests of one listener by its routes: the step between node:http and handlers. Knows nothing of sockets and ports. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { AssertionFailure } from "./assert.ts";
import type { Clock } from "./clock.ts";
import { FinchError } from "./errors.ts";
import { faultReply, toFault } from "./http-faults.ts";
import type { HttpLimits } from "./http-limits.ts";
import { writeReply } from "./http-reply.ts";
import { BodyBudget, drainBody, ServedRequest } from "./http-request.ts";
import { RequestEnd } from "./http-request-end.ts";
import { RequestTarget } from "./http-request-target.ts";
import { Router } from "./http-router.ts";
import type { Routed } from "./http-router.ts";
import { HttpStatistics } from "./http-statistics.ts";
import type { HttpReply, HttpRoute, Route } from "./http-types.ts";
import type { Logger } from "./log.ts";

export interface HttpServerOptions {
  readonly name: string;
  readonly routes: readonly Route[];
  readonly limits: HttpLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** Looked at before the route: throws a fault to refuse (Host and Origin checks), or answers in its place (asking for a password). */
  readonly admit?: (request: IncomingMessage) => HttpReply | undefined;
  /** Headers on every reply. */
  readonly headers?: Readonly<Record<string, string>>;
}

export class HttpServer {
  readonly router: Router;
  readonly statistics: HttpStatistics;
  readonly budget: BodyBudget;
  readonly options: HttpServerOptions;
  /** For connections; requests that are in flight are told by the ends in `#inFlight`. */
  readonly #teardown = new AbortController();
  readonly #inFlight = new Set<RequestEnd>();
  #closing = false;

  constructor(options: HttpServerOptions) {
    this.options = options;
    this.router = new Router(options.routes);
    this.statistics = new HttpStatistics(options.name);
    this.budget = new BodyBudget(options.limits.bodyBytesHeldMax);
  }

  /** Aborts when requests still in flight must end now. */
  get teardown(): AbortSignal {
    return this.#teardown.signal;
  }

  /** From now on replies close their connection. */
  beginClosing(): void {
    this.#closing = true;
  }

  abortRequests(): void {
    const reason = new FinchError("unavailable", "runtime/stopping", "Finch is stopping", {
      retryAfterSeconds: 5,
    });
    this.#teardown.abort(reason);
    for (const end of this.#inFlight) end.abort(reason);
  }

  /** Answers one request; never rejects. `peer` is given where it is not the other end of the socket. */
  async serve(message: IncomingMessage, response: ServerResponse, peer?: string): Promise<void> {
    const { clock } = this.options;
    const started = clock.monotonicMs();
    this.statistics.inFlight++;
    const end = this.begin();
    response.once("close", () => {
      if (!response.writableFinished) end.abort(clientGone());
    });
    let route = "none";
    let style: HttpRoute["faults"] = "text";
    let request: ServedRequest | undefined;
    try {
      let reply: HttpReply;
      try {
        if (this.statistics.inFlight > this.options.limits.requestsMax) throw tooManyRequests();
        const refusal = this.options.admit?.(message);
        const target = new RequestTarget(message);
        const routed = this.router.find(message.method ?? "GET", target.path);
        route = routeNameOf(routed);
        if (refusal !== undefined) reply = refusal;
        else if (routed.kind === "found") {
          const found = routed.match;
          style = found.route.faults;
          request = new ServedRequest(message, this, { target, params: found.params, end, peer });
          reply = await found.route.handle(request);
        } else {
          if (routed.kind === "bad-path") style = routed.route.faults;
          reply = replyWithout(routed);
        }
      } catch (thrown) {
        reply = this.#faultReply(thrown, style, message);
      }
      await this.#send(message, response, reply);
    } catch (thrown) {
      this.#abandon(thrown, response, route);
    } finally {
      request?.release();
      this.#inFlight.delete(end);
      this.statistics.inFlight--;
      const seconds = (clock.monotonicMs() - started) / 1000;
      this.statistics.record(route, message.method ?? "", response.statusCode, seconds);
    }
  }

  /** The end of a request that begins now. */
  begin(): RequestEnd {
    const end = new RequestEnd();
    if (this.#teardown.signal.aborted) end.abort(this.#teardown.signal.reason);
    else this.#inFlight.add(end);
    return end;
  }

  /** Nobody waits for a request any more. */
  forget(end: RequestEnd): void {
    this.#inFlight.delete(end);
  }

  #faultReply(thrown: unknown, style: HttpRoute["faults"], message: IncomingMessage): HttpReply {
    if (thrown instanceof AssertionFailure) throw thrown;
    const fault = toFault(thrown);
    const isOurs = fault.kind === "internal" || fault.kind === "corrupt";
    if (isOurs) {
      const { method, url } = message;
      this.options.log.error("request failed", {
        method,
        url,
        code: fault.code,
        error: fault.message,
      });
    }
    return typeof style === "function" ? style(fault, message) : faultReply(fault, style);
  }

  async #send(message: IncomingMessage, response: ServerResponse, reply: HttpReply): Promise<void> {
    const { limits, headers: common } = this.options;
    const headers: Record<string, string> = { ...common, ...reply.headers };
    const isDrained = reply.status < 400 || (await drainBody(message, limits));
    // What is left of a body would be taken for the next request: close instead.
    // In HTTP/2 a request ends with its stream, and a connection says by itself that it closes.
    if (message.httpVersionMajor > 1) delete headers["upgrade"];
    else if (this.#closing || !isDrained) headers["connection"] = "close";
    await writeReply(message, response, {
      reply,
      headers,
      compressBytesMin: limits.compressBytesMin,
    });
  }

  /** The reply could not be finished: a client that left is nobody's fault, anything else is logged; a bug stops the program. */
  #abandon(thrown: unknown, response: ServerResponse, route: string): void {
    response.destroy();
    if (thrown instanceof AssertionFailure) {
      setImmediate(() => {
        throw thrown;
      });
      return;
    }
    const fault = toFault(thrown);
    if (fault.kind === "canceled" || isClientGone(thrown)) return;
    this.options.log.warn("reply broken off", { route, error: fault.message });
  }
}

function isClientGone(thrown: unknown): boolean {
  const code = (thrown as { readonly code?: unknown } | undefined)?.code;
  return code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ECONNRESET" || code === "EPIPE";
}

function clientGone(): FinchError {
  return new FinchError("canceled", "runtime/client-gone", "the client closed the connection");
}

function tooManyRequests(): FinchError {
  return new FinchError(
    "unavailable",
    "runtime/too-many-requests",
    "too many requests at once; try again shortly",
    { retryAfterSeconds: 1 },
  );
}

/** The pattern of the route, or what stands for it in the statistics. */
function routeNameOf(routed: Routed): string {
  switch (routed.kind) {
    case "found":
      return routed.match.route.path;
    case "bad-path":
    case "websocket-only":
      return routed.route.path;
    case "wrong-method":
    case "none":
      return routed.kind;
  }
}

/** What is answered where no handler is asked. */
function replyWithout(routed: Exclude<Routed, { readonly kind: "found" }>): HttpReply {
  switch (routed.kind) {
    case "bad-path":
      throw routed.fault;
    case "wrong-method":
      return plainReply(405, { allow: routed.allow }, "Method Not Allowed\n");
    case "websocket-only":
      return plainReply(426, { upgrade: "websocket" }, "this address speaks WebSocket only\n");
    case "none":
      return plainReply(404, {}, "404 page not found\n");
  }
}

function plainReply(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): HttpReply {
  return { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers }, body };
}
