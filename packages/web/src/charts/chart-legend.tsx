/** Names, colours and values of a chart's series. A click shows one alone, with Ctrl or Cmd it hides one; values follow the crosshair. */
import type { ReactNode, Ref } from "react";
import { formatValue, type Unit } from "../format-value.ts";
import { lastValue } from "../series/frame.ts";
import type { ChartData, ChartSeries } from "./chart-data.ts";

export interface ChartLegendProps {
  readonly listRef: Ref<HTMLUListElement>;
  readonly series: readonly ChartSeries[];
  readonly hidden: ReadonlySet<string>;
  readonly onChange: (hidden: ReadonlySet<string>) => void;
}

export function ChartLegend({ listRef, series, hidden, onChange }: ChartLegendProps): ReactNode {
  const labels = series.map((item) => item.label);
  return (
    <ul className="legend" ref={listRef}>
      {series.map((item) => (
        <li key={item.label}>
          <button
            type="button"
            aria-pressed={!hidden.has(item.label)}
            title="Click: show alone. Ctrl-click: hide"
            onClick={(event) =>
              onChange(
                nextHidden(labels, hidden, {
                  label: item.label,
                  one: event.ctrlKey || event.metaKey,
                }),
              )
            }
          >
            <i className="swatch" style={{ background: `var(${item.color})` }} />
            <span>{item.label}</span>
            <b data-series={item.label} />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Writes values straight into the legend: at the crosshair, or the last ones. */
export function paintLegend(
  list: HTMLUListElement | null,
  data: ChartData,
  index: number | null,
  unit: Unit,
): void {
  if (list === null) return;
  const byLabel = new Map(data.series.map((series) => [series.label, series.values]));
  for (const node of list.querySelectorAll<HTMLElement>("b[data-series]")) {
    const values = byLabel.get(node.dataset["series"] ?? "");
    const value = values === undefined ? null : index === null ? lastValue(values) : values[index];
    const text = values === undefined ? "" : formatValue(value, unit);
    if (node.textContent !== text) node.textContent = text;
  }
}

/** Which series are hidden after a click: all but one, or none if it was alone already; with `one`, just that one flips. */
export function nextHidden(
  labels: readonly string[],
  hidden: ReadonlySet<string>,
  { label, one }: { label: string; one: boolean },
): ReadonlySet<string> {
  if (one) {
    const next = new Set(hidden);
    if (!next.delete(label)) next.add(label);
    return next.size >= labels.length ? new Set() : next;
  }
  const alone = !hidden.has(label) && hidden.size === labels.length - 1;
  return alone ? new Set() : new Set(labels.filter((other) => other !== label));
}
