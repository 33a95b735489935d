/** `labels`, `label/NAME/values`, `series` and `status/buildinfo` of Loki's HTTP API. */
import { parseSelector } from "@finch/logql";
import { compareLabels } from "@finch/model";
import type { Labels, Matcher } from "@finch/model";
import type { Clock } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { LabelScope, LogStore } from "@finch/store";
import { describeBuild } from "../build-info.ts";
import type { BuildInfo } from "../build-info.ts";
import { distinctSelectors, readLists, uniteLists } from "../label-lists.ts";
import type { LabelReads } from "../label-lists.ts";
import type { QueryGate } from "../query-gate.ts";
import type { LogsLimits } from "./limits.ts";
import { readRange } from "./parameters.ts";
import type { TimeRangeNs } from "./parameters.ts";
import { textRoute } from "./text-route.ts";

export interface LogsLabelContext {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly build: BuildInfo;
  readonly gate: QueryGate;
  readonly limits: LogsLimits;
}

export function labelRoutes(context: LogsLabelContext): readonly HttpRoute[] {
  const success = (data: readonly string[]) => jsonReply(200, { status: "success", data });
  const names = async (request: HttpRequest) => success(await answerLabelNames(context, request));
  const build = describeBuild("loki", context.build);
  return [
    textRoute("/loki/api/v1/labels", names),
    textRoute("/loki/api/v1/label", names),
    textRoute("/loki/api/v1/label/:name/values", async (request) =>
      success(await answerLabelValues(context, request)),
    ),
    textRoute("/loki/api/v1/series", (request) => answerSeries(context, request)),
    textRoute("/loki/api/v1/status/buildinfo", () => Promise.resolve(jsonReply(200, build))),
  ];
}

/** Labels of our own bookkeeping, such as `__error__`, are not for people to choose from. */
export function isInternalLabel(name: string): boolean {
  return name.startsWith("__") && name.endsWith("__");
}

/** Label names that people may see. */
export async function answerLabelNames(
  context: LogsLabelContext,
  request: HttpRequest,
): Promise<readonly string[]> {
  const scope = await readScope(context, request);
  const names = await readOne(context, request, () => context.store.labelNames(scope));
  return names.filter((name) => !isInternalLabel(name));
}

/** Values of the label that the path names. */
export async function answerLabelValues(
  context: LogsLabelContext,
  request: HttpRequest,
): Promise<readonly string[]> {
  const scope = await readScope(context, request);
  const name = request.params["name"]!;
  return await readOne(context, request, () => context.store.labelValues(name, scope));
}

export async function answerSeries(
  context: LogsLabelContext,
  request: HttpRequest,
): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const range = readRange(parameters, context.clock.nowMs());
  const given = [...parameters.getAll("match[]"), ...parameters.getAll("match")];
  const selectors = given.length === 0 ? ["{}"] : distinctSelectors(given);
  const scopes = selectors.map((text) => toScope(readMatchers(text), range));
  const lists = readLists(readsOf(context, request), scopes, (scope) =>
    context.store.series(scope),
  );
  const byKey = new Map<string, Labels>();
  for await (const list of lists) for (const labels of list) byKey.set(labels.key, labels);
  return jsonReply(200, { status: "success", data: [...byKey.values()].toSorted(compareLabels) });
}

function readsOf({ gate, limits }: LogsLabelContext, { signal }: HttpRequest): LabelReads {
  return { gate, timeoutMs: limits.queryTimeoutMs, signal };
}

async function readOne(
  context: LogsLabelContext,
  request: HttpRequest,
  read: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  return await uniteLists(readLists(readsOf(context, request), [0], read));
}

/** The selector and range of a request; without a selector every stream. */
export async function readScope(
  context: { readonly clock: Clock },
  request: HttpRequest,
): Promise<LabelScope> {
  const parameters = await request.readParameters();
  const range = readRange(parameters, context.clock.nowMs());
  return toScope(readMatchers(parameters.get("query") ?? ""), range);
}

/** `{}` and nothing at all select every stream here, unlike in queries. */
export function readMatchers(text: string): readonly Matcher[] {
  return /^\s*(?:\{\s*\})?\s*$/.test(text) ? [] : parseSelector(text);
}

function toScope(matchers: readonly Matcher[], range: TimeRangeNs): LabelScope {
  return {
    matchers,
    startMs: Number(range.startNs / 1_000_000n),
    endMs: Number((range.endNs - 1n) / 1_000_000n),
  };
}
