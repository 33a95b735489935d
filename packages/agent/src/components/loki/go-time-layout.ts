/** Parses times by Go layouts (`2006-01-02 15:04:05.000`), by their names (`RFC3339Nano`), and as Unix numbers. */
import { parseRfc3339 } from "@finch/model";
import { FinchError } from "@finch/runtime";

const NAMED: Readonly<Record<string, string>> = {
  ANSIC: "Mon Jan _2 15:04:05 2006",
  UnixDate: "Mon Jan _2 15:04:05 MST 2006",
  RubyDate: "Mon Jan 02 15:04:05 -0700 2006",
  RFC822: "02 Jan 06 15:04 MST",
  RFC822Z: "02 Jan 06 15:04 -0700",
  RFC850: "Monday, 02-Jan-06 15:04:05 MST",
  RFC1123: "Mon, 02 Jan 2006 15:04:05 MST",
  RFC1123Z: "Mon, 02 Jan 2006 15:04:05 -0700",
  RFC3339: "2006-01-02T15:04:05Z07:00",
  RFC3339Nano: "2006-01-02T15:04:05.999999999Z07:00",
};
const UNIX: Readonly<Record<string, bigint>> = {
  Unix: 1_000_000_000n,
  UnixMs: 1_000_000n,
  UnixUs: 1000n,
  UnixNs: 1n,
};
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAY_NAME = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const LONG_DAY_NAME = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)";

/** Layout elements, longest first, with the pattern they stand for and the field it fills. */
const ELEMENTS: readonly (readonly [element: string, pattern: string, field: string])[] = [
  ["January", "([A-Za-z]+)", "month-name"],
  ["Monday", LONG_DAY_NAME, ""],
  ["Z07:00", "(Z|[+-]\\d\\d:\\d\\d)", "zone"],
  ["-07:00", "([+-]\\d\\d:\\d\\d)", "zone"],
  ["Z0700", "(Z|[+-]\\d{4})", "zone"],
  ["-0700", "([+-]\\d{4})", "zone"],
  ["2006", "(\\d{4})", "year"],
  ["Jan", "([A-Za-z]{3})", "month-name"],
  ["Mon", DAY_NAME, ""],
  ["MST", "([A-Z]{3,4})", "zone-name"],
  ["-07", "([+-]\\d\\d)", "zone"],
  ["01", "(\\d\\d)", "month"],
  ["02", "(\\d\\d)", "day"],
  ["_2", "\\s?(\\d{1,2})", "day"],
  ["15", "(\\d\\d)", "hour"],
  ["03", "(\\d\\d)", "hour12"],
  ["04", "(\\d\\d)", "minute"],
  ["05", "(\\d\\d(?:[.,]\\d+)?)", "second"],
  ["06", "(\\d\\d)", "year2"],
  ["PM", "(AM|PM)", "half"],
  ["pm", "(am|pm)", "half"],
  ["1", "(\\d{1,2})", "month"],
  ["2", "(\\d{1,2})", "day"],
  ["3", "(\\d{1,2})", "hour12"],
  ["4", "(\\d{1,2})", "minute"],
  ["5", "(\\d{1,2}(?:[.,]\\d+)?)", "second"],
];

export type TimeParser = (text: string, nowMs: number) => bigint | undefined;

/** A parser of a layout, a layout's name, or `Unix`, `UnixMs`, `UnixUs`, `UnixNs`; `zone` is an IANA name for times without one. */
export function compileTimeLayout(layout: string, zone: string | undefined): TimeParser {
  const unit = UNIX[layout];
  if (unit !== undefined) return (text) => parseUnix(text.trim(), unit);
  if (layout === "RFC3339" || layout === "RFC3339Nano") return (text) => parseRfc3339(text.trim());
  if (zone !== undefined) checkZone(zone);
  const { pattern, fields } = compile(NAMED[layout] ?? layout);
  return (text, nowMs) => {
    const match = pattern.exec(text.trim());
    if (match === null) return undefined;
    const values = new Map(fields.map((field, index) => [field, match[index + 1]!]));
    return assemble(values, zone, nowMs);
  };
}

