/**
 * The log store as somebody sees it who may read some streams alone: their matchers are put into every selection. They are asked of the labels of streams: lines that have such
 * a label among their structured metadata are not shown for it. Every function is named here: one that is new must be thought about.
 */
import type { Matcher } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { LogStore } from "@finch/store";
import { NO_STATISTICS } from "../read-scope.ts";
import type { ReadScope } from "../read-scope.ts";

/** Changes nothing, and tells nothing that cannot be told apart by streams. */
export function scopeReads(store: LogStore, scope: ReadScope): LogStore {
  const { matchers } = scope;
  const narrow = <Request extends { readonly matchers: readonly Matcher[] }>(
    request: Request,
  ): Request => ({ ...request, matchers: [...request.matchers, ...matchers] });
  return {
    select: (request, statistics) => store.select(narrow(request), statistics),
    count: (request, statistics) => store.count(narrow(request), statistics),
    patterns: (request) => store.patterns(narrow(request)),
    labelNames: (range) => store.labelNames(narrow(range)),
    labelValues: (name, range) => store.labelValues(name, narrow(range)),
    series: (range) => store.series(narrow(range)),
    tail: (listener) =>
      store.tail((labels, entries) => {
        if (matchers.every((matcher) => matcher.matches(labels.get(matcher.name))))
          listener(labels, entries);
      }),
    lineDeletes: () => [],
    statistics: () => NO_STATISTICS,
    append: refuse,
    deleteLines: refuse,
    carryOutDeletes: refuse,
    compact: refuse,
    cancelDelete: refuse,
    flush: refuse,
    expire: refuse,
    // The whole store is somebody else's to close.
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function refuse(): Promise<never> {
  return Promise.reject(
    new FinchError(
      "forbidden",
      "server/read-only",
      "who may read some streams alone may change nothing",
    ),
  );
}
