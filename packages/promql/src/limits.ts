/** Limits of the engine; each says what breaks without it. */
export interface EngineLimits {
  /** Samples one query may hold at a time, those read and those of results on the way. Without it a broad query takes all memory. */
  readonly samplesMax: number;
  /** Bytes of the same, columns counted as they are made. Without it many steps without samples take all memory. */
  readonly memoryBytesMax: number;
  /** The same for all queries that run at once. Without it eight broad ones take eight times the memory. */
  readonly memoryTogetherBytesMax: number;
  /** Series one selector may match. Without it a selector over everything builds millions of label sets. */
  readonly seriesMax: number;
  /** Wall time of one query. Without it a forgotten dashboard keeps the machine busy. */
  readonly timeoutMs: number;
  /** Steps of one evaluation, subqueries included. Without it a fine subquery over years builds endless columns. */
  readonly stepsMax: number;
}

export const DEFAULT_LIMITS: EngineLimits = {
  samplesMax: 50_000_000,
  memoryBytesMax: 1024 * 1024 * 1024,
  memoryTogetherBytesMax: 1536 * 1024 * 1024,
  seriesMax: 500_000,
  timeoutMs: 120_000,
  stepsMax: 2_000_000,
};

/** Work between two breaths. Without it a long query would stop ingest, which shares the thread. */
export const SLICE_MS = 10;

/** How long a sample stays current. */
export const DEFAULT_LOOKBACK_MS = 300_000;

/** Step of a subquery that names none, where the query has no step either. */
export const DEFAULT_SUBQUERY_STEP_MS = 60_000;

/** Characters of a label value that a function makes. Without it nested calls double a text until memory is full. */
export const LABEL_VALUE_MADE_MAX = 65_536;

/** Characters of all label values one call makes. Without it many series times long values do the same. */
export const LABEL_TEXT_MADE_MAX = 64 * 1024 * 1024;
