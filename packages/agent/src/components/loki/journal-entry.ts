/** One line of `journalctl -o json` as labels, message and time. */
import { Labels } from "@finch/model";

const PRIORITIES = ["emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"];

export interface JournalEntry {
  readonly cursor: string;
  readonly timestampNs: bigint;
  /** `undefined` when the entry has no MESSAGE. */
  readonly message: string | undefined;
  /** Every field under its own name; repeated fields keep their first value. */
  readonly fields: ReadonlyMap<string, string>;
}

/** Parses a line; throws a SyntaxError when it is not a JSON object with a cursor and a time. */
export function parseJournalLine(line: string): JournalEntry {
  const object = JSON.parse(line) as Record<string, unknown>;
  const fields = new Map<string, string>();
  for (const [name, value] of Object.entries(object)) {
    const text = fieldText(value);
    if (text !== undefined) fields.set(name, text);
  }
  const cursor = fields.get("__CURSOR");
  const microseconds = fields.get("__REALTIME_TIMESTAMP");
  if (cursor === undefined || microseconds === undefined || !/^\d+$/.test(microseconds)) {
    throw new SyntaxError("not a journal entry: __CURSOR or __REALTIME_TIMESTAMP is missing");
  }
  return {
    cursor,
    timestampNs: BigInt(microseconds) * 1000n,
    message: fields.get("MESSAGE"),
    fields,
  };
}

/** A field is text, bytes as an array of numbers when it is not UTF-8, an array of those when it is repeated, or null when it was too big. */
function fieldText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value) || value.length === 0) return undefined;
  if (typeof value[0] === "number") return Buffer.from(value as number[]).toString("utf8");
  return fieldText(value[0]);
}

/** The internal labels relabel rules see: `__journal_<field in lower case>` and `__journal_priority_keyword`. */
export function journalLabels(entry: JournalEntry): Labels {
  const pairs = new Map<string, string>();
  for (const [name, value] of entry.fields) pairs.set(`__journal_${name.toLowerCase()}`, value);
  const keyword = PRIORITIES[Number(entry.fields.get("PRIORITY") ?? Number.NaN)];
  if (keyword !== undefined) pairs.set("__journal_priority_keyword", keyword);
  return Labels.fromPairs([...pairs].flat());
}
