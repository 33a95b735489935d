/**
 * The log store as readers see it when labels were demoted: a matcher of such a label holds for the label where the stream has it, else for the structured
 * metadata of each line. So `{user="7"}` finds lines of either time; what is found has the label among its labels as ever, in Loki's
 * categorised answers among the structured metadata.
 */
import { formatQuery, parseQuery } from "@finch/logql";
import { createMatcher, Labels } from "@finch/model";
import type { LogColumns, LogPage, Matcher } from "@finch/model";
import type { LabelScope, LogSelect, LogStore, PatternRequest, TailListener } from "@finch/store";
import { keepRows } from "./entry-columns.ts";

/** `names` are those that may be in metadata, at the time of the call. */
export function withDemotedLabels(store: LogStore, names: () => ReadonlySet<string>): LogStore {
  const isDemoted = (matcher: Matcher) => names().has(matcher.name);
  const widen = (scope: LabelScope): LabelScope =>
    scope.matchers.some(isDemoted)
      ? { ...scope, matchers: relax(scope.matchers, isDemoted) }
      : scope;
  return {
    append: (batch) => store.append(batch),
    select: (request, statistics) => selectRows(store, request, statistics, isDemoted),
    async *count(request, statistics) {
      const moved = request.matchers.filter(isDemoted);
      if (moved.length === 0) {
        yield* store.count(request, statistics);
        return;
      }
      const wanted = { ...request, needles: [], lines: "all", direction: "any" } as const;
      for await (const { labels, entries } of selectRows(store, wanted, statistics, isDemoted))
        yield { kind: "lines", labels, entries };
    },
    patterns: (request) => {
      const moved = request.matchers.filter(isDemoted);
      if (moved.length === 0) return store.patterns(request);
      return store.patterns({
        ...request,
        matchers: relax(request.matchers, isDemoted),
        rows: (page) => chooseRows(page, moved, request.rows),
      });
    },
    tail: (listener) =>
      store.tail((labels, entries) => {
        if (names().size === 0) listener(labels, entries);
        else tellRestored(labels, entries, names(), listener);
      }),
    deleteLines: (request) =>
      store.deleteLines({ ...request, query: widenQuery(request.query, isDemoted) }),
    lineDeletes: () => store.lineDeletes(),
    carryOutDeletes: () => store.carryOutDeletes(),
    compact: () => store.compact(),
    cancelDelete: (id, options) => store.cancelDelete(id, options),
    labelNames: (scope) => store.labelNames(widen(scope)),
    labelValues: (name, scope) => store.labelValues(name, widen(scope)),
    series: (scope) => store.series(widen(scope)),
    statistics: () => store.statistics(),
    flush: () => store.flush(),
    expire: () => store.expire(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function* selectRows(
  store: LogStore,
  request: LogSelect,
  statistics: Parameters<LogStore["select"]>[1],
  isDemoted: (matcher: Matcher) => boolean,
): AsyncGenerator<LogPage> {
  const moved = request.matchers.filter(isDemoted);
  if (moved.length === 0) {
    yield* store.select(request, statistics);
    return;
  }
  // Rows are chosen here, of columns that are whole.
  const { fields, labels, edges: _, ...wanted } = request;
  const relaxed: LogSelect = {
    ...wanted,
    matchers: relax(request.matchers, isDemoted),
    values: [...(request.values ?? []), ...moved.filter(isEquality)],
    lines: fields === undefined ? request.lines : "all",
    ...(labels !== undefined && {
      labels: new Set([...labels, ...moved.map(({ name }) => name)]),
    }),
  };
  for await (const page of store.select(relaxed, statistics)) {
    const kept = filterPage(page, moved);
    if (kept !== undefined) yield kept;
  }
}

/** The log query that finds the same lines where labels are in metadata: each matcher of one is a label filter, which looks at both. */
export function widenQuery(query: string, isDemoted: (matcher: Matcher) => boolean): string {
  const expr = parseQuery(query);
  if (expr.kind !== "log" || !expr.matchers.some(isDemoted)) return query;
  const filters = expr.matchers
    .filter(isDemoted)
    .map((matcher) => ({ kind: "label-filter", filter: { kind: "string", matcher } }) as const);
  // A selector needs a matcher that wants something; every stream has a service.
  const some = expr.matchers.some((matcher) => !isDemoted(matcher) && !matcher.matches(""));
  const matchers = [
    ...(some ? [] : [createMatcher("service_name", "=~", ".+")]),
    ...relax(expr.matchers, isDemoted),
  ];
  return formatQuery({ ...expr, matchers, stages: [...filters, ...expr.stages] });
}

/** Matchers that streams without the demoted labels pass as well. */
function relax(
  matchers: readonly Matcher[],
  isDemoted: (matcher: Matcher) => boolean,
): readonly Matcher[] {
  return matchers.flatMap((matcher) => {
    if (!isDemoted(matcher) || matcher.matches("")) return [matcher];
    const { name, operator, value } = matcher;
    switch (operator) {
      case "=":
        return [createMatcher(name, "=~", `${escapeRegexp(value)}|`)];
      case "=~":
        return [createMatcher(name, "=~", `(?:${value})|`)];
      // One that is to lack a value and still be there is left to the lines.
      case "!=":
      case "!~":
        return [];
    }
  });
}

function isEquality({ operator, value }: Matcher): boolean {
  return operator === "=" && value !== "";
}

function escapeRegexp(text: string): string {
  return text.replaceAll(/[\\.+*?()|[\]{}^$]/g, String.raw`\$&`);
}

/** The rows of a page that match and that are among `rows` of it. */
function chooseRows(
  page: LogPage,
  moved: readonly Matcher[],
  rows: PatternRequest["rows"],
): Uint32Array {
  const matching = matchingRows(page, moved);
  if (matching === undefined) return rows === undefined ? everyRow(page) : rows(page);
  if (rows === undefined) return Uint32Array.from(matching);
  const wanted = new Set(matching);
  return rows(page).filter((row) => wanted.has(row));
}

function everyRow({ entries }: LogPage): Uint32Array {
  return Uint32Array.from({ length: entries.count }, (_, row) => row);
}

/** The rows whose label, or metadata where the stream lacks it, match; undefined when there are none. */
function filterPage(page: LogPage, moved: readonly Matcher[]): LogPage | undefined {
  const { labels, entries } = page;
  const rows = matchingRows(page, moved);
  if (rows === undefined || rows.length === entries.count) return page;
  return rows.length === 0 ? undefined : { labels, entries: keepRows(entries, rows) };
}

/** Undefined when all rows match. */
function matchingRows(
  { labels, entries }: LogPage,
  moved: readonly Matcher[],
): readonly number[] | undefined {
  const ofLines: Matcher[] = [];
  for (const matcher of moved) {
    if (!labels.has(matcher.name)) ofLines.push(matcher);
    else if (!matcher.matches(labels.get(matcher.name))) return [];
  }
  if (ofLines.length === 0) return undefined;
  const rows: number[] = [];
  for (let row = 0; row < entries.count; row++) {
    const metadata = entries.metadataSets[entries.metadataOf[row]!]!;
    if (ofLines.every(({ name, matches }) => matches(metadata.get(name)))) rows.push(row);
  }
  return rows;
}

/** Tells lines with their demoted labels in their places, as a tail's selector looks at streams alone. */
function tellRestored(
  labels: Labels,
  entries: LogColumns,
  names: ReadonlySet<string>,
  listener: TailListener,
): void {
  const rowsOf = new Map<string, { readonly pairs: readonly string[]; readonly rows: number[] }>();
  for (let row = 0; row < entries.count; row++) {
    const pairs = entries.metadataSets[entries.metadataOf[row]!]!.keep(names).pairs;
    const key = pairs.join("\u0001");
    const group = rowsOf.get(key);
    if (group === undefined) rowsOf.set(key, { pairs, rows: [row] });
    else group.rows.push(row);
  }
  for (const { pairs, rows } of rowsOf.values()) {
    const own = pairs.length === 0 ? labels : restore(labels, pairs);
    const kept = rows.length === entries.count ? entries : keepRows(entries, rows);
    listener(own, pairs.length === 0 ? kept : withoutNames(kept, names));
  }
}

function restore(labels: Labels, pairs: readonly string[]): Labels {
  let restored = labels;
  for (let i = 0; i < pairs.length; i += 2)
    if (!labels.has(pairs[i]!)) restored = restored.with(pairs[i]!, pairs[i + 1]!);
  return restored;
}

function withoutNames(entries: LogColumns, names: ReadonlySet<string>): LogColumns {
  const sets: Labels[] = [Labels.EMPTY];
  const numbers = new Map<number, number>();
  const metadataOf = entries.metadataOf.map((set) => {
    let number = numbers.get(set);
    if (number === undefined) {
      number = sets.push(entries.metadataSets[set]!.drop(names)) - 1;
      numbers.set(set, number);
    }
    return number;
  });
  return { ...entries, metadataSets: sets, metadataOf };
}
