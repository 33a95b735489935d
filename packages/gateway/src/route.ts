/** What leads where: prefixes of paths, who may come, and who answers. Data, made by the composition root. */
import type { Dispatcher } from "@finch/runtime/http";

/**
 * `own` the target asks for itself who comes, with a sign-in page; requests with cookies are guarded against other pages ·
 * `public` anybody may come ·
 * `client-certificate` a client shows a certificate ·
 * `agent` an agent shows its token and sends; who else comes is refused, or left to a target that asks for itself.
 */
export type GatewayAccess =
  | { readonly kind: "own" }
  | { readonly kind: "public" }
  | { readonly kind: "client-certificate" }
  | {
      readonly kind: "agent";
      /** Whether a request only writes, which is all that agents may; `path` is without the prefix. */
      readonly writes: (method: string, path: string) => boolean;
      readonly others: "refused" | "own";
    };

export interface GatewayRoute {
  /** In logs and figures. */
  readonly name: string;
  /** Such as `/loki`, which takes `/loki` and what is below it, or one with a slash or a dot at its end. `/` takes everything; the longest that fits wins. */
  readonly prefix: string;
  /** Whether the target sees paths without the prefix. */
  readonly strips: boolean;
  /** Whether it is for calls of gRPC, or for everything else. */
  readonly protocol: "http" | "grpc";
  readonly access: GatewayAccess;
  readonly target: Dispatcher;
}

/** The route of a path, and the path as its target sees it. */
export function findRoute(
  routes: readonly GatewayRoute[],
  protocol: GatewayRoute["protocol"],
  path: string,
): { readonly route: GatewayRoute; readonly rest: string } | undefined {
  let found: GatewayRoute | undefined;
  for (const route of routes) {
    if (route.protocol !== protocol || !isBelow(path, route.prefix)) continue;
    if (found === undefined || route.prefix.length > found.prefix.length) found = route;
  }
  if (found === undefined) return undefined;
  if (!found.strips || found.prefix === "/") return { route: found, rest: path };
  return { route: found, rest: path.slice(found.prefix.length) || "/" };
}

function isBelow(path: string, prefix: string): boolean {
  if (/[/.]$/.test(prefix)) return path.startsWith(prefix);
  return path === prefix || path.startsWith(`${prefix}/`);
}
