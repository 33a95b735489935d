/** What a selection wants of each piece of a stream, and what it gets. */
import type { LogColumns, LogFields } from "@finch/model";
import type { LabelValue, LogSelect } from "./api.ts";
import type { FieldChoice } from "./log-page/page-fields.ts";
import type { PageLayout } from "./log-page/page-layout.ts";

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
  readonly needsTimes: LogSelect["needsTimes"];
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
  needsTimes: undefined,
} as const;

/** What was read of a piece. */
export interface PieceRows {
  readonly entries: LogColumns;
  readonly fields: LogFields | undefined;
}

/** Whether rows are told apart by their times: where the page lies at the end of the range, or whoever asks says so. */
export function needsTimes(
  { minNs, maxNs }: { readonly minNs: bigint; readonly maxNs: bigint },
  { startNs, endNs, needsTimes: asked }: PieceWish,
): boolean {
  return minNs < startNs || maxNs >= endNs || asked?.(minNs, maxNs) !== false;
}

/** Whether the structured metadata of a page has a label that counts. */
export function needsMetadata({ metadataNames }: PageLayout, { labels }: PieceWish): boolean {
  return labels === undefined || metadataNames.some((name) => labels.has(name));
}
