/** Finds the route of a request: exact paths first, then patterns in the order they were given. */
import { FinchError } from "./errors.ts";
import type { HttpMethod, HttpRoute, Route, WebSocketRoute } from "./http-types.ts";

export interface RouteMatch<Found extends Route> {
  readonly route: Found;
  readonly params: Readonly<Record<string, string>>;
}

export type Routed =
  | { readonly kind: "found"; readonly match: RouteMatch<HttpRoute> }
  /** The path matches, but a part of it cannot be decoded: told in the shape of faults the route has. */
  | { readonly kind: "bad-path"; readonly route: HttpRoute; readonly fault: FinchError }
  | { readonly kind: "websocket-only"; readonly route: WebSocketRoute }
  | { readonly kind: "wrong-method"; readonly allow: string }
  | { readonly kind: "none" };

interface Pattern {
  readonly route: Route;
  readonly segments: readonly string[];
  readonly rest: boolean;
}

const NO_ROUTES: readonly Route[] = [];
const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});

/** Routes of one listener. Immutable. */
export class Router {
  readonly #exact = new Map<string, Route[]>();
  readonly #patterns: Pattern[] = [];

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      if (/[:*]/.test(route.path)) this.#patterns.push(toPattern(route));
      else this.#exact.set(route.path, [...(this.#exact.get(route.path) ?? []), route]);
    }
  }

  /** HEAD is served by GET routes; the server leaves the body out. */
  find(method: string, path: string): Routed {
    const wanted = method === "HEAD" ? "GET" : method;
    for (const route of this.#exact.get(path) ?? NO_ROUTES)
      if (route.kind === "http" && route.methods.includes(wanted as HttpMethod))
        return { kind: "found", match: { route, params: NO_PARAMS } };
    const allow = new Set<string>();
    let webSocket: WebSocketRoute | undefined;
    for (const { route, params } of this.#candidates(path)) {
      if (route.kind === "websocket") webSocket ??= route;
      else if (route.methods.includes(wanted as HttpMethod)) {
        return foundOrBad(route, params);
      } else for (const one of route.methods) allow.add(one);
    }
    if (allow.size > 0) return { kind: "wrong-method", allow: [...allow].toSorted().join(", ") };
    if (webSocket !== undefined) return { kind: "websocket-only", route: webSocket };
    return { kind: "none" };
  }

  findWebSocket(path: string): RouteMatch<WebSocketRoute> | undefined {
    for (const { route, params } of this.#candidates(path)) {
      if (route.kind === "websocket") return { route, params: decodeParams(params) };
    }
    return undefined;
  }

  *#candidates(path: string): Iterable<RouteMatch<Route>> {
    for (const route of this.#exact.get(path) ?? []) yield { route, params: {} };
    if (this.#patterns.length === 0) return;
    const segments = path.split("/");
    for (const pattern of this.#patterns) {
      const params = matchPattern(pattern, segments);
      if (params !== undefined) yield { route: pattern.route, params };
    }
  }
}

function foundOrBad(route: HttpRoute, params: Readonly<Record<string, string>>): Routed {
  try {
    return { kind: "found", match: { route, params: decodeParams(params) } };
  } catch (error) {
    if (!(error instanceof FinchError)) throw error;
    return { kind: "bad-path", route, fault: error };
  }
}

function toPattern(route: Route): Pattern {
  const segments = route.path.split("/");
  const rest = segments.at(-1) === "*";
  if (rest) segments.pop();
  return { route, segments, rest };
}

function matchPattern(
  pattern: Pattern,
  path: readonly string[],
): Record<string, string> | undefined {
  const { segments, rest } = pattern;
  if (rest ? path.length <= segments.length : path.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const given = path[index]!;
    if (segment.startsWith(":")) {
      if (given === "") return undefined;
      params[segment.slice(1)] = given;
    } else if (segment !== given) return undefined;
  }
  if (rest) params["*"] = path.slice(segments.length).join("/");
  return params;
}

function decodeParams(params: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const decoded: Record<string, string> = {};
  for (const [name, value] of Object.entries(params)) {
    try {
      decoded[name] = decodeURIComponent(value);
    } catch (error) {
      throw new FinchError(
        "invalid",
        "runtime/bad-path",
        `bad percent-encoding in the path: ${JSON.stringify(value)}`,
        { cause: error },
      );
    }
  }
  return decoded;
}
