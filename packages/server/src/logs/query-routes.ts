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
import { textRoute } from "./text-route.ts";

export interface LogsQueryContext {
  readonly engine: Engine;
  readonly source: LogSource;
  readonly gate: QueryGate;
  readonly clock: Clock;
  readonly limits: LogsLimits;
}

/** Loki's header that asks for label categories apart; Grafana always sends it. */
export const ENCODING_FLAGS_HEADER = "x-loki-response-encoding-flags";

const NS_PER_MS = 1_000_000n;

export function queryRoutes(context: LogsQueryContext): readonly HttpRoute[] {
  return [
    textRoute("/loki/api/v1/query_range", (request) => answerRange(context, request)),
    textRoute("/loki/api/v1/query", (request) => answerInstant(context, request)),
    textRoute("/loki/api/v1/format_query", async (request) => {
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
  const text = (await request.readParameters()).get("query") ?? "";
  return reply(request, await evaluateRange(context, request, text));
}

async function answerInstant(context: LogsQueryContext, request: HttpRequest): Promise<HttpReply> {
  const { engine, source, clock } = context;
  const parameters = await request.readParameters();
  const timeNs = readTimeNs(parameters, "time") ?? BigInt(Math.floor(clock.nowMs())) * 1_000_000n;
  const query = parseQuery(parameters.get("query") ?? "");
  const limit = readEntryLimit(parameters);
  const direction = readDirection(parameters);
  const evaluated = await evaluate(context, request, (signal) =>
    engine.instantQuery({ source, query, timeNs, limit, direction, signal }),
  );
  return reply(request, evaluated);
}

interface Evaluated<Answer> {
  readonly answer: Answer;
  /** How long the query waited for its turn. */
  readonly queueSeconds: number;
}

/** Evaluates a query with the other parameters of `query_range` that the request has. */
export async function evaluateRange(
  context: LogsQueryContext,
  request: HttpRequest,
  text: string,
): Promise<Evaluated<RangeResult>> {
  const { engine, source, limits, clock } = context;
  const parameters = await request.readParameters();
  const range = readQueryRange(parameters, clock.nowMs(), limits);
  const query = parseQuery(text);
  const limit = readEntryLimit(parameters);
  const direction = readDirection(parameters);
  const stepNs = toNs(readStepMs(parameters, range, limits));
  const intervalNs = toNs(readIntervalMs(parameters));
  if (query.kind === "log") checkEntryLimit(limit, limits);
  const wanted = { source, query, ...range, stepNs, intervalNs, limit, direction };
  const pageUnitNs = pageUnitOf(request);
  return await evaluate(context, request, (signal) =>
    engine.rangeQuery({ ...wanted, pageUnitNs, signal }),
  );
}

/** Grafana asks for the next page from the millisecond of the last line: what else is of that millisecond must be on the page before. */
function pageUnitOf(request: HttpRequest): bigint {
  return request.header("user-agent").startsWith("Grafana/") ? NS_PER_MS : 1n;
}

async function evaluate<Answer>(
  context: LogsQueryContext,
  request: HttpRequest,
  run: (signal: AbortSignal) => Promise<Answer>,
): Promise<Evaluated<Answer>> {
  const { clock, gate, limits } = context;
  using limited = withTimeout(request.signal, limits.queryTimeoutMs, "query timed out");
  const askedMs = clock.monotonicMs();
  using _place = await gate.enter(limited.signal);
  const queueSeconds = (clock.monotonicMs() - askedMs) / 1000;
  return { answer: await run(limited.signal), queueSeconds };
}

function reply(
  request: HttpRequest,
  { answer, queueSeconds }: Evaluated<RangeResult | InstantResult>,
): HttpReply {
  const categorize = asksToCategorize(request.header(ENCODING_FLAGS_HEADER));
  return {
    status: 200,
    headers: { "content-type": "application/json; charset=UTF-8" },
    body: writeLogsAnswer(answer, { categorize, queueSeconds }),
  };
}

/** Rounded to a nanosecond, at least one where there is any. */
function toNs(ms: number): bigint {
  return ms > 0 && ms < 1e-6 ? 1n : BigInt(Math.round(ms * 1e6));
}
