/**
 * Stands before the routes of a listener: finds out who asks, by API token or session cookie, and lets them through to what they are allowed. What handlers need to know of
 * who asks they ask {@link Guard.principalOf}.
 */
import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { FinchError } from "@finch/runtime";
import type { HttpRequest, HttpWebSocket, Route, RouteAccess } from "@finch/runtime/http";
import { LOCAL_PRINCIPAL } from "../roles.ts";
import type { Principal } from "../roles.ts";
import type { People, SignInOrigin } from "../people.ts";
import { isSameText } from "../secret-text.ts";
import { readCookie, sessionCookieName } from "./cookies.ts";

/** Where routes stand, and whom that lets in. */
export interface GuardedPlace {
  /** Address of who asks: the peer, or whom a trusted proxy says it speaks for. */
  readonly clientOf: (request: HttpRequest) => string;
  /** The name and port by which who asks reaches us. */
  readonly hostOf: (request: HttpRequest) => string;
  /** Whether somebody must sign in here. */
  readonly asks: (request: HttpRequest) => boolean;
  /** Whether who sends telemetry must be an agent, or show an API token with `write`. */
  readonly asksWriters: (request: HttpRequest) => boolean;
  /** Whether an agent sends, by its token. */
  readonly isAgent: (request: HttpRequest) => Promise<boolean>;
  /** Whether the connection of who asks is TLS, here or at who hands requests on. */
  readonly isTls: (request: HttpRequest) => boolean;
  /** Whether requests may come from elsewhere though their peer is this machine: behind a gateway. */
  readonly isForwarded: boolean;
}

/** By this header a request shows that a page of ours sent it: other sites cannot set it. */
export const CSRF_HEADER = "x-csrf-token";

interface Known {
  readonly principal: Principal | undefined;
  readonly place: GuardedPlace;
}

export class Guard {
  readonly #people: People;
  readonly #known = new WeakMap<HttpRequest, Known>();

  constructor(people: People) {
    this.#people = people;
  }

  /**
   * The routes, answered to those who are allowed. One that does not say what somebody must be allowed is for administrators. Of routes that are protected for several places
   * the outermost decides: there a request came in.
   */
  protect(routes: readonly Route[], place: GuardedPlace): readonly Route[] {
    return routes.map((route) => this.#protectOne(route, place));
  }

  /** Who asks; undefined for somebody unknown, who is let through to what is open alone. */
  principalOf(request: HttpRequest): Principal | undefined {
    return this.#known.get(request)?.principal;
  }

  /** Who comes with these headers, a session's cookie or an API token; for those who have no routes to be protected. */
  identify(
    headers: IncomingHttpHeaders,
    from: { readonly address: string; readonly isTls: boolean },
  ): Principal | undefined {
    const { authorization = "", cookie = "" } = headers;
    // A token that is no good is not made good by a cookie beside it.
    if (authorization !== "") return this.#people.ofApiToken(tokenIn(authorization), from.address);
    const token = readCookie(cookie, sessionCookieName(from));
    return token === undefined ? undefined : this.#people.ofSessionToken(token);
  }

  /** Whether the connection of who asks is TLS. */
  isTls(request: HttpRequest): boolean {
    return this.placeOf(request).isTls(request);
  }

  /** Where a request that the guard let through came in. */
  placeOf(request: HttpRequest): GuardedPlace {
    const known = this.#known.get(request);
    if (known !== undefined) return known.place;
    throw new FinchError("internal", "control/not-guarded", "a route stands outside of the guard");
  }

  /** From where it came, for sessions and the audit trail. */
  originOf(request: HttpRequest): SignInOrigin {
    const place = this.placeOf(request);
    return {
      address: place.clientOf(request),
      userAgent: request.header("user-agent"),
      isLocal: !place.isForwarded && isSentHere(request),
    };
  }

  #protectOne(route: Route, place: GuardedPlace): Route {
    const { access = "admin" } = route;
    const admit = async (request: HttpRequest): Promise<void> => {
      if (this.#known.has(request)) return;
      const isSender =
        access === "write" && (!place.asksWriters(request) || (await place.isAgent(request)));
      const principal = isSender ? undefined : this.#identify(request, place);
      this.#known.set(request, { principal, place });
      if (!isSender) checkAccess(principal, access, request);
    };
    if (route.kind === "websocket")
      return {
        ...route,
        accept: async (request) => {
          await admit(request);
          const run = await route.accept(request);
          return (socket) => run(this.#watch(socket, request, access));
        },
      };
    return {
      ...route,
      handle: async (request) => {
        await admit(request);
        return await route.handle(request);
      },
    };
  }

  /** The socket, as long as who opened it may still read the same: a session may end, a limit be set, while it is open. */
  #watch(socket: HttpWebSocket, request: HttpRequest, access: RouteAccess): HttpWebSocket {
    const { place, principal: before } = this.#known.get(request)!;
    const send = async (text: string): Promise<void> => {
      const now = this.#identify(request, place);
      checkAccess(now, access, request);
      if (now?.readScopes.join() !== before?.readScopes.join())
        throw new FinchError("forbidden", "control/not-allowed", "what you may read has changed");
      await socket.send(text);
    };
    return { send, signal: socket.signal };
  }

  #identify(request: HttpRequest, place: GuardedPlace): Principal | undefined {
    const from = { address: place.clientOf(request), isTls: place.isTls(request) };
    const unknown = place.asks(request) ? undefined : LOCAL_PRINCIPAL;
    return this.identify(request.headers, from) ?? unknown;
  }
}

