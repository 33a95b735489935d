/** `series`, `labels`, `label/NAME/values`, `metadata` and `status/buildinfo` of Prometheus' HTTP API. */
import { compareLabels } from "@finch/model";
import type { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpMethod, HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";
import { describeBuild } from "../build-info.ts";
import type { BuildInfo } from "../build-info.ts";
import { readLists, uniteLists } from "../label-lists.ts";
import type { LabelReads } from "../label-lists.ts";
import type { QueryGate } from "../query-gate.ts";
import type { MetricsLimits } from "./limits.ts";
import { readLimit, readScopes, readSignedLimit, unescapeLabelName } from "./parameters.ts";
import { toAsync } from "./query-routes.ts";
import { writeLabels, writeListAnswer } from "./result-json.ts";

export interface LabelContext {
  readonly store: MetricStore;
  readonly build: BuildInfo;
  readonly gate: QueryGate;
  readonly limits: MetricsLimits;
}

export function labelRoutes(context: LabelContext): readonly HttpRoute[] {
  const route = (
    path: string,
    methods: readonly HttpMethod[],
    handle: (request: HttpRequest) => Promise<HttpReply>,
  ): HttpRoute => ({ kind: "http", methods, path, faults: "prometheus", handle });
  return [
    route("/api/v1/series", ["GET", "POST"], (request) => answerSeries(context, request)),
    route("/api/v1/labels", ["GET", "POST"], (request) => answerLabels(context, request)),
    route("/api/v1/label/:name/values", ["GET"], (request) => answerValues(context, request)),
    route("/api/v1/metadata", ["GET"], (request) => answerMetadata(context.store, request)),
    route("/api/v1/status/buildinfo", ["GET"], () =>
      Promise.resolve(
        jsonReply(200, { status: "success", data: describeBuild("prometheus", context.build) }),
      ),
    ),
  ];
}

async function answerSeries(context: LabelContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  if (!parameters.has("match[]")) {
    throw new FinchError("invalid", "server/no-selector", "no match[] parameter provided");
  }
  const limit = readLimit(parameters);
  const scopes = readScopes(parameters);
  const byKey = new Map<string, Labels>();
  const lists = readLists(readsOf(context, request), scopes, (scope) =>
    context.store.series(scope),
  );
  for await (const list of lists) for (const labels of list) byKey.set(labels.key, labels);
  const series = [...byKey.values()].toSorted(compareLabels);
  return listReply(writeListAnswer(series, limit, writeLabels));
}

async function answerLabels(context: LabelContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const limit = readLimit(parameters);
  const lists = readLists(readsOf(context, request), readScopes(parameters), (scope) =>
    context.store.labelNames(scope),
  );
  return listReply(writeListAnswer(await uniteLists(lists), limit, JSON.stringify));
}

async function answerValues(context: LabelContext, request: HttpRequest): Promise<HttpReply> {
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

function readsOf({ gate, limits }: LabelContext, { signal }: HttpRequest): LabelReads {
  return { gate, timeoutMs: limits.queryTimeoutMs, signal };
}

async function answerMetadata(store: MetricStore, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  // Here, unlike elsewhere, 0 means no family at all and a negative number all of them.
  const limit = readSignedLimit(parameters, "limit") ?? -1;
  // One entry is kept for each family, so `limit_per_metric` changes nothing; it is still checked.
  readSignedLimit(parameters, "limit_per_metric");
  const wanted = parameters.get("metric") ?? "";
  const all = store.metadata();
  const families = wanted === "" ? [...all.keys()].toSorted() : all.has(wanted) ? [wanted] : [];
  const told = limit >= 0 ? families.slice(0, limit) : families;
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
