/** Lines per level over time as bars, and the chips that choose levels. */
import { useMemo } from "react";
import type { ReactNode } from "react";
import { Chart } from "../charts/chart.tsx";
import type { ChartData, ChartSeries } from "../charts/chart-data.ts";
import { formatValue } from "../format-value.ts";
import { sumColumns, type Frame } from "../series/frame.ts";
import { useChartZoom, useRange } from "../time/range-context.tsx";
import { LEVELS, levelOf, type Level } from "./log-line.ts";

export const LEVEL_COLORS: Readonly<Record<Level, string>> = {
  critical: "--c-violet",
  error: "--c-red",
  warn: "--c-yellow",
  info: "--c-blue",
  debug: "--c-green",
  trace: "--c-sky",
  unknown: "--c-gray",
};

/** One series per level, the quiet ones at the bottom so that errors stand out on top. */
export function volumeChart(frame: Frame, shown: ReadonlySet<Level>): ChartData {
  const series = LEVELS.toReversed().flatMap((level): ChartSeries[] => {
    if (shown.size > 0 && !shown.has(level)) return [];
    const columns = frame.series.filter((item) => levelOf(item.labels["detected_level"]) === level);
    if (columns.length === 0) return [];
    const values = sumColumns(columns.map((column) => column.values));
    return [{ label: level, color: LEVEL_COLORS[level], stack: "up", style: "bars", values }];
  });
  return { times: frame.times, series };
}

/** Lines per level over the whole frame. */
export function levelCounts(frame: Frame | undefined): ReadonlyMap<Level, number> {
  const counts = new Map<Level, number>();
  for (const series of frame?.series ?? []) {
    const level = levelOf(series.labels["detected_level"]);
    const sum = series.values.reduce<number>((all, value) => all + (value ?? 0), 0);
    counts.set(level, (counts.get(level) ?? 0) + sum);
  }
  return counts;
}

export interface LogVolumeProps {
  readonly frame: Frame | undefined;
  readonly shown: ReadonlySet<Level>;
}

export function LogVolume({ frame, shown }: LogVolumeProps): ReactNode {
  const { shown: span } = useRange();
  const zoom = useChartZoom();
  const data = useMemo(
    () => (frame === undefined ? undefined : volumeChart(frame, shown)),
    [frame, shown],
  );
  if (data === undefined || data.series.length === 0)
    return <div className="volume volume-empty" />;
  return (
    <div className="volume">
      <Chart
        label="Log lines per level"
        data={data}
        unit="number"
        span={span}
        height={72}
        compact
        legend={false}
        {...zoom}
      />
    </div>
  );
}

export interface LevelChipsProps {
  readonly counts: ReadonlyMap<Level, number>;
  readonly chosen: ReadonlySet<Level>;
  readonly onToggle: (level: Level) => void;
}

export function LevelChips({ counts, chosen, onToggle }: LevelChipsProps): ReactNode {
  const shown = LEVELS.filter((level) => chosen.has(level) || (counts.get(level) ?? 0) > 0);
  return (
    <div className="chips" role="group" aria-label="Levels">
      {shown.map((level) => (
        <button
          key={level}
          type="button"
          className="chip"
          aria-pressed={chosen.has(level)}
          onClick={() => onToggle(level)}
        >
          <i className="swatch" style={{ background: `var(${LEVEL_COLORS[level]})` }} />
          {level}
          <b>{formatValue(counts.get(level) ?? 0, "number")}</b>
        </button>
      ))}
    </div>
  );
}
