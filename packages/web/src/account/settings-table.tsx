/** A table of settings: rows of texts, and a button at the end of each. */
import type { ReactNode } from "react";

export interface SettingsRow {
  readonly key: string;
  readonly cells: readonly ReactNode[];
  readonly action: ReactNode;
}

export function SettingsTable({
  columns,
  rows,
  none,
}: {
  readonly columns: readonly string[];
  readonly rows: readonly SettingsRow[];
  /** Said when there are no rows. */
  readonly none: string;
}): ReactNode {
  if (rows.length === 0) return <p>{none}</p>;
  return (
    <div className="settings-table">
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column}>{column}</th>
            ))}
            <th aria-label="Actions" />
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, cells, action }) => (
            <tr key={key}>
              {cells.map((cell, at) => (
                <td key={columns[at]}>{cell}</td>
              ))}
              <td>{action}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A time as the reader's country writes it; a dash for none. */
export function shownTime(text: string): string {
  return text === ""
    ? "–"
    : new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
