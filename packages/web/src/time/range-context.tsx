/** The page's time range, kept in the URL, and the clock that moves a live range on while the page is visible. */
import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { ReactNode } from "react";
import { useLocation, useSearch } from "wouter";
import {
  chooseStepSeconds,
  cutSpan,
  parseRange,
  rangeSeconds,
  resolveRange,
  selectRange,
  writeRange,
  type TimeRange,
  type TimeSpan,
} from "./time-range.ts";

/** A live chart moves on this often, unless its range is so wide that nobody would see it; what is asked of Finch keeps to the step. */
const TICK_MS_MIN = 1000;
const TICK_MS_MAX = 5000;

export interface PageRange {
  readonly range: TimeRange;
  readonly span: TimeSpan;
  /** What charts show: all of `span`, or the part of it since the machine began to be watched. */
  readonly shown: TimeSpan;
  readonly stepSeconds: number;
  readonly nowMs: number;
  readonly setRange: (range: TimeRange) => void;
  /** Back to the range before the last zoom by dragging. */
  readonly resetZoom: () => void;
  /** Narrows to a part and remembers where it came from. */
  readonly zoomTo: (range: TimeRange) => void;
}

const RangeContext = createContext<PageRange | undefined>(undefined);

export function useRange(): PageRange {
  const value = useContext(RangeContext);
  if (value === undefined) throw new Error("useRange must stand inside RangeProvider");
  return value;
}

export function RangeProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const params = new URLSearchParams(search);
  const rangeText = ["range", "from", "to"].map((name) => params.get(name) ?? "").join("|");
  // Other parameters of the page must not give a new range object, or every chart would load anew.
  const range = useMemo(() => parseRange(search), [rangeText]);
  const nowMs = useNow(range.kind === "live" ? range.seconds : undefined);
  const before = useRef<TimeRange[]>([]);

  const setRange = useCallback(
    (next: TimeRange) => navigate(`${path}?${writeRange(search, next)}`),
    [navigate, path, search],
  );
  const zoomTo = useCallback(
    (next: TimeRange) => {
      before.current = [...before.current.slice(-19), range];
      setRange(next);
    },
    [range, setRange],
  );
  const resetZoom = useCallback(() => {
    const last = before.current.pop();
    if (last !== undefined) setRange(last);
    else if (range.kind === "fixed")
      setRange({ kind: "live", seconds: roundUp(rangeSeconds(range)) });
  }, [range, setRange]);

  const value = useMemo<PageRange>(() => {
    const span = resolveRange(range, nowMs);
    const stepSeconds = chooseStepSeconds((span.toMs - span.fromMs) / 1000);
    return { range, span, shown: span, stepSeconds, nowMs, setRange, resetZoom, zoomTo };
  }, [range, nowMs, setRange, resetZoom, zoomTo]);
  return <RangeContext value={value}>{children}</RangeContext>;
}

/** Charts inside begin at `fromMs`, if that is given, and not at the beginning of the page's range. */
export function ShownFrom({
  fromMs,
  children,
}: {
  readonly fromMs: number | undefined;
  readonly children: ReactNode;
}): ReactNode {
  const outer = useRange();
  const value = useMemo<PageRange>(
    () => (fromMs === undefined ? outer : { ...outer, shown: cutSpan(outer.span, fromMs) }),
    [outer, fromMs],
  );
  return <RangeContext value={value}>{children}</RangeContext>;
}

function tickMs(seconds: number): number {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return TICK_MS_MAX;
  return Math.min(TICK_MS_MAX, Math.max(TICK_MS_MIN, (seconds * 1000) / 300));
}

/** Zoom and reset of any chart on the page act on the page's range. */
export function useChartZoom(): {
  readonly onZoom: (fromMs: number, toMs: number) => void;
  readonly onReset: () => void;
} {
  const { zoomTo, resetZoom } = useRange();
  const onZoom = useCallback(
    (fromMs: number, toMs: number) => zoomTo(selectRange(fromMs, toMs)),
    [zoomTo],
  );
  return { onZoom, onReset: resetZoom };
}

/** Now, renewed as often as a live range of that width needs while the page is visible; a page that comes back to the front is renewed at once. */
function useNow(liveSeconds: number | undefined): number {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    const tick = (): void => {
      if (document.visibilityState === "visible") setNowMs(Date.now());
    };
    tick();
    const timer = liveSeconds === undefined ? undefined : setInterval(tick, tickMs(liveSeconds));
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  }, [liveSeconds]);
  return nowMs;
}

function roundUp(seconds: number): number {
  return Math.max(300, Math.ceil(seconds / 60) * 60);
}
