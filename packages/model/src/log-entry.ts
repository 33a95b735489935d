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
  /** Fields of the lines, when the request asked for some and the page has them in columns. */
  readonly fields?: LogFields;
  /** Bounds of the times, when the page may have none because the request did not need them. */
  readonly span?: { readonly minNs: bigint; readonly maxNs: bigint };
  /** Set where a row stands for all entries of its kind. */
  readonly tally?: LogTally;
}

/** Entries counted by kind and time: each row of the page stands for all that are like it in what was asked for. Rows have neither times nor lines. */
export interface LogTally {
  /** All of them. */
  readonly entries: number;
  /** Bins of time: one ends with `firstNs + bin · unitNs`, where the next begins; no edge lies within one. */
  readonly bins: number;
  readonly firstNs: bigint;
  readonly unitNs: number;
  /** `counts[row · bins + bin]`: entries of the kind in the bin. */
  readonly counts: Uint16Array | Uint32Array;
  /** Of each row: rows with equal keys, in pages of one stream that answer one request, are alike. */
  readonly keys: readonly string[];
}

/**
 * Times at which it changes what entries count for: `originNs + k · stepNs` and `originNs + k · stepNs − rangeNs` for `0 ≤ k < count`. Entries at an edge count as
 * those before it.
 */
export interface LogEdges {
  readonly originNs: bigint;
  readonly stepNs: bigint;
  readonly rangeNs: bigint;
  readonly count: number;
}

/** Fields of the lines of a page, as a parser of LogQL finds them. */
export interface LogFields {
  /** 1 for rows of which all fields that were asked for stand here, the parser finding no fault in the line; the lines of the others must be parsed. */
  readonly isKnown: Uint8Array;
  /** Whether `isKnown` is 1 for all rows. */
  readonly areAllKnown: boolean;
  /** In no particular order, each label once. */
  readonly columns: readonly LogFieldColumn[];
}

export interface LogFieldColumn {
  readonly label: string;
  readonly values: readonly string[];
  /** For each row the number of its value + 1; 0 where the line lacks the field. May be made when it is first asked for. */
  readonly of: Uint32Array;
}

/** Which fields are asked for. */
export interface LogFieldRequest {
  readonly parser: "json" | "logfmt";
  /** The same for requests of the same fields. */
  readonly key: string;
  /** The label that the parser makes of the field with these keys; undefined when nobody wants it. */
  labelOf(path: readonly string[]): string | undefined;
  /**
   * The rows, ascending, that are wanted of a page with fields, whose lines are not there: those of the others are not made. Without it, all are. Rows that
   * are not known must stay.
   */
  readonly keep?: (page: LogPage) => Uint32Array;
}