/** `Bearer TOKEN`, or `Basic` with the token as the password, whatever the name: what Grafana and other clients can send. */
function tokenIn(authorization: string): string {
  const [scheme = "", rest = ""] = authorization.split(/ +/, 2);
  if (scheme.toLowerCase() === "bearer") return rest;
  if (scheme.toLowerCase() !== "basic") return "";
  const text = Buffer.from(rest, "base64").toString();
  return text.slice(text.indexOf(":") + 1);
}

/** Throws a `control/sign-in-needed`, `control/not-allowed` or `control/no-csrf-token`. */
function checkAccess(
  principal: Principal | undefined,
  access: RouteAccess,
  request: HttpRequest,
): void {
  if (access === "open") return;
  if (principal === undefined)
    throw new FinchError(
      "unauthenticated",
      "control/sign-in-needed",
      "sign in, or send an API token (Authorization: Bearer finch_…)",
    );
  if (!isAllowed(principal, access))
    throw new FinchError("forbidden", "control/not-allowed", describeRefusal(principal, access));
  checkCsrf(principal, access, request);
}

function isAllowed({ permissions, readScopes }: Principal, access: RouteAccess): boolean {
  switch (access) {
    case "open":
    case "signed-in":
      return true;
    case "read":
      return permissions.has("read");
    case "read-all":
      return permissions.has("read") && readScopes.length === 0;
    case "write":
    case "edit":
    case "admin":
      return permissions.has(access) && readScopes.length === 0;
  }
}

function describeRefusal({ permissions, actor }: Principal, access: RouteAccess): string {
  if (access === "read-all" && permissions.has("read"))
    return `${actor} may read some series and streams alone, and this tells of all`;
  const needed = access === "read-all" ? "read" : access;
  return `${actor} may not ${needed}; ask an administrator of this Finch`;
}

/** A cookie goes along with whatever the browser is made to send; what changes something must show that it is ours. */
function checkCsrf(principal: Principal, access: RouteAccess, request: HttpRequest): void {
  const { csrfToken } = principal;
  const isRead = access === "read" || access === "read-all";
  const isSafe = request.method === "GET" || request.method === "HEAD";
  if (csrfToken === undefined || isRead || isSafe) return;
  if (isSameText(request.header(CSRF_HEADER), csrfToken)) return;
  throw new FinchError(
    "forbidden",
    "control/no-csrf-token",
    `the request does not show that this page sent it (${CSRF_HEADER}); reload the page`,
  );
}

/** Whether a request was sent on this machine, and to Finch itself: a proxy that tells whom it speaks for is none of ours. */
export function isSentHere(request: HttpRequest): boolean {
  const isProxied = ["x-forwarded-for", "forwarded", "x-real-ip", "via"].some(
    (name) => request.headers[name] !== undefined,
  );
  return !isProxied && isLoopback(request.peer);
}

/** Whether an address or host name is this machine's own. */
export function isLoopback(host: string): boolean {
  const plain = host.replace(/^::ffff:(?=\d+\.)/i, "").toLowerCase();
  if (isIP(plain) === 4) return plain.startsWith("127.");
  return plain === "::1" || plain === "localhost";
}
