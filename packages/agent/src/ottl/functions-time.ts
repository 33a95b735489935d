/** Converters of times and durations. */
import { formatTime, isTimeZone, parseTime } from "@finch/go-text";
import { tryParseGoDuration } from "@finch/model";
import { OttlRunFault } from "./fault.ts";
import {
  defineFunction,
  duration,
  integer,
  optional,
  text,
  time,
  type OttlFunction,
} from "./signature.ts";
import type { Subject } from "./subject.ts";
import { OttlDuration, OttlTime, type OttlValue } from "./values.ts";

const SECOND = 1_000_000_000n;
const NS_PER_MINUTE = 60e9;

export const TIME_FUNCTIONS: readonly OttlFunction[] = [
  defineFunction("Now", {}, (_, subject) => new OttlTime(subject.nowNs())),
  defineFunction(
    "Time",
    { target: text, format: text, location: optional(text), locale: optional(text) },
    ({ target, format, location }, subject) => readTime(target, { format, location, subject }),
    { check: ({ format, location, locale }) => findTimeFault(format, location, locale) },
  ),
  defineFunction(
    "FormatTime",
    { time, format: text },
    ({ time: of, format }) => formatTime(layoutOf(format), of),
    { check: ({ format }) => findTimeFault(format, undefined, undefined) },
  ),
  defineFunction("TruncateTime", { time, duration }, ({ time: of, duration: step }) =>
    truncate(of, step.ns),
  ),
  defineFunction("Duration", { duration: text }, ({ duration: written }) => {
    const ns = tryParseGoDuration(written);
    if (ns === undefined)
      throw new OttlRunFault(`${JSON.stringify(written)} is no duration such as 1h30m`);
    return new OttlDuration(BigInt(Math.trunc(ns)));
  }),
  defineFunction(
    "Unix",
    { seconds: integer, nanoseconds: optional(integer) },
    ({ seconds, nanoseconds = 0n }) => new OttlTime(seconds * SECOND + nanoseconds),
  ),
  ofTime("UnixSeconds", ({ ns }) => floorDivide(ns, SECOND)),
  ofTime("UnixMilli", ({ ns }) => floorDivide(ns, 1_000_000n)),
  ofTime("UnixMicro", ({ ns }) => floorDivide(ns, 1000n)),
  ofTime("UnixNano", ({ ns }) => ns),
  ofTime("Year", (of) => partOf(of, "2006")),
  ofTime("Month", (of) => partOf(of, "1")),
  ofTime("Day", (of) => partOf(of, "2")),
  ofTime("Hour", (of) => partOf(of, "15")),
  ofTime("Minute", (of) => partOf(of, "4")),
  ofTime("Second", (of) => partOf(of, "5")),
  ofTime("Nanosecond", ({ ns }) => ns - floorDivide(ns, SECOND) * SECOND),
  ofTime("Weekday", (of) => BigInt(WEEKDAYS.indexOf(formatTime("Mon", of)))),
  ofDuration("Hours", (ns) => Number(ns) / (60 * NS_PER_MINUTE)),
  ofDuration("Minutes", (ns) => Number(ns) / NS_PER_MINUTE),
  ofDuration("Seconds", (ns) => Number(ns) / 1e9),
  ofDuration("Milliseconds", (ns) => ns / 1_000_000n),
  ofDuration("Microseconds", (ns) => ns / 1000n),
  ofDuration("Nanoseconds", (ns) => ns),
];

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

function ofTime(name: string, read: (of: OttlTime) => OttlValue): OttlFunction {
  return defineFunction(name, { value: time }, ({ value }) => read(value));
}

function ofDuration(name: string, read: (ns: bigint) => OttlValue): OttlFunction {
  return defineFunction(name, { value: duration }, ({ value }) => read(value.ns));
}

function partOf(of: OttlTime, layout: string): bigint {
  return BigInt(formatTime(layout, of));
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}

/** Nanoseconds from the first of January of the year 1 to 1970: where Go counts multiples from. */
const YEAR_ONE = 62_135_596_800n * SECOND;

function truncate(of: OttlTime, step: bigint): OttlTime {
  if (step <= 0n) return of;
  return new OttlTime(of.ns - ((of.ns + YEAR_ONE) % step), of.zone);
}

/** Directives in the manner of `strptime` that stand for parts of Go's layouts. */
const DIRECTIVES: Readonly<Record<string, string>> = {
  Y: "2006",
  y: "06",
  m: "01",
  q: "1",
  b: "Jan",
  h: "Jan",
  B: "January",
  d: "02",
  e: "_2",
  g: "2",
  a: "Mon",
  A: "Monday",
  H: "15",
  I: "03",
  l: "3",
  p: "PM",
  P: "pm",
  M: "04",
  S: "05",
  L: "999",
  f: "999999",
  s: "999999999",
  z: "-0700",
  Z: "MST",
  i: "-07",
  j: "-07:00",
  D: "01/02/2006",
  x: "01/02/2006",
  F: "2006-01-02",
  T: "15:04:05",
  X: "15:04:05",
  r: "03:04:05 pm",
  R: "15:04",
  n: "\n",
  t: "\t",
  "%": "%",
  c: "Mon Jan 02 15:04:05 2006",
};

function layoutOf(format: string): string {
  return format.replaceAll(/%(.?)/gsu, (written, directive: string) => {
    const part = DIRECTIVES[directive];
    if (part === undefined)
      throw new OttlRunFault(`there is no ${written} in formats of times, or it is not supported`);
    return part;
  });
}

function findTimeFault(
  format: string | undefined,
  location: string | undefined,
  locale: string | undefined,
): string | undefined {
  if (locale !== undefined && locale !== "" && !/^en(?:-|$)/.test(locale))
    return `not supported yet: locale ${JSON.stringify(locale)}`;
  if (location !== undefined && location !== "" && !isTimeZone(location))
    return `unknown time zone ${JSON.stringify(location)}`;
  if (format === "") return "format is empty";
  if (format === undefined) return undefined;
  try {
    layoutOf(format);
    return undefined;
  } catch (error) {
    if (error instanceof OttlRunFault) return error.message;
    throw error;
  }
}

const WEEK_MS = 7 * 86_400_000;

/** A time without a year is of this one, or of the last where it would be more than a week ahead. */
function readTime(
  target: string,
  options: {
    readonly format: string;
    readonly location: string | undefined;
    readonly subject: Subject;
  },
): OttlTime {
  const { format, location, subject } = options;
  const fault = findTimeFault(format, location, undefined);
  if (fault !== undefined) throw new OttlRunFault(`Time: ${fault}`);
  const layout = layoutOf(format);
  const zone = location === undefined || location === "" ? "UTC" : location;
  const nowMs = Number(subject.nowNs() / 1_000_000n);
  const year = new Date(nowMs).getUTCFullYear();
  const parsed = parseTime(layout, target, { zone, year });
  if (parsed === undefined)
    throw new OttlRunFault(
      `${JSON.stringify(target)} is no time of the form ${JSON.stringify(format)}`,
    );
  const hasYear = /2006|06/.test(layout);
  const isAhead = Number(parsed.ns / 1_000_000n) > nowMs + WEEK_MS;
  const found = hasYear || !isAhead ? parsed : parseTime(layout, target, { zone, year: year - 1 })!;
  return new OttlTime(found.ns, found.zone);
}
