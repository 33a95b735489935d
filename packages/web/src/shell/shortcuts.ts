/** Keyboard shortcuts of the whole application. They keep quiet while a text is being typed. */
import { useEffect, useRef } from "react";
import { useLocation } from "wouter";
import { useRange } from "../time/range-context.tsx";
import { RANGE_PRESETS, rangeSeconds, shiftRange, zoomRange } from "../time/time-range.ts";

/** What the sheet lists; the same table that the handler follows. */
export const SHORTCUTS: readonly (readonly [keys: string, what: string])[] = [
  ["Ctrl K", "Command palette: pages, ranges, metrics"],
  ["?", "This sheet"],
  ["G H", "Go to Home"],
  ["G E", "Go to Explore"],
  ["L", "Follow live, or hold"],
  ["[  ]", "Earlier, later"],
  ["+  -", "Closer, wider"],
  ["1 … 6", "Last 5 min, 15 min, 1 h, 6 h, 24 h, 3 d"],
  ["/", "Search the logs"],
  ["Ctrl Enter", "Run the query (Explore)"],
  ["← →", "Move the crosshair of a focused chart"],
  ["Esc", "Close what is open"],
];

/** Two keys count as one shortcut when the second comes within this time. */
const SEQUENCE_MS = 900;

export function useShortcuts(actions: {
  readonly onPalette: () => void;
  readonly onKeys: () => void;
}): void {
  const page = useRange();
  const [, navigate] = useLocation();
  const latest = useRef({ actions, page, navigate });
  latest.current = { actions, page, navigate };
  useEffect(() => {
    let wentAt = 0;
    const onKey = (event: KeyboardEvent): void => {
      const { actions: act, navigate: go } = latest.current;
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        act.onPalette();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const key = event.key.toLowerCase();
      if (event.timeStamp - wentAt < SEQUENCE_MS && (key === "h" || key === "e")) {
        const path = key === "h" ? "/" : "/explore";
        go(`${path}${location.search}`);
      } else if (key === "g") wentAt = event.timeStamp;
      else if (key === "?") act.onKeys();
      else if (key === "/") focusSearch(event);
      else changeRange(key, latest.current.page);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

function changeRange(key: string, page: ReturnType<typeof useRange>): void {
  const { range, span, setRange } = page;
  const nowMs = Date.now();
  const preset = /^[1-6]$/.test(key) ? RANGE_PRESETS[Number(key) - 1] : undefined;
  if (preset !== undefined) setRange({ kind: "live", seconds: preset.seconds });
  else if (key === "[") setRange(shiftRange(range, -1, nowMs));
  else if (key === "]") setRange(shiftRange(range, 1, nowMs));
  else if (key === "+" || key === "=") setRange(zoomRange(range, 0.5, nowMs));
  else if (key === "-") setRange(zoomRange(range, 2, nowMs));
  else if (key === "l" && range.kind === "live") {
    setRange({ kind: "fixed", fromMs: Math.round(span.fromMs), toMs: Math.round(span.toMs) });
  } else if (key === "l")
    setRange({ kind: "live", seconds: Math.max(60, Math.round(rangeSeconds(range))) });
}

function focusSearch(event: KeyboardEvent): void {
  const input = document.querySelector<HTMLElement>("[data-search]");
  if (input === null) return;
  event.preventDefault();
  input.focus();
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable=true], dialog") !== null
  );
}
