/** What PromQL needs from whoever holds the samples. The server fits the store to it; tests and other engines implement it too. */
import type { Matcher, Series } from "@finch/model";

export interface SelectRequest {
  /** All must match. At least one cannot match the empty string. */
  readonly matchers: readonly Matcher[];
  /** First and last timestamp wanted, inclusive, Unix milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  /** Of each series the newest sample is enough; a source may answer more. */
  readonly newestOnly?: boolean;
  /** Aborting rejects the iteration with the signal's reason. */
  readonly signal: AbortSignal;
}

/**
 * Answers selections from a consistent view: samples appended after `select` was called may be missing, none is half there.
 * Each matching series with a sample in the range comes exactly once, in no particular order.
 */
export interface SeriesSource {
  select(request: SelectRequest): AsyncIterable<readonly Series[]>;
}
