/** What a chart draws, and the arithmetic that turns it into the columns of the plotting library. Pure. */

/** One line, area or bar of a chart. `color` names a CSS custom property, so that it follows the theme. */
export interface ChartSeries {
  readonly label: string;
  readonly color: string;
  readonly values: readonly (number | null)[];
  /** Areas of one chart on top of each other; a negative group hangs below zero. */
  readonly stack?: "up" | "down";
  /** Drawn downwards from zero (mirrored), shown with its own sign. */
  readonly mirrored?: boolean;
  readonly style?: "line" | "dashed" | "area" | "bars";
}

export interface ChartData {
  readonly times: readonly number[];
  readonly series: readonly ChartSeries[];
}

/** Columns to draw: first the times, then one per series in drawing order. */
export interface PlotColumns {
  readonly columns: (number | null)[][];
  /** `order[i]` is the index in `ChartData.series` of drawn column i + 1. */
  readonly order: readonly number[];
}

/** Stacks, mirrors, and puts what is tallest first, so that shorter areas are painted over it. */
export function plotColumns(data: ChartData): PlotColumns {
  const drawn = data.series.map((series, index) => ({
    index,
    values: drawnValues(series),
    series,
  }));
  const totals = new Map<string, (number | null)[]>();
  for (const item of drawn) {
    const { stack } = item.series;
    if (stack === undefined) continue;
    const below = totals.get(stack);
    item.values = item.values.map((value, index) => addTo(below?.[index] ?? null, value));
    totals.set(stack, item.values);
  }
  const stacked = drawn.filter((item) => item.series.stack !== undefined).toReversed();
  const plain = drawn.filter((item) => item.series.stack === undefined);
  const ordered = [...stacked, ...plain];
  return {
    columns: [[...data.times], ...ordered.map((item) => item.values)],
    order: ordered.map((item) => item.index),
  };
}

/** The series set of a chart as text: as long as it stays, new data needs no new plot. */
export function chartShape(series: readonly ChartSeries[]): string {
  return series
    .map((item) => [item.label, item.color, item.stack, item.mirrored, item.style].join("\u0001"))
    .join("\u0002");
}

/** From zero to a little above the highest value; below zero only if something is drawn there. */
export function valueRange(
  min: number | null,
  max: number | null,
  floorMax?: number,
): [number, number] {
  const low = Math.min(0, min ?? 0);
  const high = Math.max(0, max ?? 0, floorMax ?? 0);
  if (low === 0 && high === 0) return [0, 1];
  const room = (high - low) * 0.06;
  return [low === 0 ? 0 : low - room, high === 0 ? 0 : high === floorMax ? high : high + room];
}

/** The index of the time nearest to `seconds`; -1 for no times. */
export function nearestIndex(times: readonly number[], seconds: number): number {
  if (times.length === 0) return -1;
  let low = 0;
  let high = times.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle]! <= seconds) low = middle;
    else high = middle;
  }
  return seconds - times[low]! <= times[high]! - seconds ? low : high;
}

/** Colours told apart by people with any colour vision (after Okabe and Ito), in the order in which series take them. */
export const SERIES_COLORS: readonly string[] = [
  "--c-blue",
  "--c-orange",
  "--c-green",
  "--c-pink",
  "--c-sky",
  "--c-red",
  "--c-yellow",
  "--c-gray",
];

export function seriesColor(index: number): string {
  return SERIES_COLORS[index % SERIES_COLORS.length]!;
}

function drawnValues(series: ChartSeries): (number | null)[] {
  const down = series.mirrored === true || series.stack === "down";
  return series.values.map((value) => {
    if (value === null || !Number.isFinite(value)) return null;
    return down ? -value : value;
  });
}

function addTo(below: number | null, value: number | null): number | null {
  if (value === null) return below;
  return (below ?? 0) + value;
}
