/** What a query gave: chart and table, lines, or the answer as it came. */
import { useMemo, useState } from "react";
import type { ReactNode } from "react";
import { Chart } from "../charts/chart.tsx";
import { SERIES_COLORS, seriesColor, type ChartData } from "../charts/chart-data.ts";
import { formatValue, type Unit } from "../format-value.ts";
import { frameFromSeries, alignSpan } from "../series/frame.ts";
import { useChartZoom } from "../time/range-context.tsx";
import type { QueryState } from "./query-state.ts";
import { LogResult } from "./log-result.tsx";
import { ResultTable } from "./result-table.tsx";
import type { QueryRun, RunFacts } from "./run-query.ts";
import { seriesNames } from "./series-name.ts";

/** More lines than these no eye tells apart, and each costs time to draw; the table has them all. */
const CHART_SERIES_MAX = 60;
/** A longer answer would freeze the page as one text. */
const RAW_CHARS_MAX = 500_000;

export interface ResultViewProps {
  readonly run: QueryRun | undefined;
  readonly asked: QueryState;
  readonly busy: boolean;
  readonly onQuery: (query: string) => void;
}

export function ResultView({ run, asked, busy, onQuery }: ResultViewProps): ReactNode {
  const [raw, setRaw] = useState(false);
  if (run === undefined) return busy ? <p className="log-empty">Running…</p> : null;
  const { result } = run;
  return (
    <>
      <div className="result-bar">
        <FactsLine
          facts={run.facts}
          stepSeconds={
            result.kind === "series" && result.shape === "matrix" ? run.stepSeconds : undefined
          }
        />
        <button type="button" className="button" aria-pressed={raw} onClick={() => setRaw(!raw)}>
          Raw JSON
        </button>
      </div>
      {result.warnings.map((warning) => (
        <p key={warning} className="notice notice-warn">
          {warning}
        </p>
      ))}
      {raw ? <RawView value={run.raw} /> : <ResultBody run={run} asked={asked} onQuery={onQuery} />}
    </>
  );
}

function ResultBody({
  run,
  asked,
  onQuery,
}: Pick<ResultViewProps, "asked" | "onQuery"> & { readonly run: QueryRun }): ReactNode {
  const { result } = run;
  switch (result.kind) {
    case "text":
      return <pre className="panel raw">{result.text}</pre>;
    case "logs":
      return <LogResult run={run} entries={result.entries} asked={asked} onQuery={onQuery} />;
    case "series":
      if (result.series.length === 0)
        return (
          <p className="log-empty">
            {asked.mode === "instant"
              ? "The query is right, and nothing matches at the end of this time range."
              : "The query is right, and nothing matches in this time range."}
            <br />
            Widen the range, or press Ctrl Space in the query to see which names and labels there
            are.
          </p>
        );
      return (
        <>
          {result.shape === "matrix" && <SeriesChart run={run} unit={unitOf(asked.query)} />}
          <ResultTable series={result.series} />
        </>
      );
  }
}

function SeriesChart({ run, unit }: { readonly run: QueryRun; readonly unit: Unit }): ReactNode {
  const zoom = useChartZoom();
  const data = useMemo((): ChartData => {
    const all = run.result.kind === "series" ? run.result.series : [];
    const shown = all.slice(0, CHART_SERIES_MAX);
    const names = seriesNames(shown.map((item) => item.labels));
    const span = gridOf(run);
    const times = frameFromSeries([], span).times;
    const series = shown.map((item, index) => ({
      label: names[index]!,
      color: seriesColor(index),
      style: styleOf(index, shown.length),
      values: frameFromSeries([item], span).series[0]?.values ?? times.map(() => null),
    }));
    return { times, series };
  }, [run]);
  const total = run.facts.series;
  return (
    <section className="panel result-chart">
      {total > CHART_SERIES_MAX && (
        <p className="hint">
          The chart shows the first {CHART_SERIES_MAX} of {total} series; the table has all.
        </p>
      )}
      <Chart
        label="Result of the query"
        data={data}
        unit={unit}
        span={run.span}
        height={300}
        {...zoom}
      />
    </section>
  );
}

/** Where colours begin anew, the line is dashed: twice as many can be told apart. */
function styleOf(index: number, count: number): "area" | "line" | "dashed" {
  if (count === 1) return "area";
  return Math.floor(index / SERIES_COLORS.length) % 2 === 0 ? "line" : "dashed";
}

/** Loki starts its grid at the start of the range, Prometheus was asked for an aligned one: the answer's own times decide. */
function gridOf(run: QueryRun): { start: number; end: number; step: number } {
  const first = run.result.kind === "series" ? run.result.series[0]?.times[0] : undefined;
  const aligned = alignSpan(run.span.fromMs, run.span.toMs, run.stepSeconds);
  if (first === undefined) return aligned;
  const shift = ((first % run.stepSeconds) + run.stepSeconds) % run.stepSeconds;
  return {
    start: aligned.start - run.stepSeconds + shift,
    end: aligned.end + run.stepSeconds,
    step: run.stepSeconds,
  };
}

/** A guess by the metric's name, which ends in its unit by custom. */
export function unitOf(query: string): Unit {
  if (/_bytes(_total)?\b/.test(query))
    return /\b(i?rate)\s*\(/.test(query) ? "bytes-per-second" : "bytes";
  return "number";
}

function FactsLine({
  facts,
  stepSeconds,
}: {
  readonly facts: RunFacts;
  readonly stepSeconds: number | undefined;
}): ReactNode {
  const parts = factParts(facts);
  if (stepSeconds !== undefined) parts.push(`a point every ${stepSeconds} s`);
  return (
    <p className="facts" role="status">
      {parts.join(" · ")}
    </p>
  );
}

export function factParts(facts: RunFacts): string[] {
  const parts: string[] = [];
  const count = (value: number, one: string, many: string): string =>
    `${value.toLocaleString("en")} ${value === 1 ? one : many}`;
  if (facts.lines > 0) parts.push(count(facts.lines, "line", "lines"));
  if (facts.series > 0)
    parts.push(count(facts.series, "series", "series"), count(facts.samples, "sample", "samples"));
  parts.push(`${formatValue(facts.bytes, "bytes")} received`);
  if (facts.bytesRead !== undefined) parts.push(`${formatValue(facts.bytesRead, "bytes")} read`);
  parts.push(`${Math.max(1, Math.round(facts.milliseconds))} ms`);
  return parts;
}

function RawView({ value }: { readonly value: unknown }): ReactNode {
  const text = useMemo(() => JSON.stringify(value, null, 2), [value]);
  const cut = text.length > RAW_CHARS_MAX;
  return (
    <>
      {cut && <p className="hint">Only the beginning is shown.</p>}
      <pre className="panel raw" tabIndex={0}>
        {cut ? text.slice(0, RAW_CHARS_MAX) : text}
      </pre>
    </>
  );
}
