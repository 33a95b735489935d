/**
 * The metric store as somebody sees it who may read some series alone: their matchers are put into every selection, so that no query, whatever it joins, negates or counts,
 * gets to see another series. Every function is named here: one that is new must be thought about.
 */
import type { Matcher, MetricMetadata } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { MetricStore } from "@finch/store";
import { NO_STATISTICS } from "../read-scope.ts";
import type { ReadScope } from "../read-scope.ts";

/** Changes nothing, and tells nothing that cannot be told apart by series. */
export function scopeReads(store: MetricStore, scope: ReadScope): MetricStore {
  const narrow = <Request extends { readonly matchers: readonly Matcher[] }>(
    request: Request,
  ): Request => ({ ...request, matchers: [...request.matchers, ...scope.matchers] });
  return {
    select: (request) => store.select(narrow(request)),
    lend: (request) => store.lend(narrow(request)),
    labelNames: (range) => store.labelNames(narrow(range)),
    labelValues: (name, range) => store.labelValues(name, narrow(range)),
    series: (range) => store.series(narrow(range)),
    exemplars: (request) => store.exemplars(narrow(request)),
    cardinality: (request) => store.cardinality(narrow(request)),
    // Of all families, whoever has series of them: `readMetadata` tells those of the scope.
    metadata: () => new Map(),
    blocks: () => [],
    statistics: () => NO_STATISTICS,
    append: refuse,
    deleteSeries: refuse,
    cleanTombstones: refuse,
    compact: refuse,
    flush: refuse,
    expire: refuse,
    // The whole store is somebody else's to close.
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** What names of series say of their family besides its own: the parts of histograms and summaries, and OpenMetrics' endings. */
const SUFFIXES = ["_bucket", "_count", "_sum", "_total", "_info", "_created", "_gcount", "_gsum"];

/** The metadata of families that have series in the scope, at any time. */
export async function readScopedMetadata(
  whole: MetricStore,
  scoped: MetricStore,
): Promise<ReadonlyMap<string, MetricMetadata>> {
  const always = { matchers: [], startMs: 0, endMs: Number.MAX_SAFE_INTEGER };
  const names = new Set(await scoped.labelValues("__name__", always));
  const isSeen = (family: string) =>
    names.has(family) || SUFFIXES.some((suffix) => names.has(family + suffix));
  return new Map([...whole.metadata()].filter(([family]) => isSeen(family)));
}

function refuse(): Promise<never> {
  return Promise.reject(
    new FinchError(
      "forbidden",
      "server/read-only",
      "who may read some series alone may change nothing",
    ),
  );
}
