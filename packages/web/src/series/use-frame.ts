/** A query as a frame that follows the page's time range: loaded whole once, then only its newest points. */
import { useEffect, useRef, useState } from "react";
import { queryLogs } from "../api/logs-api.ts";
import { queryMetricsRange, seriesOf } from "../api/metrics-api.ts";
import type { ResultSeries } from "../api/query-result.ts";
import type { TimeSpan } from "../time/time-range.ts";
import { alignSpan, frameFromSeries, growFrame, type Frame, type GridSpan } from "./frame.ts";

/** Points asked for again at every poll, because lines and samples may arrive late. */
const OVERLAP_POINTS = 2;

/** What to load. `live` says that the span moves with time, so that points are appended and not loaded anew. */
export interface FrameQuery {
  readonly source: "metrics" | "logs";
  /** Undefined while it is not yet known what to ask. */
  readonly query: string | undefined;
  readonly span: TimeSpan;
  readonly step: number;
  readonly live: boolean;
}

/** While a new range loads, `frame` still holds the previous one. */
export interface FrameState {
  readonly frame: Frame | undefined;
  readonly loading: boolean;
  readonly error: string | undefined;
}

interface Slot {
  key: string;
  frame: Frame | undefined;
  abort: AbortController | undefined;
  /** After a failure nothing is asked before this moment, however often the page's clock ticks. */
  retryAtMs: number;
}

const NO_SLOT: Slot = { key: "", frame: undefined, abort: undefined, retryAtMs: 0 };

/** A Finch that is down or busy is not asked for every chart every second. */
const RETRY_MS = 5000;

const EMPTY: FrameState = { frame: undefined, loading: true, error: undefined };

export function useFrame({ source, query, span, step, live }: FrameQuery): FrameState {
  const [state, setState] = useState<FrameState>(EMPTY);
  const slot = useRef<Slot>({ ...NO_SLOT });
  const width = Math.round((span.toMs - span.fromMs) / 1000);
  const key = live
    ? `${source} ${step} live ${width} ${query ?? ""}`
    : `${source} ${step} ${span.fromMs} ${span.toMs} ${query ?? ""}`;
  useEffect(() => {
    const current = slot.current;
    if (query === undefined) return;
    if (current.key !== key) {
      current.abort?.abort();
      slot.current = { ...NO_SLOT, key };
      setState((before) => ({ ...before, loading: true }));
    } else if (current.abort !== undefined) return;
    load(slot.current, { source, query, span, step }, setState);
  }, [key, source, query, step, span.fromMs, span.toMs]);
  useEffect(
    () => () => {
      slot.current.abort?.abort();
      slot.current = { ...NO_SLOT };
    },
    [],
  );
  return state;
}

function load(
  slot: Slot,
  {
    source,
    query,
    span,
    step,
  }: { source: FrameQuery["source"]; query: string; span: TimeSpan; step: number },
  publish: (state: FrameState) => void,
): void {
  const whole = alignSpan(span.fromMs, span.toMs, step);
  const known = slot.frame?.times.at(-1);
  if (known !== undefined && known >= whole.end) return;
  if (performance.now() < slot.retryAtMs) return;
  const start =
    known === undefined ? whole.start : Math.max(whole.start, known - (OVERLAP_POINTS - 1) * step);
  const part: GridSpan = { ...whole, start };
  const abort = new AbortController();
  slot.abort = abort;
  fetchSeries(source, query, part, abort.signal).then(
    (series) => {
      if (abort.signal.aborted) return;
      slot.abort = undefined;
      slot.frame =
        slot.frame === undefined
          ? frameFromSeries(series, part)
          : growFrame(slot.frame, series, part, whole.start);
      publish({ frame: slot.frame, loading: false, error: undefined });
    },
    (cause: unknown) => {
      if (abort.signal.aborted) return;
      slot.abort = undefined;
      slot.retryAtMs = performance.now() + RETRY_MS;
      publish({ frame: slot.frame, loading: false, error: messageOf(cause) });
    },
  );
}

async function fetchSeries(
  source: FrameQuery["source"],
  query: string,
  span: GridSpan,
  signal: AbortSignal,
): Promise<readonly ResultSeries[]> {
  if (source === "metrics") return seriesOf(await queryMetricsRange({ query, ...span }, signal));
  const result = await queryLogs(
    { query, fromMs: span.start * 1000, toMs: span.end * 1000, stepSeconds: span.step },
    signal,
  );
  return seriesOf(result);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
