/** Decides about one request before anybody answers it: where it leads, who sends it, and whether they may. Changes nothing but its headers, of which it takes away whatever only the gateway may say. */
import type { IncomingHttpHeaders } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Clock } from "@finch/runtime";
import type { AgentIdentity, Authority, Identity } from "./authority.ts";
import {
  CLIENT_CERTIFICATE_HEADER,
  certificateOfHeader,
  certificateOfSocket,
  headerOfCertificate,
} from "./client-certificate.ts";
import { clientAddress, clientKey, plainAddress } from "./client-address.ts";
import type { GatewayLimits } from "./limits.ts";
import { foreignOrigin } from "./origin-check.ts";
import { RateLimit } from "./rate-limit.ts";
import { isGrpc } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";
import { badTarget, pathOf } from "./request-path.ts";
import { findRoute } from "./route.ts";
import type { GatewayRoute } from "./route.ts";

/** A request as it came, whatever version of HTTP brought it. */
export interface AskedRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Changed by {@link Admission.judge}. */
  readonly headers: IncomingHttpHeaders;
  /** As many as there are, of which HTTP/1.1 keeps one. */
  readonly hosts: number;
  readonly isHttp2: boolean;
  readonly isUpgrade: boolean;
  readonly socket: TLSSocket;
}

/** What is known so far of who asks and for what; for the log, also of those who are refused. */
export interface Asked {
  readonly client: string;
  route: GatewayRoute | undefined;
  identity: Identity | undefined;
}

export interface Admitted {
  readonly route: GatewayRoute;
  /** Path and query as the target sees them. */
  readonly target: string;
}

export interface AdmissionOptions {
  readonly routes: readonly GatewayRoute[];
  readonly authority: Authority;
  readonly isTrustedProxy: (address: string) => boolean;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
}

