/** `query`, `query_range` and `format_query` of Prometheus' HTTP API. */
import { formatQueryLines, parseQuery } from "@finch/promql";
import { FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { SYNTAX_LENGTH_MAX } from "./limits.ts";
import type { MetricsLimits } from "./limits.ts";
import {
  badParameter,
  inParameter,
  readDuration,
  readLimit,
  readRequiredTime,
  readTime,
  refuseLongQuery,
} from "./parameters.ts";
import type { QueryPool } from "./query-pool.ts";
import type { QueryJob } from "./query-protocol.ts";
import { withRemedy } from "./query-remedies.ts";
import type { StoredSeries } from "./source.ts";

export interface QueryContext {
  readonly pool: QueryPool;
  readonly source: StoredSeries;
  readonly clock: Clock;
  readonly limits: MetricsLimits;
}

export function queryRoutes(context: QueryContext): readonly HttpRoute[] {
  const route = (
    path: string,
    handle: (request: HttpRequest) => Promise<HttpReply>,
  ): HttpRoute => ({
    kind: "http",
    methods: ["GET", "POST"],
    path,
    faults: "prometheus",
    handle,
  });
  return [
    route("/api/v1/query", (request) => answerInstant(context, request)),
    route("/api/v1/query_range", (request) => answerRange(context, request)),
    route("/api/v1/format_query", async (request) => {
      const parameters = await request.readParameters();
      const query = parameters.get("query") ?? "";
      refuseLongQuery(query, SYNTAX_LENGTH_MAX);
      const expr = inParameter("query", () => parseQuery(query));
      return jsonReply(200, { status: "success", data: formatQueryLines(expr) });
    }),
  ];
}

async function answerInstant(context: QueryContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const limit = readLimit(parameters);
  const timeMs = readTime(parameters, "time", context.clock.nowMs());
  const query = parameters.get("query") ?? "";
  const lookbackMs = readLookback(parameters, context.limits);
  const range = { startMs: timeMs, endMs: timeMs, stepMs: 1 };
  return await evaluate(context, request, parameters, {
    kind: "instant",
    query,
    ...range,
    lookbackMs,
    limit,
    statistics: readStatistics(parameters),
  });
}

async function answerRange(context: QueryContext, request: HttpRequest): Promise<HttpReply> {
  const { limits } = context;
  const parameters = await request.readParameters();
  const limit = readLimit(parameters);
  const startMs = readRequiredTime(parameters, "start");
  const endMs = readRequiredTime(parameters, "end");
  if (endMs < startMs) throw badParameter("end", "end timestamp must not be before start time");
  const stepMs = Math.trunc(readDuration(parameters, "step") ?? Number.NaN);
  if (Number.isNaN(stepMs)) throw badParameter("step", 'cannot parse "" to a valid duration');
  if (stepMs <= 0) {
    throw badParameter(
      "step",
      "zero or negative query resolution step widths are not accepted. Try a positive integer",
    );
  }
  if ((endMs - startMs) / stepMs > limits.pointsPerSeriesMax) {
    throw new FinchError(
      "invalid",
      "server/too-many-points",
      `exceeded maximum resolution of ${limits.pointsPerSeriesMax.toLocaleString("en")} points per timeseries. Try decreasing the query resolution (?step=XX)`,
    );
  }
  const query = parameters.get("query") ?? "";
  const lookbackMs = readLookback(parameters, limits);
  return await evaluate(context, request, parameters, {
    kind: "range",
    query,
    startMs,
    endMs,
    stepMs,
    lookbackMs,
    limit,
    statistics: readStatistics(parameters),
  });
}

/** Has a worker evaluate the query within the time allowed, and sends on what it answers. */
async function evaluate(
  { limits, pool, source }: QueryContext,
  { signal }: HttpRequest,
  parameters: URLSearchParams,
  job: QueryJob,
): Promise<HttpReply> {
  refuseLongQuery(job.query, limits.query.lengthMax, "query.length_max");
  const asked = readDuration(parameters, "timeout") ?? limits.queryTimeoutMs;
  if (asked <= 0) throw badParameter("timeout", "give a positive duration");
  const timeoutMs = Math.min(asked, limits.queryTimeoutMs);
  try {
    const { body } = await pool.run(job, { signal, timeoutMs, source });
    return {
      status: 200,
      headers: { "content-type": "application/json" },
      body,
      givesBody: true,
    };
  } catch (error) {
    throw namePlace(withRemedy(error));
  }
}

/** Faults of the query text are faults of the parameter. */
function namePlace(error: unknown): unknown {
  if (!(error instanceof FinchError)) return error;
  if (error.kind !== "invalid" && error.kind !== "unsupported") return error;
  return new FinchError(error.kind, error.code, `invalid parameter "query": ${error.message}`, {
    cause: error,
  });
}

/** Any text asks for a summary, `all` for the figures of each step as well. */
function readStatistics(parameters: URLSearchParams): QueryJob["statistics"] {
  const text = parameters.get("stats") ?? "";
  return text === "" ? "none" : text === "all" ? "each-step" : "summary";
}

function readLookback(parameters: URLSearchParams, limits: MetricsLimits): number {
  const lookbackMs = readDuration(parameters, "lookback_delta");
  if (lookbackMs !== undefined && lookbackMs < 0) {
    throw badParameter("lookback_delta", "give a positive duration");
  }
  return lookbackMs || limits.lookbackMs;
}
