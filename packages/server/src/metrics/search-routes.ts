/**
 * `search/metric_names`, `search/label_names` and `search/label_values` of Prometheus' HTTP API, for fields that complete while someone types.
 * Answers are lines of JSON: batches of results, then one line that closes the answer.
 */
import { setImmediate } from "node:timers/promises";
import { FinchError } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { LabelScope } from "@finch/store";
import { readLists, uniteLists } from "../label-lists.ts";
import { apiRoute, GET_OR_POST } from "./api-route.ts";
import type { ReadContext } from "./api-route.ts";
import { readSelectors, readTime, scopesOf } from "./parameters.ts";
import { createScorer } from "./search-match.ts";
import type { FuzzyAlgorithm } from "./search-match.ts";

/** Terms of one request; each is held against every name there is. */
const TERMS_MAX = 32;
/** Results of one request, and of one line. */
const LIMIT_MAX = 10_000;
const LIMIT_DEFAULT = 100;
/** Texts scored before other work has its turn; some milliseconds. */
const TEXTS_AT_ONCE = 2_000;
/** How far back names are looked for when `start` is not given. */
const WINDOW_MS = 3_600_000;

type Order = "value" | "value-descending" | "score";

interface Found {
  readonly text: string;
  readonly score: number;
}

export function searchRoutes(context: ReadContext): readonly HttpRoute[] {
  const { store } = context;
  const search = (
    kind: string,
    list: (parameters: URLSearchParams) => (scope: LabelScope) => Promise<readonly string[]>,
    describe: (parameters: URLSearchParams) => Promise<(text: string) => object>,
  ) =>
    apiRoute(GET_OR_POST, `/api/v1/search/${kind}`, async (request) => {
      const parameters = await request.readParameters();
      return await answerSearch(context, {
        request,
        parameters,
        kind,
        list: list(parameters),
        describe: await describe(parameters),
      });
    });
  return [
    search(
      "metric_names",
      () => (scope) => store.labelValues("__name__", scope),
      async (parameters) => {
        const metadata = readChoice(parameters, "include_metadata", false)
          ? await context.metadata()
          : undefined;
        return (name) => {
          const { type, help, unit } = metadata?.get(name) ?? {};
          return { name, ...withoutEmpty({ type, help, unit }) };
        };
      },
    ),
    search(
      "label_names",
      () => (scope) => store.labelNames(scope),
      async () => (name) => ({ name }),
    ),
    search(
      "label_values",
      (parameters) => {
        const label = parameters.get("label") ?? "";
        if (label === "") throw bad('missing required parameter "label"');
        return (scope) => store.labelValues(label, scope);
      },
      async () => (value) => ({ value }),
    ),
  ];
}

interface Search {
  readonly request: HttpRequest;
  readonly parameters: URLSearchParams;
  readonly kind: string;
  readonly list: (scope: LabelScope) => Promise<readonly string[]>;
  readonly describe: (text: string) => object;
}

async function answerSearch(context: ReadContext, search: Search): Promise<HttpReply> {
  const { parameters, request } = search;
  const scopes = readSearchScopes(parameters, context.clock.nowMs());
  const scorer = readScorer(parameters);
  const order = readOrder(parameters, search.kind);
  const limit = readCount(parameters, "limit", LIMIT_DEFAULT);
  const batchSize = readCount(parameters, "batch_size", LIMIT_DEFAULT);
  const withScore = readChoice(parameters, "include_score", false);
  const reads = {
    gate: context.gate,
    timeoutMs: context.limits.queryTimeoutMs,
    signal: request.signal,
  };
  const all = await uniteLists(readLists(reads, scopes, search.list));
  const found = await findAll(all, scorer, request.signal);
  sortFound(found, order);
  const told = found
    .slice(0, limit)
    .map(({ text, score }) => ({ ...search.describe(text), ...(withScore ? { score } : {}) }));
  return {
    status: 200,
    headers: { "content-type": "application/x-ndjson; charset=utf-8" },
    body: writeLines(told, { batchSize, hasMore: found.length > limit }),
  };
}

/** Those that fit, in turns with other work: a label may have a million values. */
async function findAll(
  texts: readonly string[],
  scorer: ReturnType<typeof createScorer>,
  signal: AbortSignal,
): Promise<Found[]> {
  const found: Found[] = [];
  for (const [index, text] of texts.entries()) {
    const score = scorer(text);
    if (score !== undefined) found.push({ text, score });
    if (index % TEXTS_AT_ONCE !== TEXTS_AT_ONCE - 1) continue;
    await setImmediate();
    signal.throwIfAborted();
  }
  return found;
}

