/** What LogQL needs from whoever holds the entries. The server fits the store to it; tests implement it too. */
import type { LogEdges, LogFieldRequest, LogPage, Matcher } from "@finch/model";

export interface LogSelectRequest {
  /** All must match the stream's labels. At least one cannot match the empty string. */
  readonly matchers: readonly Matcher[];
  /** Entries with `startNs <= time < endNs`. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Only entries whose lines contain all of these bytes are wanted; none of them is empty. */
  readonly needles: readonly Uint8Array[];
  /** `none`: only the lines of rows whose fields are not known are looked at; the others may be empty. */
  readonly lines: "all" | "none";
  /** Fields that pages may bring in columns; a source without columns brings lines. */
  readonly fields?: LogFieldRequest;
  /** Entries whose stream, or where that lacks the label, whose structured metadata has another value or none, may be left out. */
  readonly values?: readonly { readonly name: string; readonly value: string }[];
  /** Names of structured metadata that count; without it, all do. Others may be missing. */
  readonly labels?: ReadonlySet<string>;
  /**
   * Set when times are looked at only to tell which edges entries lie between. Entries may then come with another time between the same edges; without times,
   * when a page has a `span` within which there is no edge; and where neither lines nor an order are wanted, counted (`LogPage.tally`).
   */
  readonly edges?: LogEdges;
  /** `backward`: pages come by descending newest entry, so that a limited query can stop early; `forward`: by ascending oldest;
   * `any`: in any order. */
  readonly direction: "forward" | "backward" | "any";
  readonly signal: AbortSignal;
}

export interface LogSelectStatistics {
  pagesRead: number;
  pagesSkipped: number;
  bytesRead: number;
}

/** Pages already carry only entries in the range. The caller may stop iterating at any time. */
export interface LogSource {
  select(request: LogSelectRequest, statistics: LogSelectStatistics): AsyncIterable<LogPage>;
}
