/** Every metric with its type and help; a click writes the query that fits its type. */
import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";
import type { ReactNode } from "react";
import { listMetrics, type MetricInfo } from "../api/metrics-api.ts";
import { queryForMetric } from "./metric-query.ts";

const ROW_HEIGHT = 30;

export function MetricBrowser({ onPick }: { readonly onPick: (query: string) => void }): ReactNode {
  const [text, setText] = useState("");
  const metrics = useQuery({
    queryKey: ["metrics"],
    queryFn: ({ signal }) => listMetrics(signal),
    staleTime: 60_000,
  });
  const shown = useMemo(() => filterMetrics(metrics.data ?? [], text), [metrics.data, text]);
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 10,
  });
  return (
    <div className="metrics">
      <div className="metrics-search">
        <input
          type="search"
          autoFocus
          aria-label="Find a metric"
          placeholder="Find a metric by name or meaning…"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <span className="hint">
          {metrics.data === undefined ? "Loading…" : `${shown.length} of ${metrics.data.length}`}
        </span>
      </div>
      {metrics.error !== null && <p className="notice notice-error">{metrics.error.message}</p>}
      <div ref={box} className="metrics-list">
        <div style={{ height: rows.getTotalSize(), position: "relative" }}>
          {rows.getVirtualItems().map((item) => {
            const info = shown[item.index];
            return info === undefined ? null : (
              <button
                key={info.name}
                type="button"
                className="metric"
                style={{ transform: `translateY(${item.start}px)` }}
                title={info.help}
                onClick={() => onPick(queryForMetric(info))}
              >
                <code>{info.name}</code>
                <small className="metric-type">{info.type}</small>
                <span>{info.help}</span>
              </button>
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** Metrics whose name or help holds every typed word; names that begin with the text come first. */
export function filterMetrics(metrics: readonly MetricInfo[], text: string): readonly MetricInfo[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) return metrics;
  const found = metrics.filter((info) => {
    const all = `${info.name} ${info.help}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  const rank = (info: MetricInfo): number => {
    const at = info.name.toLowerCase().indexOf(words[0]!);
    return at === 0 ? 0 : at > 0 ? 1 : 2;
  };
  return found.toSorted((a, b) => rank(a) - rank(b));
}