function compile(layout: string): { pattern: RegExp; fields: string[] } {
  let source = "^";
  const fields: string[] = [];
  for (let at = 0; at < layout.length;) {
    const fraction = /^[.,](?:0+|9+)(?!\d)/.exec(layout.slice(at));
    if (fraction !== null && fields.at(-1) === "second") {
      at += fraction[0].length;
      continue;
    }
    const element = ELEMENTS.find(([text]) => layout.startsWith(text, at));
    if (element === undefined) {
      source +=
        layout[at] === " " ? "\\s+" : layout[at]!.replace(/[.*+?^${}()|[\]\\/]/, String.raw`\$&`);
      at++;
      continue;
    }
    source += element[1];
    if (element[2] !== "") fields.push(element[2]);
    at += element[0].length;
  }
  return { pattern: new RegExp(`${source}$`), fields };
}

function assemble(
  values: ReadonlyMap<string, string>,
  zone: string | undefined,
  nowMs: number,
): bigint | undefined {
  const number = (field: string, fallback: number) => Number(values.get(field) ?? fallback);
  const monthName = values.get("month-name")?.slice(0, 3).toLowerCase();
  const month = monthName === undefined ? number("month", 1) : MONTHS.indexOf(monthName) + 1;
  const year2 = values.get("year2");
  // A layout without a year means this year.
  const year =
    year2 === undefined
      ? number("year", new Date(nowMs).getUTCFullYear())
      : Number(year2) + (Number(year2) >= 69 ? 1900 : 2000);
  const half = values.get("half")?.toLowerCase();
  const hour =
    half === undefined ? number("hour", 0) : (number("hour12", 12) % 12) + (half === "pm" ? 12 : 0);
  const [whole = "0", fraction = ""] = (values.get("second") ?? "0").split(/[.,]/);
  if (
    month < 1 ||
    month > 12 ||
    number("day", 1) > 31 ||
    hour > 23 ||
    number("minute", 0) > 59 ||
    Number(whole) > 60
  )
    return undefined;
  const localMs = Date.UTC(
    year,
    month - 1,
    number("day", 1),
    hour,
    number("minute", 0),
    Number(whole),
  );
  const offsetMs = zoneOffsetMs(values, zone, localMs);
  return BigInt(localMs - offsetMs) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

function zoneOffsetMs(
  values: ReadonlyMap<string, string>,
  zone: string | undefined,
  localMs: number,
): number {
  const text = values.get("zone");
  if (text !== undefined && text !== "Z") {
    const digits = text.replace(":", "");
    const minutes = Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3, 5) || 0);
    return (digits.startsWith("-") ? -minutes : minutes) * 60_000;
  }
  if (text !== undefined || zone === undefined || values.has("zone-name")) return 0;
  const first = offsetOf(zone, localMs);
  return offsetOf(zone, localMs - first);
}

/** How far the clocks of a zone are ahead of UTC at an instant. */
function offsetOf(zone: string, ms: number): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(ms);
  const part = (type: string) => Number(parts.find((candidate) => candidate.type === type)!.value);
  return (
    Date.UTC(
      part("year"),
      part("month") - 1,
      part("day"),
      part("hour"),
      part("minute"),
      part("second"),
    ) -
    Math.floor(ms / 1000) * 1000
  );
}

function checkZone(zone: string): void {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: zone });
  } catch (error) {
    throw new FinchError(
      "invalid",
      "agent/bad-stage",
      `stage.timestamp: ${JSON.stringify(zone)} is not a time zone`,
      { cause: error },
    );
  }
}

function parseUnix(text: string, unitNs: bigint): bigint | undefined {
  const match = /^(-?\d+)(?:\.(\d+))?$/.exec(text);
  if (match === null) return undefined;
  const fraction =
    unitNs === 1_000_000_000n ? BigInt((match[2] ?? "").slice(0, 9).padEnd(9, "0")) : 0n;
  return BigInt(match[1]!) * unitNs + fraction;
}
