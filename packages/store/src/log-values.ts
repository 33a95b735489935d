/**
 * Labels that must have a value: of the stream, or of the structured metadata of lines where the stream lacks them. Looked for in columns before labels are made of
 * any line.
 */
import type { Labels, LogColumns } from "@finch/model";
import type { LabelValue } from "./api.ts";
import { pickRows } from "./log-columns.ts";
import { ascending } from "./number-columns.ts";

/** Those that lines of the stream must have in their metadata; undefined when none of its lines is meant. */
export function valuesInLines(
  labels: Labels,
  values: readonly LabelValue[],
): readonly LabelValue[] | undefined {
  if (values.some(({ name, value }) => labels.has(name) && labels.get(name) !== value))
    return undefined;
  return values.filter(({ name }) => !labels.has(name));
}

/** The rows whose metadata has the values: the columns themselves when all have. */
export function pickValued(columns: LogColumns, values: readonly LabelValue[]): LogColumns {
  if (values.length === 0) return columns;
  const { count, metadataSets, metadataOf } = columns;
  const isMeant = Uint8Array.from(metadataSets, (set) =>
    values.every(({ name, value }) => set.get(name) === value) ? 1 : 0,
  );
  const rows = ascending(count).filter((row) => isMeant[metadataOf[row]!] === 1);
  return rows.length === count ? columns : pickRows(columns, rows);
}
