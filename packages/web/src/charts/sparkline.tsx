/** A line without axes, as one SVG path: cheap enough to stand in every tile. */
import type { ReactNode } from "react";

export interface SparklineProps {
  readonly values: readonly (number | null)[];
  readonly color: string;
  /** The top of the picture stands for at least this value. */
  readonly maxFloor?: number;
}

const WIDTH = 120;
const HEIGHT = 28;

export function Sparkline({ values, color, maxFloor }: SparklineProps): ReactNode {
  const { line, area } = sparkPaths(values, maxFloor ?? 0);
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path d={area} fill={`var(${color})`} fillOpacity={0.14} />
      <path
        d={line}
        fill="none"
        stroke={`var(${color})`}
        strokeWidth={1.5}
        vectorEffect="non-scaling-stroke"
      />
    </svg>
  );
}

/** Paths in a box of 120 × 28; gaps break the line. */
export function sparkPaths(
  values: readonly (number | null)[],
  maxFloor: number,
): { line: string; area: string } {
  const high = Math.max(maxFloor, 1e-9, ...values.map((value) => value ?? 0));
  const dx = WIDTH / Math.max(1, values.length - 1);
  let line = "";
  let area = "";
  let open: number | undefined;
  const round = (value: number): number => Math.round(value * 10) / 10;
  const close = (index: number): void => {
    if (open !== undefined) area += `L${round((index - 1) * dx)} ${HEIGHT}Z`;
    open = undefined;
  };
  values.forEach((value, index) => {
    if (value === null) return close(index);
    const at = `${round(index * dx)} ${round(HEIGHT - 1 - (value / high) * (HEIGHT - 3))}`;
    line += `${open === undefined ? "M" : "L"}${at}`;
    area += open === undefined ? `M${round(index * dx)} ${HEIGHT}L${at}` : `L${at}`;
    open ??= index;
  });
  close(values.length);
  return { line, area };
}
