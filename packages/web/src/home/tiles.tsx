/** The row of big numbers with a small curve behind each. */
import { useMemo } from "react";
import type { ReactNode } from "react";
import { Sparkline } from "../charts/sparkline.tsx";
import { splitValue, type Unit } from "../format-value.ts";
import { combineColumns, lastValue, type Frame } from "../series/frame.ts";
import { useFrame } from "../series/use-frame.ts";
import { useRange } from "../time/range-context.tsx";
import type { TimeSpan } from "../time/time-range.ts";
import { PERCENT_FULL, PERCENT_WARN, useDiskSpaces } from "./disk-space.tsx";
import { cpuBusy, memoryUsed, networkTotal, type MachineQueries } from "./machine-panels.ts";

export interface TilesProps {
  readonly queries: MachineQueries | undefined;
  readonly recent: TimeSpan;
  readonly step: number;
  readonly instance: string | undefined;
  readonly cpus: number;
  readonly stale: boolean;
}

type Values = readonly (number | null)[];

const LINES_QUERY = 'sum(count_over_time({service_name=~".+"}[1m]))';
const ERRORS_QUERY =
  'sum(count_over_time({service_name=~".+"} | detected_level=~"error|critical|fatal" [1m]))';

export function Tiles(props: TilesProps): ReactNode {
  const values = useTileValues(props);
  const disk = useDiskSpaces(props.instance)?.[0];
  const tiles: readonly TileProps[] = [
    {
      label: "CPU",
      unit: "percent",
      values: values.cpu,
      color: "--c-blue",
      maxFloor: 20,
      limits: [80, 95],
    },
    {
      label: "Memory",
      unit: "percent",
      values: values.memory,
      color: "--c-blue",
      maxFloor: 100,
      limits: [85, 95],
    },
    {
      label: disk === undefined ? "Fullest disk" : `Fullest disk ${disk.mount}`,
      unit: "percent",
      values: [disk?.percent ?? null],
      color: "--c-blue",
      limits: [PERCENT_WARN, PERCENT_FULL],
      share: true,
    },
    { label: "Network", unit: "bits-per-second", values: values.network, color: "--c-green" },
    {
      label: "Load per core",
      unit: "number",
      values: values.load,
      color: "--c-orange",
      maxFloor: 1,
      limits: [1.5, 4],
    },
    { label: "Log lines", unit: "per-minute", values: values.lines, color: "--c-sky" },
    {
      label: "Errors",
      unit: "per-minute",
      values: values.errors,
      color: "--c-red",
      maxFloor: 3,
      limits: [1, 30],
    },
  ];
  return (
    <section className={props.stale ? "tiles tiles-stale" : "tiles"} aria-label="This machine now">
      {tiles.map((tile) => (
        <Tile key={tile.label} {...tile} />
      ))}
    </section>
  );
}

function useTileValues({
  queries,
  recent,
  step,
  cpus,
}: TilesProps): Record<"cpu" | "memory" | "network" | "load" | "lines" | "errors", Values> {
  const { range, shown } = useRange();
  const live = range.kind === "live";
  const logStep = Math.max(15, step);
  const common = { source: "metrics", span: recent, step, live } as const;
  const logs = { source: "logs", span: recent, step: logStep, live } as const;
  const cpu = useFrame({ ...common, query: queries?.cpu }).frame;
  const memory = useFrame({ ...common, query: queries?.memory }).frame;
  const network = useFrame({ ...common, query: queries?.network }).frame;
  const load = useFrame({ ...common, query: queries?.load }).frame;
  const lines = useFrame({ ...logs, query: LINES_QUERY }).frame;
  const errors = useFrame({ ...logs, query: ERRORS_QUERY }).frame;
  const shownSeconds = (shown.toMs - Math.max(shown.fromMs, recent.fromMs)) / 1000;
  return useMemo(() => {
    const load1 =
      load?.series.find((item) => item.labels["__name__"] === "node_load1")?.values ?? [];
    const points = Math.ceil(shownSeconds / step) + 1;
    const logPoints = Math.ceil(shownSeconds / logStep) + 1;
    const perCore = combineColumns([load1], ([value]) => (value ?? 0) / Math.max(1, cpus));
    return {
      cpu: cpu === undefined ? [] : cpuBusy(cpu).slice(-points),
      memory: memory === undefined ? [] : memoryUsed(memory).slice(-points),
      network: network === undefined ? [] : networkTotal(network).slice(-points),
      load: perCore.slice(-points),
      lines: countsOf(lines).slice(-logPoints),
      errors: countsOf(errors).slice(-logPoints),
    };
  }, [cpu, memory, network, load, lines, errors, cpus, shownSeconds, step, logStep]);
}

interface TileProps {
  readonly label: string;
  readonly unit: Unit;
  readonly values: Values;
  readonly color: string;
  readonly maxFloor?: number;
  /** From which values on it is worth a look, and alarming. */
  readonly limits?: readonly [warn: number, full: number];
  /** Drawn as a filled bar instead of a curve. */
  readonly share?: boolean;
}

function Tile({ label, unit, values, color, maxFloor, limits, share }: TileProps): ReactNode {
  const shown = lastValue(values);
  const { figure, suffix } = splitValue(shown, unit);
  const mood = moodOf(shown, limits);
  return (
    <div className={`tile tile-${mood}`}>
      <div className="tile-label">{label}</div>
      <div className="tile-value">
        <span>{figure}</span>
        {suffix !== "" && <small>{suffix}</small>}
      </div>
      {share === true ? (
        <div className={`bar bar-${mood}`} aria-hidden="true">
          <i style={{ width: `${shown ?? 0}%` }} />
        </div>
      ) : (
        <Sparkline
          values={values}
          color={color}
          {...(maxFloor === undefined ? {} : { maxFloor })}
        />
      )}
    </div>
  );
}

function moodOf(value: number | null, limits: TileProps["limits"]): "calm" | "warn" | "full" {
  if (value === null || limits === undefined) return "calm";
  if (value >= limits[1]) return "full";
  return value >= limits[0] ? "warn" : "calm";
}

/** Counting nothing gives no series at all; once there is an answer, that means zero and not what was counted last. */
export function countsOf(frame: Frame | undefined): Values {
  if (frame === undefined) return [];
  return frame.times.map((_, index) => frame.series[0]?.values[index] ?? 0);
}
