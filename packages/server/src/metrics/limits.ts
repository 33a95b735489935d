/** Limits of the metrics API, with Prometheus' and Mimir's values where they have one. */
import { DEFAULT_LIMITS as DEFAULT_ENGINE_LIMITS } from "@finch/promql";
import type { EngineLimits } from "@finch/promql";
import { DEFAULT_WRITE_LIMITS } from "./write-limits.ts";
import type { WriteLimits } from "./write-limits.ts";

export interface MetricsLimits extends WriteLimits {
  /** Steps of a range query; without it a second-wise year would be asked for. */
  readonly pointsPerSeriesMax: number;
  readonly queryTimeoutMs: number;
  /** How far back an instant selector looks for the newest sample. */
  readonly lookbackMs: number;
  readonly query: QueryLimits;
}

/** Characters of a query that is only formatted or parsed, which the main thread does. */
export const SYNTAX_LENGTH_MAX = 16 * 1024;

/** Of the threads that evaluate queries, and of what runs in them. */
export interface QueryLimits {
  /** Samples of a query that the main thread evaluates, results included; larger ones are for the threads, and when it reads half as many, the next time. 0: all. */
  readonly mainThreadSamplesMax: number;
  /** Threads; half of them for small queries, which never wait for large ones. With one, both share it. */
  readonly workersMax: number;
  /** A thread with nothing to do for so long ends; each takes some 20 MB. */
  readonly workerIdleMs: number;
  /** Bytes of labels and other objects in one thread; a query that needs more fails, with the others of its thread. */
  readonly workerHeapBytesMax: number;
  /** Queries that wait for a place, small and large ones apart; one more is 503. */
  readonly waitingMax: number;
  /** UTF-16 units of a query's text; a longer one takes long to parse. */
  readonly lengthMax: number;
  /** Bytes of an answer, as estimated before it is sent; a client would choke on more. */
  readonly resultBytesMax: number;
  readonly engine: EngineLimits;
}

export const DEFAULT_QUERY_LIMITS: QueryLimits = {
  mainThreadSamplesMax: 3_000_000,
  workersMax: 2,
  workerIdleMs: 300_000,
  workerHeapBytesMax: 256 * 1024 * 1024,
  waitingMax: 128,
  lengthMax: 128 * 1024,
  resultBytesMax: 256 * 1024 * 1024,
  engine: DEFAULT_ENGINE_LIMITS,
};

export const DEFAULT_METRICS_LIMITS: MetricsLimits = {
  ...DEFAULT_WRITE_LIMITS,
  pointsPerSeriesMax: 11_000,
  queryTimeoutMs: 120_000,
  lookbackMs: 300_000,
  query: DEFAULT_QUERY_LIMITS,
};
