/** `series`, `labels`, `label/NAME/values` and `metadata` of Prometheus' HTTP API. */
import { compareLabels } from "@finch/model";
import type { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { readLists, uniteLists } from "../label-lists.ts";
import type { LabelReads } from "../label-lists.ts";
import { apiRoute, dataReply, GET, GET_OR_POST } from "./api-route.ts";
import type { ReadContext } from "./api-route.ts";
import {
  readLimit,
  readRequiredSelectors,
  readScopes,
  readSignedLimit,
  readTimeRange,
  scopesOf,
  unescapeLabelName,
} from "./parameters.ts";
import { writeLabels, writeListAnswer } from "./result-json.ts";

export function labelRoutes(context: ReadContext): readonly HttpRoute[] {
  return [
    apiRoute(GET_OR_POST, "/api/v1/series", (request) => answerSeries(context, request)),
    apiRoute(GET_OR_POST, "/api/v1/labels", (request) => answerLabels(context, request)),
    apiRoute(GET, "/api/v1/label/:name/values", (request) => answerValues(context, request)),
    apiRoute(GET, "/api/v1/metadata", (request) => answerMetadata(context, request)),
  ];
}

async function answerSeries(context: ReadContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const selectors = readRequiredSelectors(parameters);
  const limit = readLimit(parameters);
  const scopes = scopesOf(selectors, readTimeRange(parameters));
  const byKey = new Map<string, Labels>();
  const lists = readLists(readsOf(context, request), scopes, (scope) =>
    context.store.series(scope),
  );
  for await (const list of lists) for (const labels of list) byKey.set(labels.key, labels);
  const series = [...byKey.values()].toSorted(compareLabels);
  return listReply(writeListAnswer(series, limit, writeLabels));
}

async function answerLabels(context: ReadContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const limit = readLimit(parameters);
  const lists = readLists(readsOf(context, request), readScopes(parameters), (scope) =>
    context.store.labelNames(scope),
  );
  return listReply(writeListAnswer(await uniteLists(lists), limit, JSON.stringify));
}

async function answerValues(context: ReadContext, request: HttpRequest): Promise<HttpReply> {
  const name = unescapeLabelName(request.params["name"]!);
  if (!name.isWellFormed()) {
    throw new FinchError(
      "invalid",
      "server/bad-label-name",
      `invalid label name: ${JSON.stringify(name)}`,
    );
  }
  const parameters = await request.readParameters();
  const limit = readLimit(parameters);
  const lists = readLists(readsOf(context, request), readScopes(parameters), (scope) =>
    context.store.labelValues(name, scope),
  );
  return listReply(writeListAnswer(await uniteLists(lists), limit, JSON.stringify));
}

function readsOf({ gate, limits }: ReadContext, { signal }: HttpRequest): LabelReads {
  return { gate, timeoutMs: limits.queryTimeoutMs, signal };
}

async function answerMetadata({ metadata }: ReadContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  // Here, unlike elsewhere, 0 means no family at all and a negative number all of them.
  const limit = readSignedLimit(parameters, "limit") ?? -1;
  // One entry is kept for each family, so `limit_per_metric` changes nothing; it is still checked.
  readSignedLimit(parameters, "limit_per_metric");
  const wanted = parameters.get("metric") ?? "";
  const all = await metadata();
  const families = wanted === "" ? [...all.keys()].toSorted() : all.has(wanted) ? [wanted] : [];
  const told = limit >= 0 ? families.slice(0, limit) : families;
  const data: Record<string, readonly object[]> = {};
  for (const family of told) {
    const { type, unit, help } = all.get(family)!;
    data[family] = [{ type, unit, help }];
  }
  return dataReply(data);
}

function listReply(chunks: Iterable<string>): HttpReply {
  return { status: 200, headers: { "content-type": "application/json" }, body: chunks };
}
