/** What one query may cost. Each limit says what breaks without it. */

export interface QueryLimits {
  /** Log entries a query may ask for. Without it one click builds an answer larger than the heap. */
  readonly entriesMax: number;
  /** Entries of one nanosecond that a page may hold beyond its limit, so that who pages by time gets past them; each is held in memory. */
  readonly entriesOfInstantMax: number;
  /** Series in a result. Without it an unbounded label (a request id) makes millions of series. */
  readonly seriesMax: number;
  /** Series held while a query is evaluated, before an aggregation reduces them. Same danger, inside the engine. */
  readonly intermediateSeriesMax: number;
  /** Characters of the labels of those series. Without it a template makes a megabyte of each, and one query takes all memory. */
  readonly seriesCharactersMax: number;
  /** Series times steps held at once while a query is evaluated: each is a number or two. */
  readonly cellsMax: number;
  /** Steps of a range query. Every series holds that many numbers. */
  readonly pointsMax: number;
  /** Characters of lines and labels held for the result of a log query. Without it `line_format` makes gigabytes of a few lines. */
  readonly resultCharactersMax: number;
  /** Unwrapped samples held at once; they are kept until the window functions have run. */
  readonly samplesMax: number;
  /** Line bytes a query may look at. Without it a query over all time keeps a core busy for minutes. */
  readonly bytesMax: number;
}

export const DEFAULT_QUERY_LIMITS: QueryLimits = {
  entriesMax: 5000,
  entriesOfInstantMax: 100_000,
  seriesMax: 500,
  intermediateSeriesMax: 100_000,
  seriesCharactersMax: 32 * 1024 ** 2,
  cellsMax: 20_000_000,
  pointsMax: 11_000,
  resultCharactersMax: 128 * 1024 ** 2,
  samplesMax: 20_000_000,
  bytesMax: 64 * 1024 ** 3,
};

/** Length of a query's text. Parsing is linear, but nesting is recursive, and a deep enough text would exhaust the stack. */
export const QUERY_LENGTH_MAX = 131_072;
/** Nesting of parentheses and aggregations, for the same reason. */
export const NESTING_MAX = 200;
/** Binary operators of one query. A chain is evaluated by recursion, and a long enough one would exhaust the stack. */
export const OPERATORS_MAX = 500;
/** Depth of JSON objects that the `json` stage follows; deeper ones are an error on that line. */
export const JSON_DEPTH_MAX = 100;
/** Milliseconds of evaluation after which the engine lets other work run. */
export const SLICE_MS = 10;
