/**
 * `patterns` of Loki's HTTP API: mined from the lines that a query finds, newest first, over as much time as there are lines. What takes too long
 * ends with the patterns so far, and says from when on they are.
 */
import { setImmediate } from "node:timers/promises";
import { compileLineSelection, createPatternMiner } from "@finch/logql";
import { formatRfc3339 } from "@finch/model";
import type { LogPage } from "@finch/model";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { LogStore } from "@finch/store";
import { withTimeout } from "../query-gate.ts";
import { readQueryRange, readStepMs } from "./parameters.ts";
import type { LogsQueryContext } from "./query-routes.ts";
import { textRoute } from "./text-route.ts";

interface PatternContext extends LogsQueryContext {
  readonly store: LogStore;
}

/** Times are told in whole seconds. */
const STEP_MS_MIN = 1000;
/** Mining goes on this long before other work has its turn. */
const TURN_MS = 10;
const NS_PER_SECOND = 1_000_000_000n;

export function patternRoutes(context: PatternContext): readonly HttpRoute[] {
  return [textRoute("/loki/api/v1/patterns", (request) => answerPatterns(context, request))];
}

async function answerPatterns(context: PatternContext, request: HttpRequest): Promise<HttpReply> {
  const { clock, gate, limits, store } = context;
  const parameters = await request.readParameters();
  const range = readQueryRange(parameters, clock.nowMs(), limits);
  const { matchers, rows } = compileLineSelection(parameters.get("query") ?? "");
  const stepMs = Math.max(STEP_MS_MIN, readStepMs(parameters, range, limits));
  const stepSeconds = BigInt(Math.floor(stepMs / 1000));
  using limited = withTimeout(request.signal, limits.queryTimeoutMs, "query timed out");
  using _place = await gate.enter(limited.signal);
  const { signal } = limited;
  const select = {
    ...range,
    matchers,
    needles: [],
    lines: "all",
    direction: "backward",
    signal,
  } as const;
  const miner = createPatternMiner();
  const endMs = clock.monotonicMs() + limits.patternsTimeMs;
  let turnEndMs = clock.monotonicMs() + TURN_MS;
  let warnings: readonly string[] | undefined;
  for await (const page of store.select(select, { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 })) {
    const chosen = rows?.(page) ?? Uint32Array.from({ length: page.entries.count }, (_, i) => i);
    miner.add(page.entries, chosen, countingIn(page, stepSeconds));
    const nowMs = clock.monotonicMs();
    if (nowMs >= endMs) {
      // Pages come by their newest line: what is newer than that has been seen.
      const since = formatRfc3339(page.entries.timestampsNs[page.entries.count - 1]!);
      warnings = [`only lines since ${since} were looked at: ask for less time or fewer streams`];
      break;
    }
    if (nowMs < turnEndMs) continue;
    await setImmediate();
    signal.throwIfAborted();
    turnEndMs = clock.monotonicMs() + TURN_MS;
  }
  const data = miner.patterns().map(({ pattern, level, samples }) => ({ pattern, level, samples }));
  return jsonReply(200, { status: "success", data, ...(warnings !== undefined && { warnings }) });
}

/** A row counts for its level, and for the second at which its step begins. */
function countingIn({ entries }: LogPage, stepSeconds: bigint) {
  const { metadataOf, metadataSets, timestampsNs } = entries;
  const levels: (string | undefined)[] = [];
  const stepNs = stepSeconds * NS_PER_SECOND;
  let startNs = 0n;
  let startSeconds = 0;
  return {
    levelOf: (row: number): string => {
      const set = metadataOf[row]!;
      return (levels[set] ??= metadataSets[set]!.get("detected_level") || "unknown");
    },
    stepOf: (row: number): number => {
      const ns = timestampsNs[row]!;
      // Rows ascend: most are in the step of the one before.
      if (ns < startNs || ns >= startNs + stepNs) {
        const rest = ns % stepNs;
        startNs = ns - (rest < 0n ? rest + stepNs : rest);
        startSeconds = Number(startNs / NS_PER_SECOND);
      }
      return startSeconds;
    },
  };
}
