/** One chart with its legend. The plot is made once per set of series and theme; new data and a moved range only redraw it. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { KeyboardEvent, ReactNode, RefObject } from "react";
import uPlot from "uplot";
import type { Unit } from "../format-value.ts";
import { useThemeVersion } from "../shell/theme.ts";
import type { TimeSpan } from "../time/time-range.ts";
import { chartShape, plotColumns, type ChartData } from "./chart-data.ts";
import { fillTooltip, placeTooltip } from "./chart-tooltip.ts";
import { ChartLegend, paintLegend } from "./chart-legend.tsx";
import { plotOptions, type PlotView } from "./plot-options.ts";

export interface ChartProps {
  readonly label: string;
  readonly data: ChartData;
  readonly unit: Unit;
  readonly span: TimeSpan;
  readonly height: number;
  readonly onZoom: (fromMs: number, toMs: number) => void;
  readonly onReset: () => void;
  /** The value axis reaches at least this far. */
  readonly maxFloor?: number;
  readonly legend?: boolean;
  readonly compact?: boolean;
  readonly staleSince?: number | undefined;
}

/** What the plot's callbacks read; always of the latest render. */
interface Latest {
  props: ChartProps;
  data: ChartData;
  hovered: boolean;
}

export function Chart(props: ChartProps): ReactNode {
  const { data, span, staleSince } = props;
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const visible = useMemo(() => visibleData(data, hidden), [data, hidden]);
  const host = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLUListElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const view = useRef<PlotView>({ fromSeconds: 0, toSeconds: 1, staleSince: undefined });
  const latest = useRef<Latest>({ props, data: visible, hovered: false });
  latest.current.props = props;
  latest.current.data = visible;
  Object.assign(view.current, {
    fromSeconds: span.fromMs / 1000,
    toSeconds: span.toMs / 1000,
    staleSince,
  });
  const themeVersion = useThemeVersion();
  const shape = chartShape(visible.series);

  useLayoutEffect(() => {
    if (host.current === null) return;
    const made = createPlot(host.current, latest, view.current, legend);
    plot.current = made.plot;
    return () => {
      made.destroy();
      plot.current = undefined;
    };
  }, [shape, themeVersion, props.unit, props.height, props.compact]);

  useEffect(() => {
    plot.current?.setData(plotColumns(visible).columns as uPlot.AlignedData);
    paintLegend(legend.current, visible, plot.current?.cursor.idx ?? null, props.unit);
  }, [visible, span.fromMs, span.toMs, staleSince, shape, themeVersion]);

  return (
    <figure className="chart">
      <div
        ref={host}
        className="chart-plot"
        style={{ height: props.height }}
        role="img"
        aria-label={`${props.label}. Arrow keys move the crosshair.`}
        tabIndex={0}
        onKeyDown={(event) => moveCursor(event, plot.current, visible)}
      />
      {props.legend === false ? null : (
        <ChartLegend listRef={legend} series={data.series} hidden={hidden} onChange={setHidden} />
      )}
    </figure>
  );
}

function visibleData(data: ChartData, hidden: ReadonlySet<string>): ChartData {
  if (hidden.size === 0) return data;
  return { times: data.times, series: data.series.filter((series) => !hidden.has(series.label)) };
}

function createPlot(
  host: HTMLDivElement,
  latest: RefObject<Latest>,
  view: PlotView,
  legend: RefObject<HTMLUListElement | null>,
): { plot: uPlot; destroy: () => void } {
  const style = getComputedStyle(document.documentElement);
  const { data, props } = latest.current;
  const { columns, order } = plotColumns(data);
  const tooltip = document.createElement("div");
  tooltip.className = "tooltip";
  tooltip.hidden = true;
  document.body.append(tooltip);
  const showAt = (index: number | null): void => {
    const now = latest.current;
    paintLegend(legend.current, now.data, index, now.props.unit);
    tooltip.hidden = index === null || !now.hovered || now.data.series.length === 0;
    if (tooltip.hidden || index === null) return;
    const total = now.data.series.some((series) => series.stack !== undefined);
    fillTooltip(tooltip, { data: now.data, index, unit: now.props.unit, total });
    placeTooltip(
      tooltip,
      { left: made.cursor.left ?? 0, top: made.cursor.top ?? 0 },
      made.over.getBoundingClientRect(),
    );
  };
  const made = new uPlot(
    plotOptions({
      width: Math.max(80, host.clientWidth),
      height: props.height,
      unit: props.unit,
      maxFloor: props.maxFloor,
      compact: props.compact ?? false,
      series: order.map((index) => data.series[index]!),
      view,
      barPaths: uPlot.paths.bars?.({ size: [0.8, 24], gap: 1, align: -1 }),
      resolveColor: (name) => hexColor(style.getPropertyValue(name).trim()),
      handlers: {
        onCursor: showAt,
        onSelect: (from, to) => latest.current.props.onZoom(from * 1000, to * 1000),
        onReset: () => latest.current.props.onReset(),
      },
    }),
    columns as uPlot.AlignedData,
    host,
  );
  const stopPointer = followPointer(made, (hovered) => {
    latest.current.hovered = hovered;
    if (!hovered) tooltip.hidden = true;
  });
  const resize = new ResizeObserver(() => {
    if (host.clientWidth > 0 && host.clientWidth !== made.width) {
      made.setSize({ width: host.clientWidth, height: props.height });
    }
  });
  resize.observe(host);
  return {
    plot: made,
    destroy: () => {
      stopPointer();
      resize.disconnect();
      tooltip.remove();
      made.destroy();
    },
  };
}

/** Any way to write a colour as hexadecimal digits, which canvases give back whatever they are given. */
function hexColor(color: string): string {
  const context = document.createElement("canvas").getContext("2d");
  if (context === null) return color;
  context.fillStyle = color;
  return context.fillStyle;
}

/** Tells whether the pointer is over this very chart; a finger drags the crosshair along and a tap elsewhere takes it away. */
function followPointer(plot: uPlot, onHover: (hovered: boolean) => void): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  const enter = (): void => onHover(true);
  const leave = (): void => onHover(false);
  const touch = (event: PointerEvent): void => {
    if (event.pointerType !== "touch") return;
    onHover(true);
    const box = plot.over.getBoundingClientRect();
    plot.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top });
  };
  plot.over.addEventListener("mouseenter", enter, { signal });
  plot.over.addEventListener("mouseleave", leave, { signal });
  plot.over.addEventListener("pointerdown", touch, { signal });
  plot.over.addEventListener("pointermove", touch, { signal });
  document.addEventListener(
    "pointerdown",
    (event) => {
      if (event.target instanceof Node && plot.over.contains(event.target)) return;
      if (event.pointerType === "touch") plot.setCursor({ left: -10, top: -10 });
    },
    { signal },
  );
  document.addEventListener("scroll", leave, { signal, passive: true });
  return () => stop.abort();
}

function moveCursor(event: KeyboardEvent, plot: uPlot | undefined, data: ChartData): void {
  if (plot === undefined || data.times.length === 0) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === "Escape") plot.setCursor({ left: -10, top: -10 });
  if (by === undefined) return;
  event.preventDefault();
  const at = plot.cursor.idx ?? (by < 0 ? data.times.length : -1);
  const next = Math.min(data.times.length - 1, Math.max(0, at + by));
  plot.setCursor({ left: plot.valToPos(data.times[next]!, "x"), top: 8 });
}
