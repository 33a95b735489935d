/** The paths that Loki's API had before 2019, `/api/prom/…`, which old clients still ask; answers in the shapes of then. */
import { mergeEntryLabels, parseQuery } from "@finch/logql";
import type { LogEntry, LogStream } from "@finch/logql";
import { formatRfc3339 } from "@finch/model";
import type { Labels } from "@finch/model";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { answerLabelNames, answerLabelValues, answerSeries } from "./label-routes.ts";
import type { LogsLabelContext } from "./label-routes.ts";
import { badRequest } from "./parameters.ts";
import { evaluateRange } from "./query-routes.ts";
import type { LogsQueryContext } from "./query-routes.ts";
import { describeStatistics } from "./result-json.ts";
import { textRoute } from "./text-route.ts";

export function legacyRoutes(context: LogsQueryContext & LogsLabelContext): readonly HttpRoute[] {
  const values = (data: readonly string[]) =>
    jsonReply(200, data.length > 0 ? { values: data } : {});
  return [
    textRoute("/api/prom/query", (request) => answerQuery(context, request)),
    textRoute("/api/prom/label", async (request) =>
      values(await answerLabelNames(context, request)),
    ),
    textRoute("/api/prom/label/:name/values", async (request) =>
      values(await answerLabelValues(context, request)),
    ),
    textRoute("/api/prom/series", (request) => answerSeries(context, request)),
  ];
}

/** `query` is a log query; `regexp` filters its lines further. */
async function answerQuery(context: LogsQueryContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const regexp = parameters.get("regexp") ?? "";
  let text = parameters.get("query") ?? "";
  if (parseQuery(text).kind !== "log")
    throw badRequest("legacy endpoints only support streams result type");
  if (regexp !== "") text += ` |~ ${JSON.stringify(regexp)}`;
  const { answer, queueSeconds } = await evaluateRange(context, request, text);
  const streams = answer.type === "streams" ? answer.streams : [];
  return jsonReply(200, {
    streams: flatten(streams).map(({ labels, entries }) => ({
      labels: labels.toString(),
      entries: entries.map(({ timestampNs, line }) => ({ ts: formatRfc3339(timestampNs), line })),
    })),
    stats: describeStatistics(answer.statistics, queueSeconds),
  });
}

/** Streams by all labels of their entries. */
function flatten(
  streams: readonly LogStream[],
): readonly { readonly labels: Labels; readonly entries: readonly LogEntry[] }[] {
  const groups = new Map<string, { readonly labels: Labels; readonly entries: LogEntry[] }>();
  for (const stream of streams) {
    for (const entry of stream.entries) {
      const labels = mergeEntryLabels(stream.labels, entry);
      const group = groups.get(labels.key);
      if (group === undefined) groups.set(labels.key, { labels, entries: [entry] });
      else group.entries.push(entry);
    }
  }
  return [...groups.values()];
}
