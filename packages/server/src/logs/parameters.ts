/** Reads the parameters of Loki's HTTP API. Ranges are [start, end) in nanoseconds. */
import { formatDuration, parseDurationParameter, parseLokiTime } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { LogsLimits } from "./limits.ts";

const NS_PER_MS = 1_000_000n;
const SINCE_MS = 3_600_000;
const LIMIT_DEFAULT = 100;
/** Steps of a range query whose client names none. */
const STEPS_DEFAULT = 250;

export interface TimeRangeNs {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

export function badRequest(message: string): FinchError {
  return new FinchError("invalid", "server/bad-parameter", message);
}

/** `start` and `end`; without them the hour (or `since`) up to now. */
export function readRange(parameters: URLSearchParams, nowMs: number): TimeRangeNs {
  const sinceMs = naming("since", () => readDurationMs(parameters, "since")) ?? SINCE_MS;
  const endNs =
    naming("end", () => readTimeNs(parameters, "end")) ?? BigInt(Math.floor(nowMs)) * NS_PER_MS;
  const nowNs = BigInt(Math.floor(nowMs)) * NS_PER_MS;
  // An end in the future still means "the last hour": it is counted back from now.
  const latest = endNs < nowNs ? endNs : nowNs;
  const startNs =
    naming("start", () => readTimeNs(parameters, "start")) ??
    latest - BigInt(Math.floor(sinceMs)) * NS_PER_MS;
  return { startNs, endNs };
}

/** As {@link readRange}, and refuses a range that ends before it starts, or is overlong. One of no length holds no line, and one step of a metric. */
export function readQueryRange(
  parameters: URLSearchParams,
  nowMs: number,
  limits: LogsLimits,
): TimeRangeNs {
  const range = readRange(parameters, nowMs);
  if (range.endNs < range.startNs) {
    throw badRequest("end timestamp must not be before or equal to start time");
  }
  const lengthMs = Number((range.endNs - range.startNs) / NS_PER_MS);
  if (lengthMs > limits.queryRangeMsMax) {
    throw badRequest(
      `the query time range exceeds the limit (query length: ${formatDuration(lengthMs)}, limit: ${formatDuration(limits.queryRangeMsMax)})`,
    );
  }
  return range;
}

export function readTimeNs(parameters: URLSearchParams, name: string): bigint | undefined {
  const text = parameters.get(name);
  if (text === null || text === "") return undefined;
  return parseLokiTime(text);
}

function readDurationMs(parameters: URLSearchParams, name: string): number | undefined {
  const text = parameters.get(name);
  if (text === null || text === "") return undefined;
  return parseDurationParameter(text);
}

/** The step asked for, else one that gives about 250 points, of whole seconds. */
export function readStepMs(
  parameters: URLSearchParams,
  range: TimeRangeNs,
  limits: LogsLimits,
): number {
  const lengthMs = Number((range.endNs - range.startNs) / NS_PER_MS);
  const byLength = Math.max(1000, Math.floor(lengthMs / 1000 / STEPS_DEFAULT) * 1000);
  const stepMs = readDurationMs(parameters, "step") ?? byLength;
  if (stepMs <= 0) {
    throw badRequest(
      "zero or negative query resolution step widths are not accepted. Try a positive integer",
    );
  }
  if (Math.floor(lengthMs / stepMs) > limits.pointsPerSeriesMax) {
    throw badRequest(
      `exceeded maximum resolution of ${limits.pointsPerSeriesMax.toLocaleString("en")} points per time series. Try increasing the value of the step parameter`,
    );
  }
  return stepMs;
}

export function readIntervalMs(parameters: URLSearchParams): number {
  const intervalMs = readDurationMs(parameters, "interval") ?? 0;
  if (intervalMs < 0) throw badRequest("interval must be >= 0");
  return intervalMs;
}

export function readDirection(parameters: URLSearchParams): "forward" | "backward" {
  const text = parameters.get("direction") ?? "";
  const direction = text === "" ? "backward" : text.toLowerCase();
  if (direction !== "forward" && direction !== "backward") {
    throw badRequest(`invalid direction '${text}'`);
  }
  return direction;
}

/** Entries wanted; a log query may not ask for more than the limit allows. */
export function readEntryLimit(parameters: URLSearchParams): number {
  return readCount(parameters, "limit", LIMIT_DEFAULT);
}

export function checkEntryLimit(limit: number, limits: LogsLimits): void {
  if (limit > limits.entriesPerQueryMax) {
    throw badRequest(
      `max entries limit per query exceeded, limit > max_entries_limit_per_query (${limit} > ${limits.entriesPerQueryMax})`,
    );
  }
}

/** A whole number above zero. */
export function readCount(parameters: URLSearchParams, name: string, otherwise: number): number {
  const text = parameters.get(name);
  if (text === null || text === "") return otherwise;
  if (!/^[+-]?\d{1,15}$/.test(text)) {
    throw badRequest(`${name}: ${JSON.stringify(text)} is not a whole number`);
  }
  const count = Number(text);
  if (count <= 0) throw badRequest(`${name} must be a positive value`);
  return count;
}

/** Seconds; `tail` takes nothing else. */
export function readDelayMs(parameters: URLSearchParams, limits: LogsLimits): number {
  const text = parameters.get("delay_for");
  if (text === null || text === "") return 0;
  if (!/^\d{1,6}$/.test(text)) throw badRequest("delay_for: give whole seconds");
  const delayMs = Number(text) * 1000;
  if (delayMs > limits.tailDelayMsMax) {
    throw badRequest(`delay_for can't be greater than ${limits.tailDelayMsMax / 1000}`);
  }
  return delayMs;
}

function naming<Value>(name: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof FinchError) {
      throw badRequest(`could not parse '${name}' parameter: ${error.message}`);
    }
    throw error;
  }
}
