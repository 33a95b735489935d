/** Queries that were run before, to run again. */
import { useState } from "react";
import type { ReactNode } from "react";
import { formatMoment } from "../time/format-time.ts";
import { readHistory, type HistoryEntry } from "./query-history.ts";
import { LANGUAGE_NAMES } from "./query-state.ts";

export function HistoryMenu({
  onPick,
}: {
  readonly onPick: (entry: HistoryEntry) => void;
}): ReactNode {
  const [entries, setEntries] = useState<readonly HistoryEntry[] | undefined>(undefined);
  const close = (): void => setEntries(undefined);
  return (
    <div
      className="history"
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && close()}
      onKeyDown={(event) => event.key === "Escape" && close()}
    >
      <button
        type="button"
        className="button"
        aria-expanded={entries !== undefined}
        onClick={() => setEntries(entries === undefined ? readHistory() : undefined)}
      >
        History
      </button>
      {entries !== undefined && (
        <ul className="popover history-list" tabIndex={-1}>
          {entries.length === 0 && <li className="hint">Queries you run are kept here.</li>}
          {entries.map((entry) => (
            <li key={`${entry.language} ${entry.query}`}>
              <button
                type="button"
                onClick={() => {
                  close();
                  onPick(entry);
                }}
              >
                <code>{entry.query}</code>
                <small>
                  {LANGUAGE_NAMES[entry.language]} · {formatMoment(entry.atMs)}
                </small>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
