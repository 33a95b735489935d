/**
 * Log entries in the shapes that cross packages: batches on the way in (wire → store), pages on the way out (store → logql).
 * Lines stay bytes (UTF-8) until somebody reads them; timestamps are Unix nanoseconds.
 */
import type { Labels } from "./labels.ts";

/** Entries of one stream, in columns. Row `i` is the line `lines[lineBounds[i] … lineBounds[i + 1])` at `timestampsNs[i]`. */
export interface LogColumns {
  readonly count: number;
  readonly timestampsNs: BigInt64Array;
  readonly lines: Uint8Array;
  /** Length `count + 1`. Between two lines there is nothing. */
  readonly lineBounds: Uint32Array;
  /** Structured metadata of row `i` is `metadataSets[metadataOf[i]]`; set 0 is always `Labels.EMPTY`. */
  readonly metadataSets: readonly Labels[];
  readonly metadataOf: Uint32Array;
}

/** Entries of one push, by stream, in the order they came. Valid until the promise of `append` settles. */
export interface LogBatch {
  readonly streams: readonly LogBatchStream[];
}

export interface LogBatchStream {
  readonly labels: Labels;
  readonly entries: LogColumns;
}

/**
 * Part of a stream as a query sees it: rows ascending by time, entries of equal time in a stable order. Pages of one stream do not overlap
 * in time except at equal timestamps, and no entry (time and line) appears twice. Immutable; may be kept.
 */
export interface LogPage {
  readonly labels: Labels;
  readonly entries: LogColumns;
}
