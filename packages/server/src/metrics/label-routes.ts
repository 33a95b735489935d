/** `series`, `labels`, `label/NAME/values`, `metadata` and `status/buildinfo` of Prometheus' HTTP API. */
import { compareLabels } from "@finch/model";
import type { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpMethod, HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";
import { describeBuild } from "../build-info.ts";
import type { BuildInfo } from "../build-info.ts";
import { readLimit, readScopes, unescapeLabelName } from "./parameters.ts";
import { toAsync } from "./query-routes.ts";
import { writeLabels, writeListAnswer } from "./result-json.ts";

export function labelRoutes(store: MetricStore, build: BuildInfo): readonly HttpRoute[] {
  const route = (
    path: string,
    methods: readonly HttpMethod[],
    handle: (request: HttpRequest) => Promise<HttpReply>,
  ): HttpRoute => ({ kind: "http", methods, path, faults: "prometheus", handle });
  return [
    route("/api/v1/series", ["GET", "POST"], (request) => answerSeries(store, request)),
    route("/api/v1/labels", ["GET", "POST"], (request) => answerLabels(store, request)),
    route("/api/v1/label/:name/values", ["GET"], (request) => answerValues(store, request)),
    route("/api/v1/metadata", ["GET"], (request) => answerMetadata(store, request)),
    route("/api/v1/status/buildinfo", ["GET"], () =>
      Promise.resolve(
        jsonReply(200, { status: "success", data: describeBuild("prometheus", build) }),
      ),
    ),
  ];
}

async function answerSeries(store: MetricStore, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  if (!parameters.has("match[]")) {
    throw new FinchError("invalid", "server/no-selector", "no match[] parameter provided");
  }
  const limit = readLimit(parameters);
  const scopes = readScopes(parameters);
  const lists = await Promise.all(scopes.map((scope) => store.series(scope)));
  const byKey = new Map<string, Labels>();
  for (const list of lists) for (const labels of list) byKey.set(labels.key, labels);
  const series = lists.length === 1 ? lists[0]! : [...byKey.values()].toSorted(compareLabels);
  return listReply(writeListAnswer(series, limit, writeLabels));
}

async function answerLabels(store: MetricStore, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const limit = readLimit(parameters);
  const scopes = readScopes(parameters);
  const lists = await Promise.all(scopes.map((scope) => store.labelNames(scope)));
  return listReply(writeListAnswer(unite(lists), limit, JSON.stringify));
}

async function answerValues(store: MetricStore, request: HttpRequest): Promise<HttpReply> {
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
  const scopes = readScopes(parameters);
  const lists = await Promise.all(scopes.map((scope) => store.labelValues(name, scope)));
  return listReply(writeListAnswer(unite(lists), limit, JSON.stringify));
}

async function answerMetadata(store: MetricStore, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const limit = readLimit(parameters);
  // One entry is kept for each family, so a positive `limit_per_metric` changes nothing; it is still checked.
  readLimit(parameters, "limit_per_metric");
  const wanted = parameters.get("metric") ?? "";
  const all = store.metadata();
  const families = wanted === "" ? [...all.keys()].toSorted() : all.has(wanted) ? [wanted] : [];
  const told = limit > 0 ? families.slice(0, limit) : families;
  const data: Record<string, readonly object[]> = {};
  for (const family of told) {
    const { type, unit, help } = all.get(family)!;
    data[family] = [{ type, unit, help }];
  }
  return jsonReply(200, { status: "success", data });
}

function listReply(chunks: Iterable<string>): HttpReply {
  return { status: 200, headers: { "content-type": "application/json" }, body: toAsync(chunks) };
}

/** Sorted lists as one, each element once. */
function unite(lists: readonly (readonly string[])[]): readonly string[] {
  return lists.length === 1 ? lists[0]! : [...new Set(lists.flat())].toSorted();
}
