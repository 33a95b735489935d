/** `query`, `query_range` and `format_query` of Loki's HTTP API. */
import { formatQuery, parseQuery } from "@finch/logql";
import type { Engine, InstantResult, LogSource, RangeResult } from "@finch/logql";
import { describeError, FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { withTimeout } from "../query-gate.ts";
import type { QueryGate } from "../query-gate.ts";
import type { LogsLimits } from "./limits.ts";
import {
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
  readonly engine: Engine;
  readonly source: LogSource;
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
        return jsonReply(200, { status: "success", data: formatQuery(parseQuery(query)) });
      } catch (error) {
        if (!(error instanceof FinchError)) throw error;
        return jsonReply(400, { status: "invalid-query", error: describeError(error) });
      }
    }),
  ];
}

async function answerRange(context: LogsQueryContext, request: HttpRequest): Promise<HttpReply> {
  const { engine, source, limits, clock } = context;
  const parameters = await request.readParameters();
  const range = readQueryRange(parameters, clock.nowMs(), limits);
  const query = parseQuery(parameters.get("query") ?? "");
  const limit = readEntryLimit(parameters);
  const direction = readDirection(parameters);
  const stepNs = toNs(readStepMs(parameters, range, limits));
  const intervalNs = toNs(readIntervalMs(parameters));
  if (query.kind === "log") checkEntryLimit(limit, limits);
  return await evaluate(context, request, (signal) =>
    engine.rangeQuery({ source, query, ...range, stepNs, intervalNs, limit, direction, signal }),
  );
}

async function answerInstant(context: LogsQueryContext, request: HttpRequest): Promise<HttpReply> {
  const { engine, source, clock } = context;
  const parameters = await request.readParameters();
  const timeNs = readTimeNs(parameters, "time") ?? BigInt(Math.floor(clock.nowMs())) * 1_000_000n;
  const query = parseQuery(parameters.get("query") ?? "");
  const limit = readEntryLimit(parameters);
  const direction = readDirection(parameters);
  return await evaluate(context, request, (signal) =>
    engine.instantQuery({ source, query, timeNs, limit, direction, signal }),
  );
}

async function evaluate(
  context: LogsQueryContext,
  request: HttpRequest,
  run: (signal: AbortSignal) => Promise<RangeResult | InstantResult>,
): Promise<HttpReply> {
  const { gate, limits } = context;
  using limited = withTimeout(request.signal, limits.queryTimeoutMs, "query timed out");
  using _place = await gate.enter(limited.signal);
  const answer = await run(limited.signal);
  const categorize = asksToCategorize(request.header(ENCODING_FLAGS_HEADER));
  return {
    status: 200,
    headers: { "content-type": "application/json; charset=UTF-8" },
    body: writeLogsAnswer(answer, categorize),
  };
}

/** Rounded to a nanosecond, at least one where there is any. */
function toNs(ms: number): bigint {
  return ms > 0 && ms < 1e-6 ? 1n : BigInt(Math.round(ms * 1e6));
}