async function* writeLines(
  results: readonly object[],
  options: { readonly batchSize: number; readonly hasMore: boolean },
): AsyncGenerator<string> {
  let from = 0;
  do {
    const batch = results.slice(from, from + options.batchSize);
    yield `${JSON.stringify({ results: batch })}\n`;
    from += options.batchSize;
  } while (from < results.length);
  yield `${JSON.stringify({ status: "success", has_more: options.hasMore })}\n`;
}

/** Lists come in order of their text; scores of the same height keep it. */
function sortFound(found: Found[], order: Order): void {
  if (order === "value-descending") found.reverse();
  if (order === "score") found.sort((a, b) => b.score - a.score);
}

function readSearchScopes(parameters: URLSearchParams, nowMs: number): readonly LabelScope[] {
  const startMs = readTime(parameters, "start", nowMs - WINDOW_MS);
  const endMs = readTime(parameters, "end", nowMs);
  if (endMs < startMs) throw bad("end timestamp must not be before start timestamp");
  return scopesOf(readSelectors(parameters), { startMs, endMs });
}

function readScorer(parameters: URLSearchParams): ReturnType<typeof createScorer> {
  const terms = parameters.getAll("search[]");
  if (terms.length > TERMS_MAX)
    throw bad(`too many search[] terms: got ${terms.length}, maximum is ${TERMS_MAX}`);
  const threshold = parameters.get("fuzz_threshold") || "0";
  if (!/^\d{1,3}$/.test(threshold) || Number(threshold) > 100)
    throw bad(`invalid fuzz_threshold ${JSON.stringify(threshold)}: must be 0-100`);
  const algorithm = parameters.get("fuzz_alg") || "subsequence";
  if (algorithm !== "subsequence" && algorithm !== "jarowinkler") {
    throw bad(
      `unsupported fuzz_alg ${JSON.stringify(algorithm)}: must be one of [subsequence jarowinkler]`,
    );
  }
  return createScorer({
    terms,
    algorithm: algorithm satisfies FuzzyAlgorithm,
    threshold: Number(threshold) / 100,
    caseSensitive: readChoice(parameters, "case_sensitive", true),
  });
}

function readOrder(parameters: URLSearchParams, kind: string): Order {
  const by = parameters.get("sort_by") ?? "";
  const direction = parameters.get("sort_dir") ?? "";
  if (direction !== "" && by === "") throw bad("sort_dir is only valid when sort_by is set");
  if (direction !== "" && by === "score") throw bad("sort_dir is not supported for sort_by=score");
  if (!["", "asc", "dsc"].includes(direction))
    throw bad(`invalid sort_dir ${JSON.stringify(direction)}: must be "asc" or "dsc"`);
  if (!["", "alpha", "score"].includes(by))
    throw bad(`invalid sort_by ${JSON.stringify(by)} for ${kind}: must be "alpha" or "score"`);
  if (by === "score" && parameters.getAll("search[]").length === 0)
    throw bad("sort_by=score requires search[] to be set");
  if (by === "score") return "score";
  return direction === "dsc" ? "value-descending" : "value";
}

function readCount(parameters: URLSearchParams, name: string, otherwise: number): number {
  const text = parameters.get(name) || String(otherwise);
  if (!/^\d{1,15}$/.test(text) || Number(text) === 0)
    throw bad(`invalid ${name} ${JSON.stringify(text)}: must be a positive integer`);
  if (Number(text) > LIMIT_MAX) throw bad(`${name} ${text} exceeds the maximum (${LIMIT_MAX})`);
  return Number(text);
}

function readChoice(parameters: URLSearchParams, name: string, otherwise: boolean): boolean {
  const text = parameters.get(name) ?? "";
  if (text === "") return otherwise;
  if (/^(?:1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false)$/i.test(text)) return false;
  throw bad(`invalid ${name} ${JSON.stringify(text)}: must be boolean`);
}

function withoutEmpty(fields: Readonly<Record<string, string | undefined>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, text]) => (text ?? "") !== ""));
}

function bad(message: string): FinchError {
  return new FinchError("invalid", "server/bad-parameter", message);
}
