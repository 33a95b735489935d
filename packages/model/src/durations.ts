/**
 * Durations as text: Prometheus' notation (`1h30m`, whole numbers, longest unit first, each once) in milliseconds, and Go's
 * (`1.5s`, `300ms`, `1h2m3.5s`) in nanoseconds, for LogQL and the agent's configuration.
 */
import { FinchError } from "@finch/runtime";

const PROMETHEUS_UNITS: readonly (readonly [unit: string, ms: number, onlyWhole: boolean])[] = [
  ["y", 365 * 86_400_000, true],
  ["w", 7 * 86_400_000, true],
  ["d", 86_400_000, false],
  ["h", 3_600_000, false],
  ["m", 60_000, false],
  ["s", 1000, false],
  ["ms", 1, false],
];

const PROMETHEUS_DURATION =
  /^(?:([0-9]+)y)?(?:([0-9]+)w)?(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?$/;

/** Go keeps durations in signed 64-bit nanoseconds; longer ones are refused as it does. */
const DURATION_MS_MAX = 9_223_372_036_854;
const DURATION_NS_MAX = 2 ** 63;

/** Milliseconds of a Prometheus duration such as `1h30m`; throws a FinchError `model/bad-duration`. */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  if (text === "") throw badDuration("empty duration string");
  const match = PROMETHEUS_DURATION.exec(text);
  if (match === null) throw badDuration(whatIsWrong(text));
  let ms = 0;
  for (const [index, [, factor]] of PROMETHEUS_UNITS.entries()) {
    const digits = match[index + 1];
    if (digits !== undefined) ms += Number(digits) * factor;
  }
  if (ms > DURATION_MS_MAX) throw badDuration("duration out of range");
  return ms;
}

/** Of several faults the first from the left, as Prometheus reports them. */
function whatIsWrong(text: string): string {
  let order = -1;
  for (const [, unit] of text.matchAll(/[0-9]+([^0-9]+)/gy)) {
    const place = PROMETHEUS_UNITS.findIndex(([known]) => known === unit);
    if (place < 0)
      return `unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`;
    if (place <= order) break;
    order = place;
  }
  return `not a valid duration string: ${JSON.stringify(text)}`;
}

/** Whole milliseconds in Prometheus' notation; years and weeks are used only when nothing is left over: `90d`, not `12w6d`. */
export function formatDuration(ms: number): string {
  let rest = Math.abs(Math.trunc(ms));
  if (rest === 0) return "0s";
  let text = ms < 0 ? "-" : "";
  for (const [unit, factor, onlyWhole] of PROMETHEUS_UNITS) {
    if (onlyWhole && rest % factor !== 0) continue;
    const count = Math.floor(rest / factor);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * factor;
  }
  return text;
}

const GO_UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  "\u00b5s": 1e3,
  "\u03bcs": 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/**
 * Nanoseconds of a Go duration such as `-1.5h` or `1h2m3.5s`; exact below 2^53 ns (104 days), rounded above.
 * Throws a FinchError `model/bad-duration` with Go's words.
 */
export function parseGoDuration(text: string): number {
  const ns = readGoDuration(text);
  if (typeof ns === "string") throw badDuration(ns);
  return ns;
}

/** As {@link parseGoDuration}, but undefined for what is not a duration: for values of log lines, where that is no exception. */
export function tryParseGoDuration(text: string): number | undefined {
  const ns = readGoDuration(text);
  return typeof ns === "string" ? undefined : ns;
}

/** The nanoseconds, or what is wrong. */
function readGoDuration(text: string): number | string {
  const invalid = `time: invalid duration ${JSON.stringify(text)}`;
  const negative = text.startsWith("-");
  const unsigned = negative || text.startsWith("+") ? text.slice(1) : text;
  if (unsigned === "0") return 0;
  if (unsigned === "") return invalid;
  const term = /([0-9]*)(?:(\.)([0-9]*))?([^0-9.]*)/y;
  let ns = 0;
  while (term.lastIndex < unsigned.length) {
    const match = term.exec(unsigned);
    if (match === null) return invalid;
    const [, whole = "", , fraction = "", unit = ""] = match;
    if (whole === "" && fraction === "") return invalid;
    if (unit === "") return `time: missing unit in duration ${JSON.stringify(text)}`;
    const factor = Object.hasOwn(GO_UNITS, unit) ? GO_UNITS[unit] : undefined;
    if (factor === undefined)
      return `time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`;
    ns += Number(whole) * factor + readFraction(fraction, factor);
    if (ns >= DURATION_NS_MAX && !(negative && ns === DURATION_NS_MAX)) return invalid;
  }
  return negative && ns !== 0 ? -ns : ns;
}

/** Digits after the point, in nanoseconds rounded down; digits beyond what matters are left out, as Go does. */
function readFraction(digits: string, factor: number): number {
  const used = digits.slice(0, 18);
  return used === "" ? 0 : Math.trunc(Number(used) * (factor / 10 ** used.length));
}

/** Nanoseconds as Go's `Duration.String` writes them: `1h0m0s`, `1.5s`, `300ms`, `0s`. */
export function formatGoDuration(ns: number): string {
  const sign = ns < 0 ? "-" : "";
  const total = Math.abs(Math.trunc(ns));
  if (total === 0) return "0s";
  if (total < 1e3) return `${sign}${total}ns`;
  if (total < 1e6) return `${sign}${withFraction(total, 3)}\u00b5s`;
  if (total < 1e9) return `${sign}${withFraction(total, 6)}ms`;
  const seconds = `${withFraction(total % 60e9, 9)}s`;
  const minutes = Math.floor(total / 60e9);
  if (minutes === 0) return sign + seconds;
  const hours = Math.floor(minutes / 60);
  return hours === 0
    ? `${sign}${minutes}m${seconds}`
    : `${sign}${hours}h${minutes % 60}m${seconds}`;
}

/** `value / 10^digits` in decimal, without trailing zeros. */
function withFraction(value: number, digits: number): string {
  const scale = 10 ** digits;
  const fraction = String(value % scale)
    .padStart(digits, "0")
    .replace(/0+$/, "");
  const whole = Math.floor(value / scale);
  return fraction === "" ? `${whole}` : `${whole}.${fraction}`;
}

function badDuration(message: string): FinchError {
  return new FinchError("invalid", "model/bad-duration", message);
}
