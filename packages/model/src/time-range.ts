/**
 * Times and steps of query parameters, as Prometheus and Loki read them. Whole milliseconds for metrics, nanoseconds (bigint) for logs.
 */
import { FinchError } from "@finch/runtime";
import { parseDuration } from "./durations.ts";
import { parseFloatText } from "./float-format.ts";

const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(Z|[+-]\d{2}:\d{2})$/;

const TIME_MS_MAX = 9_007_199_254_740_991;
const INT64_MAX = 2n ** 63n - 1n;

/** Unix milliseconds of a Prometheus time: float seconds (rounded to a millisecond) or RFC 3339. Throws a FinchError `model/bad-time`. */
export function parsePrometheusTime(text: string): number {
  const seconds = parseFloatText(text);
  if (seconds !== undefined) return millisecondsOf(seconds, text);
  const ns = parseRfc3339(text);
  if (ns === undefined) {
    throw badTime(
      `cannot parse ${JSON.stringify(text)} to a valid timestamp: give Unix seconds or RFC 3339`,
    );
  }
  return Number(floorDiv(ns, 1_000_000n));
}

/**
 * Unix nanoseconds of a Loki time: a whole number of up to ten characters is seconds, a longer one nanoseconds; with a point it is float
 * seconds (rounded to a millisecond); else RFC 3339. Throws a FinchError `model/bad-time`.
 */
export function parseLokiTime(text: string): bigint {
  if (text.includes(".")) {
    const seconds = parseFloatText(text);
    if (seconds !== undefined) return BigInt(millisecondsOf(seconds, text)) * 1_000_000n;
  }
  if (/^[+-]?\d+$/.test(text)) {
    const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
    if (value > INT64_MAX || value < -INT64_MAX) throw badTime(`time ${text} is out of range`);
    return text.length <= 10 ? value * 1_000_000_000n : value;
  }
  const ns = parseRfc3339(text);
  if (ns === undefined) {
    throw badTime(
      `cannot parse ${JSON.stringify(text)} to a valid timestamp: give Unix seconds, nanoseconds or RFC 3339`,
    );
  }
  return ns;
}

/** Milliseconds of a `step`, `timeout` or `lookback_delta`: float seconds or a Prometheus duration. Throws `model/bad-duration`. */
export function parseDurationParameter(text: string): number {
  const seconds = parseFloatText(text);
  if (seconds === undefined) {
    try {
      return parseDuration(text);
    } catch (cause) {
      throw new FinchError(
        "invalid",
        "model/bad-duration",
        `cannot parse ${JSON.stringify(text)} to a valid duration`,
        { cause },
      );
    }
  }
  const ms = seconds * 1000;
  if (!(Math.abs(ms) <= 9_223_372_036_854)) {
    throw new FinchError(
      "invalid",
      "model/bad-duration",
      `cannot parse ${JSON.stringify(text)} to a valid duration. It overflows int64`,
    );
  }
  return ms;
}

/** Unix nanoseconds of an RFC 3339 time, or undefined. Digits beyond nanoseconds are cut. */
export function parseRfc3339(text: string): bigint | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const zone = match[8]!;
  let offsetMinutes = 0;
  if (zone !== "Z") {
    const hours = Number(zone.slice(1, 3));
    const minutes = Number(zone.slice(4));
    if (hours > 24 || minutes > 59) return undefined;
    offsetMinutes = (hours * 60 + minutes) * (zone.startsWith("-") ? -1 : 1);
  }
  const ms = date.getTime() + (hour * 60 + minute - offsetMinutes) * 60_000 + second * 1000;
  const fraction = (match[7] ?? "").slice(0, 9).padEnd(9, "0");
  return BigInt(ms) * 1_000_000n + BigInt(fraction);
}

/** Unix nanoseconds as RFC 3339 in UTC, with as many digits after the point as needed (up to nine). */
export function formatRfc3339(ns: bigint): string {
  const seconds = floorDiv(ns, 1_000_000_000n);
  const rest = ns - seconds * 1_000_000_000n;
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, -5);
  const fraction = String(rest).padStart(9, "0").replace(/0+$/, "");
  return fraction === "" ? `${whole}Z` : `${whole}.${fraction}Z`;
}

function millisecondsOf(seconds: number, text: string): number {
  const whole = Math.trunc(seconds);
  const ms = whole * 1000 + Math.round((seconds - whole) * 1000);
  if (!(Math.abs(ms) <= TIME_MS_MAX)) throw badTime(`time ${JSON.stringify(text)} is out of range`);
  return ms === 0 ? 0 : ms;
}

function floorDiv(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value % divisor < 0n ? quotient - 1n : quotient;
}

function badTime(message: string): FinchError {
  return new FinchError("invalid", "model/bad-time", message);
}
