/** Series as rows with their labels and last value; a click on a head sorts. */
import { useMemo, useState } from "react";
import type { ReactNode } from "react";
import type { ResultSeries } from "../api/query-result.ts";
import { nextSort, tableColumns, tableRows, VALUE_COLUMN, type TableSort } from "./result-rows.ts";

/** More rows are drawn only on demand. */
const ROWS_FIRST = 200;

export function ResultTable({ series }: { readonly series: readonly ResultSeries[] }): ReactNode {
  const [sort, setSort] = useState<TableSort | undefined>(undefined);
  const [all, setAll] = useState(false);
  const columns = useMemo(() => tableColumns(series), [series]);
  const rows = useMemo(() => tableRows(series, sort), [series, sort]);
  const shown = all ? rows : rows.slice(0, ROWS_FIRST);
  return (
    <section className="panel table-panel">
      <div className="table-box" tabIndex={0} role="region" aria-label="Result table">
        <table>
          <thead>
            <tr>
              {[...columns, VALUE_COLUMN].map((column) => (
                <SortHead
                  key={column}
                  column={column}
                  sort={sort}
                  onSort={() => setSort(nextSort(sort, column))}
                />
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, index) => (
              <tr key={index}>
                {columns.map((column) => (
                  <td key={column}>{row.labels[column] ?? ""}</td>
                ))}
                <td className="number">{row.value === undefined ? "" : String(row.value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > shown.length && (
        <button type="button" className="link-button table-more" onClick={() => setAll(true)}>
          Show all {rows.length.toLocaleString("en")} rows
        </button>
      )}
    </section>
  );
}

interface SortHeadProps {
  readonly column: string;
  readonly sort: TableSort | undefined;
  readonly onSort: () => void;
}

function SortHead({ column, sort, onSort }: SortHeadProps): ReactNode {
  const state = sort?.column !== column ? "none" : sort.descending ? "descending" : "ascending";
  return (
    <th aria-sort={state} className={column === VALUE_COLUMN ? "number" : ""}>
      <button type="button" onClick={onSort}>
        {column === "__name__" ? "metric" : column}
        <span aria-hidden="true">{{ none: "", ascending: "↑", descending: "↓" }[state]}</span>
      </button>
    </th>
  );
}
