/** `query_exemplars` of Prometheus' HTTP API: the exemplars kept with the series that a query selects. */
import { formatSampleValue, formatTimestamp } from "@finch/codec";
import { compareLabels, formatMatcher } from "@finch/model";
import type { Matcher } from "@finch/model";
import { extractSelectors, parseQuery } from "@finch/promql";
import { FinchError } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";
import { distinctSelectors, readLists } from "../label-lists.ts";
import { apiRoute, GET_OR_POST } from "./api-route.ts";
import type { ReadContext } from "./api-route.ts";
import { readTimeRange, scopesOf } from "./parameters.ts";
import { writeLabels, writeListAnswer } from "./result-json.ts";

/** Exemplars of one series, by time. */
type SeriesExemplars = Awaited<ReturnType<MetricStore["exemplars"]>>[number];

export function exemplarRoutes(context: ReadContext): readonly HttpRoute[] {
  return [
    apiRoute(GET_OR_POST, "/api/v1/query_exemplars", (request) =>
      answerExemplars(context, request),
    ),
  ];
}

async function answerExemplars(context: ReadContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const range = readTimeRange(parameters);
  if (range.endMs < range.startMs) {
    throw new FinchError(
      "invalid",
      "server/bad-parameter",
      "end timestamp must not be before start timestamp",
    );
  }
  const selectors = selectorsOf(parameters.get("query") ?? "");
  const { signal } = request;
  const { store, gate, limits } = context;
  const reads = { gate, timeoutMs: limits.queryTimeoutMs, signal };
  const bySeries = new Map<string, SeriesExemplars>();
  // A query without selectors (`1 + 1`) has no series to ask about.
  const scopes = selectors.length === 0 ? [] : scopesOf(selectors, range);
  const lists = readLists(reads, scopes, (scope) => store.exemplars({ ...scope, signal }));
  for await (const list of lists) for (const one of list) bySeries.set(one.labels.key, one);
  const series = [...bySeries.values()].toSorted((a, b) => compareLabels(a.labels, b.labels));
  return {
    status: 200,
    headers: { "content-type": "application/json" },
    body: writeListAnswer(series, 0, writeSeriesExemplars),
  };
}

/** The matchers of each selector of the query, each set once. */
function selectorsOf(query: string): readonly (readonly Matcher[])[] {
  const byText = new Map<string, readonly Matcher[]>();
  for (const { matchers } of extractSelectors(parseQuery(query)))
    byText.set(matchers.map(formatMatcher).join(), matchers);
  return distinctSelectors([...byText.keys()]).map((text) => byText.get(text)!);
}

function writeSeriesExemplars({ labels, exemplars }: SeriesExemplars): string {
  const list = exemplars.map(
    ({ labels: own, value, timestampMs }) =>
      `{"labels":${writeLabels(own)},"value":"${formatSampleValue(value)}","timestamp":${formatTimestamp(timestampMs)}}`,
  );
  return `{"seriesLabels":${writeLabels(labels)},"exemplars":[${list.join()}]}`;
}
