/** The one time range of a page: what it is, how it stands in the URL, and how shift, zoom and step follow from it. Pure. */

/** `live` ends now and moves on; `fixed` stays where it is. Times are Unix milliseconds. */
export type TimeRange =
  | { readonly kind: "live"; readonly seconds: number }
  | { readonly kind: "fixed"; readonly fromMs: number; readonly toMs: number };

/** A range resolved at one moment. */
export interface TimeSpan {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What the range buttons offer, narrowest first. */
export const RANGE_PRESETS: readonly { readonly label: string; readonly seconds: number }[] = [
  { label: "5m", seconds: 300 },
  { label: "15m", seconds: 900 },
  { label: "1h", seconds: 3600 },
  { label: "6h", seconds: 21_600 },
  { label: "24h", seconds: 86_400 },
  { label: "3d", seconds: 259_200 },
];

/** Five minutes: the first scrapes fill a good part of it, and one sees it move. */
export const DEFAULT_RANGE: TimeRange = { kind: "live", seconds: 300 };

/** Narrower than this a chart would hold fewer than three scrapes. */
export const RANGE_SECONDS_MIN = 15;
/** A year: beyond it a slip of the zoom button would ask for more than any retention keeps. */
export const RANGE_SECONDS_MAX = 366 * 86_400;

/** Charts of a machine that has just begun are at least this wide. */
const SHOWN_MS_MIN = 60_000;

const STEPS_SECONDS = [
  5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400,
];
const UNIT_SECONDS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
};

export function resolveRange(range: TimeRange, nowMs: number): TimeSpan {
  if (range.kind === "fixed") return { fromMs: range.fromMs, toMs: range.toMs };
  return { fromMs: nowMs - range.seconds * 1000, toMs: nowMs };
}

/** The span from `fromMs` on, never wider than it was, and never so narrow that a few points fill it. */
export function cutSpan(span: TimeSpan, fromMs: number): TimeSpan {
  const latest = Math.min(fromMs, span.toMs - SHOWN_MS_MIN);
  return { fromMs: Math.max(span.fromMs, latest), toMs: span.toMs };
}

export function rangeSeconds(range: TimeRange): number {
  return range.kind === "live" ? range.seconds : (range.toMs - range.fromMs) / 1000;
}

/** The smallest round step that gives at most `pointsMax` points over the range. */
export function chooseStepSeconds(seconds: number, pointsMax = 360): number {
  const wanted = seconds / pointsMax;
  return STEPS_SECONDS.find((step) => step >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400;
}

/** The window for rate(): four scrapes, so that one lost scrape leaves no hole, and always more than a step. */
export function rateWindowSeconds(stepSeconds: number, scrapeSeconds: number): number {
  return Math.max(4 * scrapeSeconds, stepSeconds <= 15 ? stepSeconds * 2 : stepSeconds + 60);
}

/** Moves by half of its width; backwards for -1. Never past the present: there it becomes live again. */
export function shiftRange(range: TimeRange, direction: -1 | 1, nowMs: number): TimeRange {
  const { fromMs, toMs } = resolveRange(range, nowMs);
  const moved = ((toMs - fromMs) / 2) * direction;
  if (toMs + moved >= nowMs) return { kind: "live", seconds: Math.round((toMs - fromMs) / 1000) };
  return { kind: "fixed", fromMs: Math.round(fromMs + moved), toMs: Math.round(toMs + moved) };
}

/** Widens (factor above 1) or narrows about the middle; a live range keeps its end at now. */
export function zoomRange(range: TimeRange, factor: number, nowMs: number): TimeRange {
  const seconds = clampSeconds(rangeSeconds(range) * factor);
  if (range.kind === "live") return { kind: "live", seconds: Math.round(seconds) };
  const middle = (range.fromMs + range.toMs) / 2;
  const half = (seconds * 1000) / 2;
  const toMs = Math.min(middle + half, nowMs);
  return { kind: "fixed", fromMs: Math.round(toMs - 2 * half), toMs: Math.round(toMs) };
}

/** What was dragged over on a chart, put in order and not narrower than the narrowest range. */
export function selectRange(aMs: number, bMs: number): TimeRange {
  const fromMs = Math.round(Math.min(aMs, bMs));
  const toMs = Math.max(Math.round(Math.max(aMs, bMs)), fromMs + RANGE_SECONDS_MIN * 1000);
  return { kind: "fixed", fromMs, toMs };
}

/** Reads `range`, or `from` and `to`, of a query string; anything it cannot read gives the default. */
export function parseRange(search: string): TimeRange {
  const params = new URLSearchParams(search);
  const seconds = parseSeconds(params.get("range") ?? "");
  if (seconds !== undefined) return { kind: "live", seconds: clampSeconds(seconds) };
  const fromMs = parseMoment(params.get("from") ?? "");
  const toMs = parseMoment(params.get("to") ?? "");
  if (fromMs === undefined || toMs === undefined || toMs <= fromMs) return DEFAULT_RANGE;
  return { kind: "fixed", fromMs, toMs };
}

/** The query string with its range replaced; other parameters stay. */
export function writeRange(search: string, range: TimeRange): string {
  const params = new URLSearchParams(search);
  for (const name of ["range", "from", "to"]) params.delete(name);
  if (range.kind === "live") params.set("range", formatSeconds(range.seconds));
  else {
    params.set("from", String(range.fromMs));
    params.set("to", String(range.toMs));
  }
  return params.toString();
}

/** `90` → `90s`, `3600` → `1h`: the largest unit that divides it. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  for (const unit of ["d", "h", "m"]) {
    const size = UNIT_SECONDS[unit]!;
    if (whole % size === 0) return `${whole / size}${unit}`;
  }
  return `${whole}s`;
}

/** `15m`, `1h30m` or `90` (seconds); undefined for anything else. */
export function parseSeconds(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) || undefined;
  if (!/^(\d+[smhdw])+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw])/g)) {
    seconds += Number(count) * UNIT_SECONDS[unit!]!;
  }
  return seconds || undefined;
}

/** Unix milliseconds or anything `Date` reads, such as `2026-11-20T12:00`. */
function parseMoment(text: string): number | undefined {
  if (text === "") return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isFinite(value) ? value : undefined;
}

function clampSeconds(seconds: number): number {
  return Math.min(RANGE_SECONDS_MAX, Math.max(RANGE_SECONDS_MIN, seconds));
}
