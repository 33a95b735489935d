/**
 * Mimir's cardinality API: how many values a label has, how many series a value, which series are active. Counted over the series with samples of
 * the last two hours, or of the last twenty minutes where active ones are asked for. Faults are plain text, as Mimir's.
 */
import { createMatcher } from "@finch/model";
import type { Labels, Matcher } from "@finch/model";
import { parseMetricSelector } from "@finch/promql";
import { FinchError } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { LabelScope } from "@finch/store";
import { readLists } from "../label-lists.ts";
import type { LabelReads } from "../label-lists.ts";
import { GET_OR_POST } from "./api-route.ts";
import type { ReadContext } from "./api-route.ts";
import { writeLabels } from "./result-json.ts";
import { topCounts, visitSeries } from "./series-counts.ts";
import { HEAD_WINDOW_MS } from "./tsdb-routes.ts";

const ACTIVE_WINDOW_MS = 20 * 60_000;
const LIMIT_DEFAULT = 20;
const LIMIT_MAX = 500;
/** Labels of one request; each is a read of all series. */
const LABEL_NAMES_MAX = 100;

export function cardinalityRoutes(context: ReadContext): readonly HttpRoute[] {
  const route = (
    name: string,
    answer: (context: ReadContext, request: HttpRequest) => Promise<HttpReply>,
  ): HttpRoute => ({
    kind: "http",
    methods: GET_OR_POST,
    path: `/api/v1/cardinality/${name}`,
    faults: "text",
    handle: (request) => answer(context, request),
  });
  return [
    route("label_names", answerLabelNames),
    route("label_values", answerLabelValues),
    route("active_series", answerActiveSeries),
  ];
}

async function answerLabelNames(context: ReadContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const limit = readLimit(parameters);
  const scope = readScope(parameters, context);
  const names = await context.store.labelNames(scope);
  const lists = readLists(readsOf(context, request), names, async (name) => {
    const values = await context.store.labelValues(name, scope);
    return [name, values.length] as const;
  });
  const counts: (readonly [string, number])[] = [];
  for await (const count of lists) counts.push(count);
  return jsonReply(200, {
    label_values_count_total: counts.reduce((sum, [, count]) => sum + count, 0),
    label_names_count: counts.length,
    cardinality: topCounts(counts, limit).map(({ name, value }) => ({
      label_name: name,
      label_values_count: value,
    })),
  });
}

async function answerLabelValues(context: ReadContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const names = readNames(parameters);
  const limit = readLimit(parameters);
  const scope = readScope(parameters, context);
  const counts = names.map((name) => ({ name, series: 0, values: new Map<string, number>() }));
  let total = 0;
  const visit = (_metric: string, series: readonly Labels[]) => {
    total += series.length;
    for (const labels of series) {
      for (const count of counts) {
        const value = labels.get(count.name);
        if (value === "") continue;
        count.series++;
        count.values.set(value, (count.values.get(value) ?? 0) + 1);
      }
    }
  };
  await visitSeries(context.store, scope, readsOf(context, request), visit);
  const labels = counts
    .filter(({ series }) => series > 0)
    .sort((a, b) => b.series - a.series || (a.name < b.name ? -1 : 1))
    .map(({ name, series, values }) => ({
      label_name: name,
      label_values_count: values.size,
      series_count: series,
      cardinality: topCounts(values, limit).map((count) => ({
        label_value: count.name,
        series_count: count.value,
      })),
    }));
  return jsonReply(200, { series_count_total: total, labels });
}

async function answerActiveSeries(context: ReadContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  if ((parameters.get("selector") ?? "") === "") throw bad("missing 'selector' parameter");
  parameters.set("count_method", "active");
  const scope = readScope(parameters, context);
  const lists = readLists(readsOf(context, request), [scope], (one) => context.store.series(one));
  const [series = []] = await Array.fromAsync(lists);
  return {
    status: 200,
    headers: { "content-type": "application/json" },
    body: writeSeries(series),
  };
}

function* writeSeries(series: readonly Labels[]): Generator<string> {
  yield '{"data":[';
  for (const [index, labels] of series.entries())
    yield index === 0 ? writeLabels(labels) : `,${writeLabels(labels)}`;
  yield "]}";
}

function readsOf({ gate, limits }: ReadContext, { signal }: HttpRequest): LabelReads {
  return { gate, timeoutMs: limits.queryTimeoutMs, signal };
}

/** `selector` over the time that `count_method` stands for. */
function readScope(parameters: URLSearchParams, { clock }: ReadContext): LabelScope {
  const selector = parameters.get("selector") ?? "";
  const matchers: readonly Matcher[] = selector === "" ? [] : parseMetricSelector(selector);
  const method = parameters.get("count_method") || "inmemory";
  if (method !== "inmemory" && method !== "active")
    throw bad("invalid 'count_method' param, known options are: inmemory, active");
  const endMs = clock.nowMs();
  const startMs = endMs - (method === "active" ? ACTIVE_WINDOW_MS : HEAD_WINDOW_MS);
  // A series without any label does not exist; some selection is needed to ask for all.
  return {
    matchers: matchers.length > 0 ? matchers : [createMatcher("__name__", "!=", "")],
    startMs,
    endMs,
  };
}

function readNames(parameters: URLSearchParams): readonly string[] {
  const names = [...new Set(parameters.getAll("label_names[]"))].toSorted();
  if (names.length === 0) throw bad("'label_names[]' param is required");
  if (names.length > LABEL_NAMES_MAX)
    throw bad(`too many 'label_names[]': ${names.length}, limit ${LABEL_NAMES_MAX}`);
  for (const name of names)
    if (name === "" || !name.isWellFormed()) throw bad(`invalid 'label_names' param '${name}'`);
  return names;
}

function readLimit(parameters: URLSearchParams): number {
  const text = parameters.get("limit") || String(LIMIT_DEFAULT);
  if (!/^-?\d{1,15}$/.test(text)) throw bad(`invalid 'limit' param '${text}': give a whole number`);
  const limit = Number(text);
  if (limit < 0) throw bad("'limit' param cannot be less than '0'");
  if (limit > LIMIT_MAX) throw bad(`'limit' param cannot be greater than '${LIMIT_MAX}'`);
  return limit;
}

function bad(message: string): FinchError {
  return new FinchError("invalid", "server/bad-parameter", message);
}
