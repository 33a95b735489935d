/** `query`, `query_range` and `format_query` of Loki's HTTP API. */
import { describeError, FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { withTimeout } from "../query-gate.ts";
import type { QueryGate } from "../query-gate.ts";
import type { LogsAnswer, LogsEngine } from "./engine.ts";
import type { LogsLimits } from "./limits.ts";
import {
  badRequest,
  checkEntryLimit,
  readDirection,
  readEntryLimit,
  readIntervalMs,
  readQueryRange,
  readStepMs,
  readTimeNs,
} from "./parameters.ts";
import { asksToCategorize, writeLogsAnswer } from "./result-json.ts";

export interface LogsQueryContext {
  readonly engine: LogsEngine;
  readonly gate: QueryGate;
  readonly clock: Clock;
  readonly limits: LogsLimits;
}

/** Loki's header that asks for label categories apart; Grafana always sends it. */
export const ENCODING_FLAGS_HEADER = "x-loki-response-encoding-flags";

export function queryRoutes(context: LogsQueryContext): readonly HttpRoute[] {
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
    route("/loki/api/v1/query_range", (request) => answerRange(context, request)),
    route("/loki/api/v1/query", (request) => answerInstant(context, request)),
    route("/loki/api/v1/format_query", async (request) => {
      const query = (await request.readParameters()).get("query") ?? "";
      try {
        return jsonReply(200, { status: "success", data: context.engine.format(query) });
      } catch (error) {
        if (!(error instanceof FinchError)) throw error;
        return jsonReply(400, { status: "invalid-query", error: describeError(error) });
      }
    }),
  ];
}

async function answerRange(context: LogsQueryContext, request: HttpRequest): Promise<HttpReply> {
  const { engine, limits, clock } = context;
  const parameters = await request.readParameters();
  const range = readQueryRange(parameters, clock.nowMs(), limits);
  const query = engine.parse(parameters.get("query") ?? "");
  const limit = readEntryLimit(parameters);
  const direction = readDirection(parameters);
  const stepMs = readStepMs(parameters, range, limits);
  const intervalMs = readIntervalMs(parameters);
  if (!query.isMetric) checkEntryLimit(limit, limits);
  return await evaluate(context, request, (signal) =>
    engine.queryRange(query, { ...range, stepMs, intervalMs, limit, direction, signal }),
  );
}

async function answerInstant(context: LogsQueryContext, request: HttpRequest): Promise<HttpReply> {
  const { engine, clock } = context;
  const parameters = await request.readParameters();
  const timeNs = readTimeNs(parameters, "time") ?? BigInt(Math.floor(clock.nowMs())) * 1_000_000n;
  const query = engine.parse(parameters.get("query") ?? "");
  readEntryLimit(parameters);
  readDirection(parameters);
  if (!query.isMetric) {
    throw badRequest(
      "log queries are not supported as an instant query type, please change your query to a range query type",
    );
  }
  return await evaluate(context, request, (signal) =>
    engine.queryInstant(query, { timeNs, signal }),
  );
}

async function evaluate(
  context: LogsQueryContext,
  request: HttpRequest,
  run: (signal: AbortSignal) => Promise<LogsAnswer>,
): Promise<HttpReply> {
  const { clock, gate, limits } = context;
  using limited = withTimeout(request.signal, limits.queryTimeoutMs, "query timed out");
  using _place = await gate.enter(limited.signal);
  const started = clock.monotonicMs();
  const answer = await run(limited.signal);
  checkSeriesCount(answer, limits);
  const execSeconds = (clock.monotonicMs() - started) / 1000;
  const categorize = asksToCategorize(request.header(ENCODING_FLAGS_HEADER));
  return {
    status: 200,
    headers: { "content-type": "application/json; charset=UTF-8" },
    body: toAsync(writeLogsAnswer(answer, { categorize, execSeconds })),
  };
}

function checkSeriesCount(answer: LogsAnswer, limits: LogsLimits): void {
  const { value } = answer;
  const count =
    value.kind === "matrix"
      ? value.series.length
      : value.kind === "vector"
        ? value.samples.length
        : 0;
  if (count > limits.seriesPerQueryMax) {
    throw badRequest(
      `maximum number of series (${limits.seriesPerQueryMax}) reached for a single query; consider reducing query cardinality by adding more specific stream selectors, reducing the time range, or aggregating results with functions like sum(), count() or topk()`,
    );
  }
}

async function* toAsync(chunks: Iterable<string>): AsyncGenerator<string> {
  yield* chunks;
}