/** Headers that only a proxy in front may set, beside those that Finch itself would take for its own word. */
const PROXY_HEADERS = [
  CLIENT_CERTIFICATE_HEADER,
  "x-forwarded-tls-client-cert-info",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
  "forwarded",
] as const;
const OWN_PREFIX = "x-finch-";
/** Tells a target which agent sends, once its token was looked at. */
export const AGENT_HEADER = "x-finch-agent";
/** What pages of ours say, and no gateway. */
const PAGE_HEADERS: ReadonlySet<string> = new Set(["x-finch-csrf"]);

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #byClient: RateLimit;
  readonly #byIdentity: RateLimit;
  /** Refused credentials. */
  readonly #failures: RateLimit;

  constructor(options: AdmissionOptions) {
    const { clock, limits } = options;
    this.#options = options;
    this.#byClient = new RateLimit(clock, {
      perSecond: limits.clientRequestsPerSecond,
      burst: limits.clientRequestsBurst,
      keysMax: limits.clientsMax,
    });
    this.#byIdentity = new RateLimit(clock, {
      perSecond: limits.identityRequestsPerSecond,
      burst: limits.identityRequestsBurst,
      keysMax: limits.clientsMax,
    });
    this.#failures = new RateLimit(clock, {
      perSecond: limits.refusalsPerMinute / 60,
      burst: limits.refusalsPerMinute,
      keysMax: limits.clientsMax,
    });
  }

  /** Who asks, by address. */
  ask(request: AskedRequest): Asked {
    const { isTrustedProxy } = this.#options;
    const peer = request.socket.remoteAddress ?? "";
    const forwardedFor = textOf(request.headers["x-forwarded-for"]);
    return {
      client: clientAddress(peer, forwardedFor, isTrustedProxy),
      route: undefined,
      identity: undefined,
    };
  }

  /** Fills `asked` as it goes. */
  async judge(request: AskedRequest, asked: Asked): Promise<Admitted | Refusal> {
    const { limits, routes } = this.#options;
    const key = clientKey(asked.client);
    const wait = this.#byClient.take(key);
    if (wait > 0) return tooMany(wait);
    const fault = badTarget(request.target) ?? badHost(request);
    if (fault !== undefined) return { reason: "bad-request", message: fault };
    const certificate = this.#certificateOf(request);
    const authority = this.#rewriteHeaders(request, asked.client, certificate);
    const path = pathOf(request.target);
    const isCall = request.isHttp2 && isGrpc(request.headers["content-type"]);
    const found = findRoute(routes, isCall ? "grpc" : "http", path);
    if (found === undefined) return { reason: "no-route", message: `there is no ${path}` };
    asked.route = found.route;
    if (Number(request.headers["content-length"] ?? 0) > limits.bodyBytesMax) {
      const message = `the body is larger than ${limits.bodyBytesMax} bytes: send smaller batches`;
      return { reason: "too-large", message };
    }
    const refusal =
      (await this.#authenticate(request, asked, { certificate, rest: found.rest, key })) ??
      this.#guardPages(request, asked, authority) ??
      this.#limitIdentity(asked);
    if (refusal !== undefined) return refusal;
    return { route: found.route, target: found.rest + request.target.slice(path.length) };
  }

  /** The certificate of who asks, from the connection or, where a trusted proxy ended that, from its header. */
  #certificateOf({ socket, headers }: AskedRequest): string | undefined {
    const header = textOf(headers[CLIENT_CERTIFICATE_HEADER]);
    if (header !== undefined && this.#options.isTrustedProxy(socket.remoteAddress ?? ""))
      return certificateOfHeader(header);
    return certificateOfSocket(socket);
  }

  /** Takes away what a client may not say, and says it. Returns the host that was asked for. */
  #rewriteHeaders(request: AskedRequest, client: string, certificate: string | undefined): string {
    const { headers, socket } = request;
    const peer = plainAddress(socket.remoteAddress ?? "");
    const isBehindProxy = this.#options.isTrustedProxy(peer);
    const host = textOf(headers.host) ?? textOf(headers[":authority"]) ?? "";
    const forwardedHost = textOf(headers["x-forwarded-host"]);
    const authority = isBehindProxy && forwardedHost !== undefined ? forwardedHost : host;
    for (const name of PROXY_HEADERS) delete headers[name];
    for (const name of Object.keys(headers))
      if (name.startsWith(OWN_PREFIX) && !PAGE_HEADERS.has(name)) delete headers[name];
    headers.host = host;
    headers["x-forwarded-for"] = client;
    headers["x-forwarded-proto"] = "https";
    headers["x-forwarded-host"] = authority;
    if (certificate !== undefined)
      headers[CLIENT_CERTIFICATE_HEADER] = headerOfCertificate(certificate);
    return authority;
  }

  async #authenticate(
    request: AskedRequest,
    asked: Asked,
    about: {
      readonly certificate: string | undefined;
      readonly rest: string;
      readonly key: string;
    },
  ): Promise<Refusal | undefined> {
    const { access } = asked.route!;
    const { authorization } = request.headers;
    if (access.kind === "public" || (access.kind === "own" && authorization === undefined))
      return undefined;
    if (access.kind === "own") return this.#tooManyFailures(about.key);
    if (access.kind === "client-certificate") {
      const { certificate } = about;
      if (certificate !== undefined)
        asked.identity = await this.#options.authority.verifyClientCertificate(certificate);
      // The words of the original, which clients may show to people.
      return asked.identity ? undefined : this.#failed(about.key, "permission denied");
    }
    const agent = await this.#agentOf(request);
    asked.identity = agent;
    if (agent === undefined) {
      if (access.others === "own") return this.#tooManyFailures(about.key);
      return this.#failed(about.key, "show a token: Authorization: Bearer TOKEN");
    }
    if (access.writes(request.method, about.rest)) {
      request.headers[AGENT_HEADER] = agent.resourceId;
      return undefined;
    }
    const message = "an agent's token is for sending alone; reading needs an API token of a person";
    return { reason: "forbidden", message };
  }

  async #agentOf({ headers }: AskedRequest): Promise<AgentIdentity | undefined> {
    const token = /^Bearer +([\w.~+/=-]+)$/i.exec(headers.authorization ?? "")?.[1];
    return token === undefined ? undefined : await this.#options.authority.verifyAgentToken(token);
  }

  /** A target asked for itself, and was shown a token that is none. Cookies are left out: a page that has been open for too long is no guess. */
  countRefused({ headers }: AskedRequest, { client }: Asked): void {
    if (headers.authorization !== undefined) this.#failures.take(clientKey(client));
  }

  #failed(key: string, message: string): Refusal {
    const refusal = this.#tooManyFailures(key);
    if (refusal !== undefined) return refusal;
    this.#failures.take(key);
    return { reason: "unauthenticated", message };
  }

  /** Asked before a secret that could be guessed is looked at; what is signed is let in whatever others behind the same address did. */
  #tooManyFailures(key: string): Refusal | undefined {
    const wait = this.#failures.waitSeconds(key);
    return wait > 0 ? tooMany(wait) : undefined;
  }

  /** Where a cookie may be what let a request in, it must come from a page of ours. */
  #guardPages(request: AskedRequest, asked: Asked, authority: string): Refusal | undefined {
    const { method, headers, isUpgrade } = request;
    const { access } = asked.route!;
    if (access.kind === "public" || access.kind === "client-certificate") return undefined;
    if (headers.cookie === undefined && headers.authorization !== undefined) return undefined;
    const message = foreignOrigin({ method, headers, authority, isUpgrade });
    return message === undefined ? undefined : { reason: "foreign-origin", message };
  }

  #limitIdentity({ identity }: Asked): Refusal | undefined {
    if (identity === undefined) return undefined;
    const wait = this.#byIdentity.take(identity.resourceId);
    return wait > 0 ? tooMany(wait) : undefined;
  }
}

function tooMany(waitSeconds: number): Refusal {
  return {
    reason: "rate",
    message: "too many requests; wait as long as Retry-After says",
    retryAfterSeconds: waitSeconds,
  };
}

/** HTTP/1.1 needs exactly one Host, and HTTP/2 an authority; two that differ are two readings of one request. */
function badHost({ headers, hosts }: AskedRequest): string | undefined {
  if (hosts > 1) return "a request has one Host";
  const host = textOf(headers.host);
  const authority = textOf(headers[":authority"]);
  if (host !== undefined && authority !== undefined && host !== authority)
    return "Host and :authority differ";
  const name = authority ?? host;
  if (name === undefined || name === "") return "a request needs a Host";
  return /^[\w.:[\]-]{1,255}$/.test(name) ? undefined : "Host is no name of a host";
}

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "object" ? value.join(",") : value;
}
