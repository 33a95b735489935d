/** The paths that Loki's API had before 2019, `/api/prom/…`, which old clients still ask; answers in the shapes of then. */
import { parseQuery } from "@finch/logql";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { answerLabelNames, answerLabelValues, answerSeries } from "./label-routes.ts";
import type { LogsLabelContext } from "./label-routes.ts";
import { badRequest } from "./parameters.ts";
import { evaluateRange } from "./query-routes.ts";
import type { LogsQueryContext } from "./query-routes.ts";
import { describeStatistics, rowsOf, writeLegacyStreams } from "./result-json.ts";
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
  const streams = writeLegacyStreams(answer.type === "streams" ? rowsOf(answer) : []);
  const stats = JSON.stringify(describeStatistics(answer.statistics, queueSeconds));
  const headers = { "content-type": "application/json" };
  return { status: 200, headers, body: `{"streams":${streams},"stats":${stats}}` };
}
