import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Labels } from "@finch/model";
import { DEFAULT_QUERY_LIMITS } from "./limits.ts";
import { LogMerge } from "./log-merge.ts";
import type { Hit, LogQuery } from "./log-merge.ts";

interface Item {
  readonly at: bigint;
  readonly stream: string;
  readonly line: string;
}

/** Sorts everything and cuts, as the comment of the module says. */
function cutNaively(items: readonly Item[], query: LogQuery): readonly string[] {
  const { limit, direction, startNs, endNs, pageUnitNs } = query;
  const backward = direction === "backward";
  const unitOf = (ns: bigint) => ns / pageUnitNs;
  const inOrder = items.toSorted((a, b) => {
    if (a.at !== b.at) return a.at < b.at === backward ? 1 : -1;
    return a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0;
  });
  const edge = unitOf(backward ? endNs - 1n : startNs);
  const isAtEdge = ({ at }: Item) => unitOf(at) === edge;
  let count = Math.min(limit, inOrder.length);
  if (count === limit && isAtEdge(inOrder[limit - 1]!)) count = inOrder.filter(isAtEdge).length + 1;
  if (count < inOrder.length && pageUnitNs > 1n) {
    const last = unitOf(inOrder[count - 1]!.at);
    while (count < inOrder.length && unitOf(inOrder[count]!.at) === last) count++;
  }
  return inOrder.slice(0, count).map(({ line }) => line);
}

/** Feeds the pages of all streams, a few rows each, in the order that sources promise. */
function merge(items: readonly Item[], query: LogQuery, pageRows: number): readonly string[] {
  const backward = query.direction === "backward";
  const pages: Item[][] = [];
  for (const stream of new Set(items.map((item) => item.stream))) {
    const rows = items
      .filter((item) => item.stream === stream)
      .toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    // Rows of one time in a stream come with one page, as from the store.
    let page: Item[] = [];
    for (const row of rows) {
      if (page.length >= pageRows && page.at(-1)!.at !== row.at) {
        pages.push(page);
        page = [];
      }
      page.push(row);
    }
    pages.push(page);
  }
  const front = (page: readonly Item[]) => page.at(backward ? -1 : 0)!.at;
  pages.sort((a, b) => (front(a) === front(b) ? 0 : front(a) < front(b) === backward ? 1 : -1));
  const merged = new LogMerge(query, DEFAULT_QUERY_LIMITS);
  for (const page of pages) {
    if (merged.settle(front(page))) break;
    const rows = backward ? page.toReversed() : page;
    for (const { at, stream, line } of rows) {
      if (!merged.wants(at)) break;
      merged.add(hitOf(at, line), stream);
    }
  }
  return merged.finish().map(({ line }) => line);
}

function hitOf(timestampNs: bigint, line: string): Hit {
  const { EMPTY } = Labels;
  return { timestampNs, line, stream: EMPTY, structuredMetadata: EMPTY, parsed: EMPTY };
}

test("a merge has what sorting everything has, whatever the pages", () => {
  const item = fc.record({
    at: fc.bigInt({ min: 0n, max: 20n }),
    stream: fc.constantFrom("a", "b", "c"),
  });
  const wanted = fc.record({
    limit: fc.integer({ min: 1, max: 12 }),
    direction: fc.constantFrom("forward" as const, "backward" as const),
    pageUnitNs: fc.constantFrom(1n, 4n),
    pageRows: fc.integer({ min: 1, max: 6 }),
    edge: fc.bigInt({ min: 0n, max: 3n }),
  });
  fc.assert(
    fc.property(fc.array(item, { maxLength: 60 }), wanted, (places, options) => {
      const { direction, limit, pageUnitNs, pageRows, edge } = options;
      const query: LogQuery = {
        startNs: edge,
        endNs: 21n - edge,
        limit,
        direction,
        intervalNs: 0n,
        pageUnitNs,
      };
      // Backward, rows of a stream that share a time come in reverse: their order is that of arrival.
      const items = places
        .map(({ at, stream }, i) => ({ at, stream, line: `${at}${stream}${i}` }))
        .filter(({ at }) => at >= query.startNs && at < query.endNs);
      const inOrder = direction === "backward" ? items.toReversed() : items;
      assert.deepEqual(merge(items, query, pageRows), cutNaively(inOrder, query));
    }),
    { numRuns: 2000 },
  );
});

test("more entries at the edge than can be held are refused in words", () => {
  const query: LogQuery = {
    startNs: 5n,
    endNs: 9n,
    limit: 2,
    direction: "forward",
    intervalNs: 0n,
    pageUnitNs: 1n,
  };
  const merged = new LogMerge(query, { ...DEFAULT_QUERY_LIMITS, entriesOfInstantMax: 10 });
  for (let i = 0; i < 11; i++) merged.add(hitOf(5n, String(i)), "a");
  assert.throws(() => merged.settle(6n), /more than 10 entries share the time at the edge/);
});
