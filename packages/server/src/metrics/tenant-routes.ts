/**
 * Routes that serve tenants. The routes of an API are made once for each tenant, on the store as that tenant sees it, so that handlers, their
 * limits and their counters know of one tenant only; a mounted route asks the request whose it is and hands it on. With tenants off there is one
 * set of routes, on the store itself.
 */
import { assert } from "@finch/runtime";
import { textReply } from "@finch/runtime/http";
import type { HttpRequest, HttpRoute } from "@finch/runtime/http";
import { ANONYMOUS, parseTenants } from "./tenant-id.ts";

/** Sets of routes kept; of tenants beyond that many, the one not seen for longest begins anew when it comes back. */
export const TENANTS_KEPT_MAX = 200;

export interface TenantRoutesOptions {
  /** Whose a request is that names no tenant; undefined refuses it. */
  readonly otherwise: string | undefined;
}

/** Makes the routes of some tenants; sorted, one at least. Paths and methods must not depend on them. */
export type MakeRoutes = (tenants: readonly string[]) => readonly HttpRoute[];

/** The routes that `make` makes, each for the tenants of the request. */
export function mountTenantRoutes(
  make: MakeRoutes,
  { otherwise }: TenantRoutesOptions,
): readonly HttpRoute[] {
  const made = new Map<string, readonly HttpRoute[]>();
  const routesOf = (tenants: readonly string[]): readonly HttpRoute[] => {
    const key = tenants.join("|");
    const routes = made.get(key) ?? make(tenants);
    made.delete(key);
    made.set(key, routes);
    if (made.size > TENANTS_KEPT_MAX) {
      for (const oldest of made.keys()) {
        made.delete(oldest);
        break;
      }
    }
    return routes;
  };
  const mount = (template: HttpRoute, index: number): HttpRoute => ({
    ...template,
    handle: async (request: HttpRequest) => {
      const named = parseTenants(request.header("x-scope-orgid"));
      const tenants = named ?? (otherwise === undefined ? undefined : [otherwise]);
      if (tenants === undefined) return textReply(401, "no org id\n");
      const route = routesOf(tenants)[index];
      assert(route?.path === template.path, "a tenant's routes are those of any other");
      return await route.handle(request);
    },
  });
  return routesOf([ANONYMOUS]).map(mount);
}
