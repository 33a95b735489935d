/** Values of PostgreSQL, as texts with their types, as numbers of metrics and texts of labels, the way postgres_exporter turns them. */
import { tryParseGoDuration } from "@finch/model";

const BOOL = 16;
const DATE = 1082;
const TIMESTAMP = 1114;
const TIMESTAMP_TZ = 1184;

/** NULL is NaN; undefined when there is no number in the text. Times are Unix seconds. */
export function numberOf(text: string | null, type: number): number | undefined {
  if (text === null) return Number.NaN;
  if (type === BOOL) return text === "t" ? 1 : 0;
  if (type === TIMESTAMP || type === TIMESTAMP_TZ || type === DATE) return secondsOf(text);
  const trimmed = text.trim();
  if (/^[+-]?(?:inf|infinity)$/i.test(trimmed))
    return trimmed.startsWith("-") ? -Infinity : Infinity;
  if (/^nan$/i.test(trimmed)) return Number.NaN;
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(trimmed) ? Number(trimmed) : undefined;
}

export function labelOf(text: string | null, type: number): string {
  if (text === null) return "";
  if (type === BOOL) return text === "t" ? "true" : "false";
  if (type === TIMESTAMP || type === TIMESTAMP_TZ || type === DATE) {
    const seconds = secondsOf(text);
    return seconds === undefined ? text : String(Math.floor(seconds));
  }
  return text;
}

/** `2026-11-28 04:05:06.789+02`, with or without the zone, which then is UTC. */
function secondsOf(text: string): number | undefined {
  const match = /^(\d{4,}-\d\d-\d\d)(?: (\d\d:\d\d:\d\d)(?:\.\d+)?([+-]\d\d)?(:\d\d)?)?/.exec(text);
  if (match === null) return undefined;
  const zone = match[3] === undefined ? "Z" : `${match[3]}${match[4] ?? ":00"}`;
  const ms = Date.parse(`${match[1]!}T${match[2] ?? "00:00:00"}${zone}`);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** Milliseconds of a text such as `1h30m`; `-1` says there is none. */
export function millisecondsOf(text: string | null): number | undefined {
  if (text === null || text === "-1") return undefined;
  const ns = tryParseGoDuration(text);
  return ns === undefined ? undefined : Math.trunc(ns / 1e6);
}

/** Elements of `{1,2.5,NULL}`; undefined for what is no array of numbers. */
export function numbersOf(text: string | null): readonly number[] | undefined {
  const inner = /^\{(.*)\}$/.exec(text ?? "")?.[1];
  if (inner === undefined) return undefined;
  const numbers =
    inner === "" ? [] : inner.split(",").map((part) => Number(part.replaceAll('"', "")));
  return numbers.some((number) => Number.isNaN(number)) ? undefined : numbers;
}
