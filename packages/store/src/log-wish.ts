/** What a selection wants of each piece of a stream, and what it gets. */
import type { LogColumns, LogFields, LogTally } from "@finch/model";
import type { LabelValue, LogSelect } from "./api.ts";
import type { SelectionEdges, TimesNeed } from "./log-edges.ts";
import type { FieldChoice } from "./log-page/page-fields.ts";
import type { PageLayout } from "./log-page/page-layout.ts";
import type { PageSpan } from "./log-page/time-bins.ts";

export interface LogReadStatistics {
  pagesRead: number;
  pagesSkipped: number;
  bytesRead: number;
}

/** What is wanted of each piece. */
export interface PieceWish {
  readonly needles: readonly Uint8Array[];
  /** Of structured metadata. */
  readonly values: readonly LabelValue[];
  readonly lines: LogSelect["lines"];
  readonly fields: FieldChoice | undefined;
  readonly labels: LogSelect["labels"];
  readonly edges: SelectionEdges | undefined;
  /** What counts of pages are remembered by; undefined when rows are wanted. */
  readonly tallyKey: string | undefined;
  /** Asked beside what the selection wants of its pieces. */
  readonly isAside?: boolean;
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/** All rows of a range, whole. */
export const ALL_LINES = {
  needles: [],
  values: [],
  lines: "all",
  fields: undefined,
  labels: undefined,
  edges: undefined,
  tallyKey: undefined,
} as const;

/** What was read of a piece. */
export interface PieceRows {
  readonly entries: LogColumns;
  readonly fields: LogFields | undefined;
  readonly tally?: LogTally;
}

/** What tells rows of a page apart by their times. */
export function timesNeed(span: PageSpan, { startNs, endNs, edges }: PieceWish): TimesNeed {
  if (edges === undefined) return "all";
  const { minNs, maxNs } = span;
  const isCut = minNs < startNs || maxNs >= endNs;
  if (!isCut && !edges.part(minNs, maxNs)) return "none";
  // Where pages overlap, it is another page that cuts.
  const isAtBins =
    (minNs >= startNs || edges.isBound(startNs)) && (maxNs < endNs || edges.isBound(endNs));
  return isAtBins && edges.binsOf(span) !== undefined ? "bins" : "all";
}

/** Columns of the structured metadata of a page whose labels count. */
export function countedMetadata(
  { metadataNames }: PageLayout,
  { labels }: Pick<PieceWish, "labels">,
): readonly number[] {
  return [...metadataNames.keys()].filter(
    (column) => labels?.has(metadataNames[column]!) !== false,
  );
}
