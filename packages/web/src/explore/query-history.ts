/** Queries that were run, newest first, remembered in the browser. */
import type { Language } from "./query-state.ts";

export interface HistoryEntry {
  readonly language: Language;
  readonly query: string;
  readonly atMs: number;
}

const KEY = "finch.queries";
/** More is not a history but an archive, and the browser's store is small. */
const ENTRIES_MAX = 60;

/** Puts a query on top; one that was there moves up. */
export function addToHistory(
  entries: readonly HistoryEntry[],
  entry: HistoryEntry,
): readonly HistoryEntry[] {
  const others = entries.filter(
    (other) => other.language !== entry.language || other.query !== entry.query,
  );
  return [entry, ...others].slice(0, ENTRIES_MAX);
}

export function decodeHistory(text: string | null): readonly HistoryEntry[] {
  try {
    const parsed = JSON.parse(text ?? "[]") as unknown;
    return Array.isArray(parsed) ? parsed.filter(isEntry) : [];
  } catch {
    return [];
  }
}

export function readHistory(): readonly HistoryEntry[] {
  return decodeHistory(localStorage.getItem(KEY));
}

export function rememberQuery(entry: HistoryEntry): void {
  localStorage.setItem(KEY, JSON.stringify(addToHistory(readHistory(), entry)));
}

function isEntry(value: unknown): value is HistoryEntry {
  if (typeof value !== "object" || value === null) return false;
  const entry = value as Partial<HistoryEntry>;
  return (
    typeof entry.query === "string" &&
    typeof entry.atMs === "number" &&
    (entry.language === "promql" || entry.language === "logql")
  );
}
