/**
 * What whoever asks may read, as matchers that are put into every selection (see `metrics/scoped-store.ts` and `logs/scoped-store.ts`). The routes of an API are made once for
 * each scope, on the store as that scope shows it: no handler ever holds the whole store and a request that is limited.
 */
import type { Matcher } from "@finch/model";
import { assert } from "@finch/runtime";
import type { HttpRequest, Route } from "@finch/runtime/http";
import type { StoreStatistics } from "@finch/store";

export interface ReadScope {
  /** The same text for the same matchers. */
  readonly key: string;
  /** Of labels of series and streams; all hold for what may be read. */
  readonly matchers: readonly Matcher[];
}

/** The scope of a request; undefined: everything may be read. A fault refuses the request. */
export type ReadScopeOf = (request: HttpRequest) => ReadScope | undefined;

/** Sets of routes kept; of scopes beyond that many, the one not seen for longest is made anew when it comes back. */
const SCOPES_KEPT_MAX = 200;

/** The routes that `make` makes, each for the scope of the request; paths and methods must not depend on it. */
export function mountScopedRoutes<R extends Route>(
  make: (scope: ReadScope | undefined) => readonly R[],
  scopeOf: ReadScopeOf | undefined,
): readonly R[] {
  const whole = make(undefined);
  if (scopeOf === undefined) return whole;
  const made = new Map<string, readonly R[]>();
  const routesOf = (scope: ReadScope): readonly R[] => {
    const routes = made.get(scope.key) ?? make(scope);
    made.delete(scope.key);
    made.set(scope.key, routes);
    if (made.size > SCOPES_KEPT_MAX) {
      const [oldest] = made.keys();
      made.delete(oldest!);
    }
    return routes;
  };
  return whole.map((route, index) => {
    const routeFor = (request: HttpRequest): Route => {
      const scope = scopeOf(request);
      const found = scope === undefined ? route : routesOf(scope)[index];
      assert(found?.path === route.path, "the routes of a scope are those of any other");
      return found;
    };
    return dispatch(route, routeFor) as R;
  });
}

function dispatch(route: Route, routeFor: (request: HttpRequest) => Route): Route {
  if (route.kind === "websocket")
    return {
      ...route,
      accept: async (request) => {
        const found = routeFor(request);
        assert(found.kind === "websocket", "a route keeps its kind");
        return await found.accept(request);
      },
    };
  return {
    ...route,
    handle: async (request) => {
      const found = routeFor(request);
      assert(found.kind === "http", "a route keeps its kind");
      return await found.handle(request);
    },
  };
}

/** What a store tells of itself to whoever reads a part of it: nothing. */
export const NO_STATISTICS: StoreStatistics = {
  headSeries: 0,
  headBytes: 0,
  walBytes: 0,
  blocks: 0,
  blockBytes: 0,
  appendedTotal: 0,
  rejectedTotal: 0,
  fsyncTotal: 0,
  quarantined: [],
  compactionsTotal: 0,
  compactionFailuresTotal: 0,
  compactedBytesTotal: 0,
  pendingDeletes: 0,
  oldestMs: undefined,
  newestMs: undefined,
  recovery: { records: 0, durationMs: 0, tornBytes: 0, removedPaths: [] },
};
