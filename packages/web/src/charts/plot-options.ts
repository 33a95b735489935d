/** Options of the plotting library for one chart: axes, areas, crosshair shared by all charts, and the mark of missing data. */
import type uPlot from "uplot";
import { formatValue, tickSteps, type Unit } from "../format-value.ts";
import { formatTick } from "../time/format-time.ts";
import { valueRange, type ChartSeries } from "./chart-data.ts";

/** Charts with this key move their crosshair together. */
export const CURSOR_GROUP = "page";

/** So wide are the labels of most charts: plots above each other begin at one line. */
const AXIS_WIDTH_MIN = 50;

/** What times stand apart under an axis, in seconds: steps a person counts in. */
const TIME_STEPS: readonly number[] = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200,
  86_400, 172_800, 345_600, 604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
];

/** What changes between two draws without a new plot. */
export interface PlotView {
  fromSeconds: number;
  toSeconds: number;
  /** Nothing was measured after this moment; undefined while data flows. */
  staleSince: number | undefined;
}

export interface PlotHandlers {
  readonly onCursor: (index: number | null) => void;
  readonly onSelect: (fromSeconds: number, toSeconds: number) => void;
  readonly onReset: () => void;
}

export interface PlotSetup {
  readonly width: number;
  readonly height: number;
  readonly unit: Unit;
  readonly maxFloor: number | undefined;
  readonly compact: boolean;
  /** In drawing order. */
  readonly series: readonly ChartSeries[];
  readonly view: PlotView;
  readonly handlers: PlotHandlers;
  readonly barPaths: uPlot.Series.PathBuilder | undefined;
  readonly resolveColor: (name: string) => string;
}

export function plotOptions(setup: PlotSetup): uPlot.Options {
  const { view, handlers, maxFloor } = setup;
  return {
    width: setup.width,
    height: setup.height,
    padding: [8, 10, 0, 0],
    legend: { show: false },
    cursor: cursorOptions(handlers),
    scales: {
      x: { time: true, range: () => [view.fromSeconds, view.toSeconds] },
      y: { range: (_plot, min, max) => valueRange(min, max, maxFloor) },
    },
    axes: axesOptions(setup),
    series: [{}, ...setup.series.map((series) => seriesOptions(series, setup))],
    hooks: {
      setCursor: [(plot) => handlers.onCursor(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          if (plot.select.width < 4) return;
          const from = plot.posToVal(plot.select.left, "x");
          const to = plot.posToVal(plot.select.left + plot.select.width, "x");
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          handlers.onSelect(from, to);
        },
      ],
      draw: [(plot) => drawStale(plot, view, setup.resolveColor("--stale"))],
    },
  };
}

function cursorOptions({ onReset }: PlotHandlers): uPlot.Cursor {
  return {
    y: false,
    points: { size: 7, width: 2 },
    drag: { x: true, y: false, setScale: false },
    focus: { prox: -1 },
    sync: {
      key: CURSOR_GROUP,
      scales: ["x", null],
      setSeries: false,
      // Only the crosshair is shared: a drag selects in the chart in which it began.
      filters: { pub: (type) => type === "mousemove" || type === "mouseleave", sub: () => true },
    },
    bind: {
      dblclick: () => () => {
        onReset();
        return null;
      },
    },
  };
}

function axesOptions({ unit, compact, resolveColor }: PlotSetup): uPlot.Axis[] {
  const stroke = resolveColor("--text-3");
  const grid = { stroke: resolveColor("--grid"), width: 1 };
  const steps = tickSteps(unit);
  const font = "11px system-ui, sans-serif";
  const left = compact ? 28 : AXIS_WIDTH_MIN;
  return [
    {
      stroke,
      font,
      grid: { show: false },
      ticks: { show: false },
      size: compact ? 18 : 24,
      gap: 4,
      space: 72,
      incrs: [...TIME_STEPS],
      values: (plot, splits, _axis, _space, step) => timeLabels(plot, splits, step),
    },
    {
      stroke,
      font,
      grid,
      ticks: { show: false },
      // As wide as its widest label needs, so that the plot takes all the rest.
      size: (_plot, values) =>
        Math.max(left, ...(values ?? []).map((text) => text.length * 6.2 + 12)),
      gap: 6,
      space: compact ? 20 : 34,
      ...(steps === undefined ? {} : { incrs: [...steps] }),
      values: (_plot, splits) => splits.map((value) => formatValue(Math.abs(value), unit)),
    },
  ];
}

