/** The charts of this machine: processor, load, memory, network, disk traffic and disk space. */
import { useMemo } from "react";
import type { ReactNode } from "react";
import { UNREACHABLE } from "../api/http.ts";
import { Chart } from "../charts/chart.tsx";
import type { ChartData } from "../charts/chart-data.ts";
import type { Unit } from "../format-value.ts";
import type { Frame } from "../series/frame.ts";
import { useFrame } from "../series/use-frame.ts";
import { rateWindowSeconds } from "../time/time-range.ts";
import { useChartZoom, useRange } from "../time/range-context.tsx";
import { DiskSpacePanel } from "./disk-space.tsx";
import { PanelSkeleton } from "./panel-skeleton.tsx";
import { useChartHeight } from "./use-chart-height.ts";
import {
  cpuChart,
  diskChart,
  loadChart,
  machineQueries,
  memoryChart,
  networkChart,
  type MachineQueries,
} from "./machine-panels.ts";

export interface MachineChartsProps {
  /** Undefined until the first scrape is in. */
  readonly instance: string | undefined;
  readonly scrapeSeconds: number;
  readonly cpus: number;
  readonly staleSince: number | undefined;
}

interface PanelSpec {
  readonly title: string;
  readonly hint: string;
  readonly query: keyof MachineQueries;
  readonly unit: Unit;
  readonly maxFloor?: number;
  readonly shape: (frame: Frame, cpus: number) => ChartData;
}

const PANELS: readonly PanelSpec[] = [
  {
    title: "CPU",
    hint: "share of all cores, by mode",
    query: "cpu",
    unit: "percent",
    maxFloor: 10,
    shape: cpuChart,
  },
  {
    title: "Memory",
    hint: "all of it, by use",
    query: "memory",
    unit: "bytes",
    shape: memoryChart,
  },
  {
    title: "Load",
    hint: "processes running or waiting",
    query: "load",
    unit: "number",
    shape: loadChart,
  },
  {
    title: "Network",
    hint: "received ↑  sent ↓",
    query: "network",
    unit: "bits-per-second",
    shape: networkChart,
  },
  {
    title: "Disk traffic",
    hint: "read ↑  written ↓",
    query: "disk",
    unit: "bytes-per-second",
    shape: diskChart,
  },
];

export function MachineCharts({
  instance,
  scrapeSeconds,
  cpus,
  staleSince,
}: MachineChartsProps): ReactNode {
  const { stepSeconds } = useRange();
  const queries = useMemo(
    () =>
      instance === undefined
        ? undefined
        : machineQueries(instance, rateWindowSeconds(stepSeconds, scrapeSeconds)),
    [instance, stepSeconds, scrapeSeconds],
  );
  return (
    <section className="panels" aria-label="Charts of this machine">
      {PANELS.map((spec) => (
        <ChartPanel
          key={spec.title}
          spec={spec}
          query={queries?.[spec.query]}
          cpus={cpus}
          staleSince={staleSince}
        />
      ))}
      <DiskSpacePanel instance={instance} />
    </section>
  );
}

interface ChartPanelProps {
  readonly spec: PanelSpec;
  readonly query: string | undefined;
  readonly cpus: number;
  readonly staleSince: number | undefined;
}

function ChartPanel({ spec, query, cpus, staleSince }: ChartPanelProps): ReactNode {
  const { range, span, shown, stepSeconds } = useRange();
  const zoom = useChartZoom();
  const height = useChartHeight();
  const { frame, loading, error } = useFrame({
    source: "metrics",
    query,
    span,
    step: stepSeconds,
    live: range.kind === "live",
  });
  const data = useMemo(
    () => (frame === undefined ? undefined : spec.shape(frame, cpus)),
    [frame, spec, cpus],
  );
  const empty =
    data !== undefined &&
    !data.series.some((series) => series.values.some((value) => value !== null));
  const measuredOnce = frame !== undefined && frame.series.length > 0;
  return (
    <section className="panel" aria-busy={loading}>
      <header className="panel-head">
        <h2>{spec.title}</h2>
        <span className="hint">{spec.hint}</span>
      </header>
      {error !== undefined && error !== UNREACHABLE && (
        <p className="notice notice-error">{error}</p>
      )}
      {data === undefined || (empty && !measuredOnce) ? (
        <PanelSkeleton
          text={error === undefined ? emptyText(query, loading, range.kind === "live") : ""}
        />
      ) : (
        <Chart
          label={`${spec.title}, ${spec.hint}`}
          data={data}
          unit={spec.unit}
          span={shown}
          height={height}
          staleSince={staleSince}
          {...(spec.maxFloor === undefined ? {} : { maxFloor: spec.maxFloor })}
          {...zoom}
        />
      )}
    </section>
  );
}

function emptyText(query: string | undefined, loading: boolean, live: boolean): string {
  if (query === undefined) return "Waiting for the first scrape…";
  if (loading) return "Loading…";
  return live ? "Collecting the first points…" : "Nothing was measured in this time range.";
}
