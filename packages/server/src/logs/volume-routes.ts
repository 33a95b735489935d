/** `index/stats` and `index/volume` of Loki's HTTP API, counted from the entries themselves: exact, and bounded by the query gate. */
import { Labels } from "@finch/model";
import type { LogPage, Matcher } from "@finch/model";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { LogStore } from "@finch/store";
import { withTimeout } from "../query-gate.ts";
import { readMatchers } from "./label-routes.ts";
import type { LogsQueryContext } from "./query-routes.ts";
import { badRequest, readCount, readQueryRange } from "./parameters.ts";

interface VolumeContext extends LogsQueryContext {
  readonly store: LogStore;
}

export function volumeRoutes(context: VolumeContext): readonly HttpRoute[] {
  const route = (
    path: string,
    handle: (request: HttpRequest) => Promise<HttpReply>,
  ): HttpRoute => ({
    kind: "http",
    methods: ["GET", "POST"],
    path,
    faults: "text",
    handle,
  });
  return [
    route("/loki/api/v1/index/stats", (request) => answerStats(context, request)),
    route("/loki/api/v1/index/volume", (request) => answerVolume(context, request)),
  ];
}

async function answerStats(context: VolumeContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const streams = new Set<string>();
  let chunks = 0;
  let bytes = 0;
  let entries = 0;
  await scan(context, request, parameters, (page) => {
    streams.add(page.labels.key);
    chunks++;
    bytes += lineBytes(page);
    entries += page.entries.count;
  });
  return jsonReply(200, { streams: streams.size, chunks, bytes, entries });
}

async function answerVolume(context: VolumeContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const limit = readCount(parameters, "limit", 100);
  const by = parameters.get("aggregateBy") || "series";
  if (by !== "series" && by !== "labels") {
    throw badRequest(`aggregateBy: ${JSON.stringify(by)} is neither series nor labels`);
  }
  const targets = (parameters.get("targetLabels") ?? "").split(",").filter((name) => name !== "");
  const volumes = new Map<string, { readonly labels: Labels; bytes: number }>();
  const endMs = await scan(context, request, parameters, (page, matchers) => {
    const bytes = lineBytes(page);
    for (const labels of volumeKeys(page.labels, by, targets, matchers)) {
      const known = volumes.get(labels.key);
      if (known === undefined) volumes.set(labels.key, { labels, bytes });
      else known.bytes += bytes;
    }
  });
  const result = [...volumes.values()]
    .map(({ labels, bytes }) => ({ labels, bytes, name: labels.toString() }))
    .toSorted((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1))
    .slice(0, limit)
    .map(({ labels, bytes }) => ({ metric: labels, value: [endMs / 1000, String(bytes)] }));
  return jsonReply(200, { status: "success", data: { resultType: "vector", result, stats: {} } });
}

/** What a stream's bytes are counted under: its labels that were asked for or matched on, or each label name by itself. */
function volumeKeys(
  labels: Labels,
  by: "series" | "labels",
  targets: readonly string[],
  matchers: readonly Matcher[],
): readonly Labels[] {
  const matched = matchers.map((matcher) => matcher.name);
  if (by === "series") {
    const names = targets.length > 0 ? targets : matched;
    return [labels.keep(new Set(names.length > 0 ? names : [...labels].map(([name]) => name)))];
  }
  const names = targets.length > 0 ? targets : [...labels].map(([name]) => name);
  return names.filter((name) => labels.has(name)).map((name) => Labels.raw([name, ""]));
}

async function scan(
  context: VolumeContext,
  request: HttpRequest,
  parameters: URLSearchParams,
  visit: (page: LogPage, matchers: readonly Matcher[]) => void,
): Promise<number> {
  const { clock, gate, limits, store } = context;
  const range = readQueryRange(parameters, clock.nowMs(), limits);
  const matchers = readMatchers(parameters.get("query") ?? "");
  using limited = withTimeout(request.signal, limits.queryTimeoutMs, "query timed out");
  using _place = await gate.enter(limited.signal);
  const { signal } = limited;
  const statistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
  const select = { ...range, matchers, needles: [], direction: "forward", signal } as const;
  for await (const page of store.select(select, statistics)) visit(page, matchers);
  return Number(range.endNs / 1_000_000n);
}

function lineBytes(page: LogPage): number {
  const { lineBounds, count } = page.entries;
  return lineBounds[count]! - lineBounds[0]!;
}