/**
 * Times under the axis, without those that the picture's right edge would cut or that would run into the lowest value on the left.
 * Asked before the plot has its final size, hence the guess by the axis' least width.
 */
function timeLabels(plot: uPlot, splits: readonly number[], step: number): string[] {
  const { min, max } = plot.scales["x"]!;
  const width = plot.bbox.width > 0 ? plot.bbox.width / devicePixelRatio : plot.width - 60;
  if (min === undefined || max === undefined || max <= min) return splits.map(() => "");
  return splits.map((at) => {
    const text = formatTick(at, step);
    const half = text.length * 3.1;
    const place = ((at - min) / (max - min)) * width;
    return place < half + 2 || place > width + 10 - half ? "" : text;
  });
}

/** Points with nothing on either side, which no line shows: the first scrape, or samples further apart than the step. */
export function lonePoints(values: readonly (number | null | undefined)[]): number[] {
  const isThere = (index: number): boolean => (values[index] ?? null) !== null;
  return [...values.keys()].filter(
    (index) => isThere(index) && !isThere(index - 1) && !isThere(index + 1),
  );
}

function seriesOptions(series: ChartSeries, setup: PlotSetup): uPlot.Series {
  const color = setup.resolveColor(series.color);
  const style = series.style ?? (series.stack === undefined ? "line" : "area");
  const base: uPlot.Series = {
    label: series.label,
    stroke: color,
    width: style === "bars" ? 0 : 1.5,
    spanGaps: false,
    points: {
      show: false,
      ...(style === "bars"
        ? {}
        : {
            size: 5,
            fill: color,
            filter: (plot, index) => lonePoints([...(plot.data[index] ?? [])]),
          }),
    },
  };
  if (style === "dashed") return { ...base, dash: [5, 4] };
  if (style === "line") return base;
  // Stacked areas cover each other, so their colour must be solid: the chart's ground mixed in, not transparency.
  const solid = series.stack !== undefined;
  const fill = solid
    ? style === "bars"
      ? color
      : mixColors(color, setup.resolveColor("--surface"), 0.42)
    : withAlpha(color, 0.16);
  if (style === "bars" && setup.barPaths !== undefined)
    return { ...base, fill, paths: setup.barPaths };
  return { ...base, fill };
}

function drawStale(plot: uPlot, view: PlotView, color: string): void {
  if (view.staleSince === undefined) return;
  const { ctx, bbox } = plot;
  const left = Math.max(bbox.left, plot.valToPos(view.staleSince, "x", true));
  const right = bbox.left + bbox.width;
  if (left >= right) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.strokeStyle = color;
  ctx.lineWidth = 1;
  for (let x = left - bbox.height; x < right; x += 9) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** One colour over another, `share` of the first. */
export function mixColors(color: string, ground: string, share: number): string {
  const a = channels(color);
  const b = channels(ground);
  return `rgb(${a.map((value, index) => Math.round(value * share + b[index]! * (1 - share))).join(" ")})`;
}

export function withAlpha(color: string, alpha: number): string {
  return `rgb(${channels(color).join(" ")} / ${alpha})`;
}

/** Red, green and blue of `#rrggbb` or `#rgb`, to which style sheets are shortened when they are built. */
function channels(color: string): number[] {
  const digits = /^#[0-9a-f]{3}$/i.test(color) ? color.replaceAll(/[0-9a-f]/gi, "$&$&") : color;
  return [1, 3, 5].map((at) => Number.parseInt(digits.slice(at, at + 2), 16) || 0);
}
