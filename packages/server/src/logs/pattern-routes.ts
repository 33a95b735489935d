/**
 * `patterns` of Loki's HTTP API: patterns of lines by level, counted by time, as the store has mined them over as much time as there are lines. What takes too long ends with the
 * patterns so far, and says from when on they are.
 */
import { compileLineSelection } from "@finch/logql";
import { formatRfc3339 } from "@finch/model";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { LogStore, PatternAnswer } from "@finch/store";
import { withTimeout } from "../query-gate.ts";
import { readQueryRange, readStepMs } from "./parameters.ts";
import type { LogsQueryContext } from "./query-routes.ts";
import { textRoute } from "./text-route.ts";

interface PatternContext extends LogsQueryContext {
  readonly store: LogStore;
}

/** Times are told in whole seconds. */
const STEP_MS_MIN = 1000;

export function patternRoutes(context: PatternContext): readonly HttpRoute[] {
  return [textRoute("/loki/api/v1/patterns", (request) => answerPatterns(context, request))];
}

async function answerPatterns(context: PatternContext, request: HttpRequest): Promise<HttpReply> {
  const { clock, gate, limits, store } = context;
  const parameters = await request.readParameters();
  const range = readQueryRange(parameters, clock.nowMs(), limits);
  const { matchers, rows } = compileLineSelection(parameters.get("query") ?? "");
  const stepMs = Math.max(STEP_MS_MIN, readStepMs(parameters, range, limits));
  using limited = withTimeout(request.signal, limits.queryTimeoutMs, "query timed out");
  using _place = await gate.enter(limited.signal);
  const endMs = clock.monotonicMs() + limits.patternsTimeMs;
  const answer = await store.patterns({
    ...range,
    matchers,
    ...(rows !== undefined && { rows }),
    stepSeconds: Math.floor(stepMs / 1000),
    isLate: () => clock.monotonicMs() >= endMs,
    signal: limited.signal,
  });
  const data = answer.patterns.map(({ pattern, level, samples }) => ({ pattern, level, samples }));
  const warnings = warningsOf(answer);
  return jsonReply(200, { status: "success", data, ...(warnings.length > 0 && { warnings }) });
}

function warningsOf({ others, sinceNs }: PatternAnswer): readonly string[] {
  const warnings: string[] = [];
  if (sinceNs !== undefined)
    warnings.push(
      `only lines since ${formatRfc3339(sinceNs)} were looked at: ask for less time or fewer streams`,
    );
  if (others > 0) warnings.push(`${others} more lines have patterns too rare to be listed`);
  return warnings;
}
