/** Answers requests of one listener by its routes: the step between node:http and handlers. Knows nothing of sockets and ports. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { AssertionFailure } from "./assert.ts";
import type { Clock } from "./clock.ts";
import { FinchError } from "./errors.ts";
import { faultReply, toFault } from "./http-faults.ts";
import type { HttpLimits } from "./http-limits.ts";
import { writeReply } from "./http-reply.ts";
import { BodyBudget, drainBody, wrapRequest } from "./http-request.ts";
import { Router } from "./http-router.ts";
import { HttpStatistics } from "./http-statistics.ts";
import type { HttpReply, HttpRequest, HttpRoute, Route } from "./http-types.ts";
import type { Logger } from "./log.ts";

export interface HttpServerOptions {
  readonly name: string;
  readonly routes: readonly Route[];
  readonly limits: HttpLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** Looked at before the route: throws a fault to refuse (Host and Origin checks). */
  readonly admit?: (request: IncomingMessage) => void;
  /** Headers on every reply. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The address of a request; the base only makes the URL complete and is never used. */
export function parseTarget(message: IncomingMessage): URL {
  const target = message.url ?? "/";
  try {
    return new URL(target.startsWith("/") ? `http://finch${target}` : target, "http://finch");
  } catch (error) {
    throw new FinchError("invalid", "runtime/bad-target", `bad request target ${target}`, {
      cause: error,
    });
  }
}

export class HttpServer {
  readonly router: Router;
  readonly statistics: HttpStatistics;
  readonly budget: BodyBudget;
  readonly options: HttpServerOptions;
  readonly #teardown = new AbortController();
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
  }

  /** Answers one request; never rejects. */
  async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { clock } = this.options;
    const started = clock.monotonicMs();
    this.statistics.inFlight++;
    let route = "none";
    const canceled = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished) canceled.abort(clientGone());
    });
    const signal = AbortSignal.any([canceled.signal, this.#teardown.signal]);
    let release = () => {};
    let style: HttpRoute["faults"] = "text";
    try {
      let reply: HttpReply;
      try {
        const plan = this.#plan(message);
        route = plan.route;
        style = plan.style;
        const { url, params } = plan;
        const request = wrapRequest(message, {
          ...this.options,
          budget: this.budget,
          url,
          params,
          signal,
        });
        release = request.release;
        reply = await plan.handle(request);
      } catch (thrown) {
        reply = this.#faultReply(thrown, style, message);
      }
      await this.#send(message, response, reply);
    } catch (thrown) {
      this.#abandon(thrown, response, route);
    } finally {
      release();
      this.statistics.inFlight--;
      const seconds = (clock.monotonicMs() - started) / 1000;
      this.statistics.record(route, message.method ?? "", response.statusCode, seconds);
    }
  }

  #plan(message: IncomingMessage): {
    readonly route: string;
    readonly style: HttpRoute["faults"];
    readonly url: URL;
    readonly params: Readonly<Record<string, string>>;
    readonly handle: (request: HttpRequest) => Promise<HttpReply>;
  } {
    if (this.statistics.inFlight > this.options.limits.requestsMax) throw tooManyRequests();
    this.options.admit?.(message);
    const url = parseTarget(message);
    const routed = this.router.find(message.method ?? "GET", url.pathname);
    const answer = (route: string, reply: HttpReply) => ({
      route,
      style: "text" as const,
      url,
      params: {},
      handle: () => Promise.resolve(reply),
    });
    switch (routed.kind) {
      case "found": {
        const { route, params } = routed.match;
        return { route: route.path, style: route.faults, url, params, handle: route.handle };
      }
      case "bad-path": {
        const { route, fault } = routed;
        const handle = () => Promise.reject(fault);
        return { route: route.path, style: route.faults, url, params: {}, handle };
      }
      case "wrong-method":
        return answer("wrong-method", methodNotAllowed(routed.allow));
      case "websocket-only":
        return answer(routed.route.path, {
          status: 426,
          headers: { "content-type": "text/plain; charset=utf-8", upgrade: "websocket" },
          body: "this address speaks WebSocket only\n",
        });
      case "none":
        return answer("none", {
          status: 404,
          headers: { "content-type": "text/plain; charset=utf-8" },
          body: "404 page not found\n",
        });
    }
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
    const headers: Record<string, string> = { ...this.options.headers, ...reply.headers };
    const isDrained = reply.status < 400 || (await drainBody(message, this.options.limits));
    // What is left of a body would be taken for the next request: close instead.
    if (this.#closing || !isDrained) headers["connection"] = "close";
    await writeReply(
      message,
      response,
      { ...reply, headers },
      this.options.limits.compressBytesMin,
    );
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

function methodNotAllowed(allow: string): HttpReply {
  return {
    status: 405,
    headers: { "content-type": "text/plain; charset=utf-8", allow },
    body: "Method Not Allowed\n",
  };
}
