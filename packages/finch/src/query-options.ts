/** Options of PromQL queries: their rows in the table of all options. What they become is in `query-limits.ts`, for a command line needs no server. */
import { parseBytes, parseDuration } from "@finch/model";
import { badValue, parseCount, parseSize } from "./config-values.ts";

/** Undefined where the value is decided from the machine. */
export interface QueryConfig {
  readonly workers: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly memoryPerQueryBytes: number | undefined;
  readonly samplesMax: number;
  readonly seriesMax: number;
  readonly pointsMax: number;
  readonly timeoutMs: number;
  readonly lookbackMs: number;
  readonly queueMax: number;
  readonly lengthMax: number;
  readonly resultBytesMax: number;
}

/** Threads for queries. */
export const WORKERS_MAX = 64;

const number = (key: string, doc: string, fallback: string, range: readonly [number, number]) => ({
  key: `query.${key}`,
  placeholder: "NUMBER",
  doc,
  default: fallback,
  parse: (text: string) => (isAuto(text, fallback) ? undefined : parseBetween(text, range)),
});
const size = (key: string, doc: string, fallback: string, min: string) => ({
  key: `query.${key}`,
  placeholder: "SIZE",
  doc,
  default: fallback,
  parse: (text: string) =>
    isAuto(text, fallback)
      ? undefined
      : parseSize(text, { least: parseBytes(min), most: Number.MAX_SAFE_INTEGER }),
});
const duration = (key: string, doc: string, fallback: string) => ({
  key: `query.${key}`,
  placeholder: "DURATION",
  doc,
  default: fallback,
  parse: parsePositiveDuration,
});

/** For `CONFIG_OPTIONS`. */
export const QUERY_OPTIONS = [
  number(
    "workers",
    'threads for PromQL queries, half of them for small ones, 1 to 64; "auto" takes all processors but one, 2 at least',
    "auto",
    [1, WORKERS_MAX],
  ),
  size(
    "memory",
    'memory for samples and results of all queries that run; "auto" takes a quarter of memory_limit',
    "auto",
    "16MiB",
  ),
  size("memory_per_query", 'the same of one query; "auto" takes half of it', "auto", "1MiB"),
  number("samples_max", "samples one query may hold at a time", "50000000", [1, 1e12]),
  number("series_max", "series one selector may match", "500000", [1, 1e9]),
  number("points_max", "steps of a range query", "11000", [1, 1e9]),
  duration(
    "timeout",
    "time a query may take until its answer begins; the parameter timeout asks for less",
    "2m",
  ),
  duration("lookback", "how far back a selector looks for a sample", "5m"),
  number("queue_max", "queries that wait for a worker; one more is refused", "128", [1, 100_000]),
  size("length_max", "length of a query's text", "128KiB", "1KiB"),
  size("result_max", "length of an answer, as estimated before it is sent", "256MiB", "64KiB"),
];

/** The configuration from its parsed values. */
export function assembleQueryConfig(value: (key: string) => unknown): QueryConfig {
  const of = (key: string) => value(`query.${key}`) as number;
  const orAuto = (key: string) => value(`query.${key}`) as number | undefined;
  return {
    workers: orAuto("workers"),
    memoryBytes: orAuto("memory"),
    memoryPerQueryBytes: orAuto("memory_per_query"),
    samplesMax: of("samples_max"),
    seriesMax: of("series_max"),
    pointsMax: of("points_max"),
    timeoutMs: of("timeout"),
    lookbackMs: of("lookback"),
    queueMax: of("queue_max"),
    lengthMax: of("length_max"),
    resultBytesMax: of("result_max"),
  };
}

/** Only what is decided by default may be told to be. */
function isAuto(text: string, fallback: string): boolean {
  return text === "auto" && fallback === "auto";
}

function parseBetween(text: string, [least, most]: readonly [number, number]): number {
  const count = parseCount(text, least);
  if (count > most) throw badValue(`${text} is out of range: give ${least} to ${most}`);
  return count;
}

function parsePositiveDuration(text: string): number {
  let ms: number;
  try {
    ms = parseDuration(text);
  } catch (error) {
    throw badValue(`"${text}" is no duration: write it such as 30s or 2m`, error);
  }
  if (ms <= 0) throw badValue("a duration above zero is needed");
  return ms;
}
