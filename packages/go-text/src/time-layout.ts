/**
 * Go's time layouts (`2006-01-02 15:04:05`), both ways. A layout is compiled once; what is compiled is remembered, because templates hand
 * the same layouts over for every line.
 */
import { COMPILED_MAX } from "./limits.ts";
import { instantOf, zoneAbbreviation, zoneOffsetMinutes } from "./zone.ts";

/** An instant, and the zone it is shown in. */
export interface GoTime {
  readonly ns: bigint;
  /** An IANA name; "UTC" unless a template asked for another. */
  readonly zone: string;
}

/** Go's names for layouts, as configurations write them. */
export const NAMED_LAYOUTS: ReadonlyMap<string, string> = new Map([
  ["Layout", "01/02 03:04:05PM '06 -0700"],
  ["ANSIC", "Mon Jan _2 15:04:05 2006"],
  ["UnixDate", "Mon Jan _2 15:04:05 MST 2006"],
  ["RubyDate", "Mon Jan 02 15:04:05 -0700 2006"],
  ["RFC822", "02 Jan 06 15:04 MST"],
  ["RFC822Z", "02 Jan 06 15:04 -0700"],
  ["RFC850", "Monday, 02-Jan-06 15:04:05 MST"],
  ["RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"],
  ["RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"],
  ["RFC3339", "2006-01-02T15:04:05Z07:00"],
  ["RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"],
]);

const MONTHS =
  "January February March April May June July August September October November December".split(
    " ",
  );
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");
const LAYOUT =
  /January|Jan|Monday|Mon|MST|2006|Z07:00|Z0700|Z07|-07:00|-0700|-07|[.,]0+(?!\d)|[.,]9+(?!\d)|002|01|02|03|04|05|06|15|PM|pm|_2(?!006)|1|2|3|4|5/g;

interface Fields {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  nanosecond: number;
  weekday: number;
  offsetMinutes: number;
  ms: number;
}

function fieldsOf(time: GoTime): Fields {
  const nanosecond = Number(((time.ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
  const ms = Number((time.ns - BigInt(nanosecond)) / 1_000_000n);
  const offsetMinutes = zoneOffsetMinutes(time.zone, ms);
  const date = new Date(ms + offsetMinutes * 60_000);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    nanosecond,
    weekday: date.getUTCDay(),
    offsetMinutes,
    ms,
  };
}

/** Go's `Time.Format`. */
export function formatTime(layout: string, time: GoTime): string {
  const fields = fieldsOf(time);
  return layout.replaceAll(LAYOUT, (token) => formatToken(token, fields, time.zone));
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

function formatToken(token: string, fields: Fields, zone: string): string {
  const hour12 = fields.hour % 12 === 0 ? 12 : fields.hour % 12;
  switch (token) {
    case "2006":
      return String(fields.year).padStart(4, "0");
    case "06":
      return two(fields.year % 100);
    case "01":
      return two(fields.month);
    case "1":
      return String(fields.month);
    case "January":
      return MONTHS[fields.month - 1]!;
    case "Jan":
      return MONTHS[fields.month - 1]!.slice(0, 3);
    case "Monday":
      return DAYS[fields.weekday]!;
    case "Mon":
      return DAYS[fields.weekday]!.slice(0, 3);
    case "02":
      return two(fields.day);
    case "_2":
      return String(fields.day).padStart(2, " ");
    case "2":
      return String(fields.day);
    case "002": {
      const start = Date.UTC(fields.year, 0, 1);
      const day = (Date.UTC(fields.year, fields.month - 1, fields.day) - start) / 86_400_000 + 1;
      return String(day).padStart(3, "0");
    }
    case "15":
      return two(fields.hour);
    case "03":
      return two(hour12);
    case "3":
      return String(hour12);
    case "04":
      return two(fields.minute);
    case "4":
      return String(fields.minute);
    case "05":
      return two(fields.second);
    case "5":
      return String(fields.second);
    case "PM":
      return fields.hour < 12 ? "AM" : "PM";
    case "pm":
      return fields.hour < 12 ? "am" : "pm";
    case "MST":
      return zoneAbbreviation(zone, fields.ms);
    default:
      return formatZoneOrFraction(token, fields);
  }
}

function formatZoneOrFraction(token: string, fields: Fields): string {
  if (token[0] === "." || token[0] === ",") {
    const digits = String(fields.nanosecond)
      .padStart(9, "0")
      .slice(0, token.length - 1);
    if (token[1] === "0") return token[0] + digits;
    const trimmed = digits.replace(/0+$/, "");
    return trimmed === "" ? "" : token[0] + trimmed;
  }
  if (token.startsWith("Z") && fields.offsetMinutes === 0) return "Z";
  const size = Math.abs(fields.offsetMinutes);
  const sign = fields.offsetMinutes < 0 ? "-" : "+";
  const hours = sign + two(Math.floor(size / 60));
  if (token.length === 3) return hours;
  return hours + (token.includes(":") ? ":" : "") + two(size % 60);
}

export interface ParseTimeOptions {
  /** IANA name of the zone of times that carry none; it must exist, see `isTimeZone`. */
  readonly zone: string;
  /** The year of layouts without one; Go's is 0. */
  readonly year?: number;
}

interface CompiledLayout {
  readonly pattern: RegExp;
  readonly tokens: readonly string[];
}

const compiled = new Map<string, CompiledLayout>();

function compileLayout(layout: string): CompiledLayout {
  const known = compiled.get(layout);
  if (known !== undefined) return known;
  const tokens: string[] = [];
  let pattern = "^";
  let end = 0;
  for (const match of layout.matchAll(LAYOUT)) {
    pattern += escapePattern(layout.slice(end, match.index)) + tokenPattern(match[0]);
    tokens.push(match[0]);
    end = match.index + match[0].length;
    // Go accepts a fraction after the seconds even where the layout has none.
    if (/^0?5$/.test(match[0]) && !/^[.,](?:0+|9+)(?!\d)/.test(layout.slice(end))) {
      pattern += "([.,]\\d+)?";
      tokens.push(".9");
    }
  }
  const made = { pattern: new RegExp(`${pattern}${escapePattern(layout.slice(end))}$`), tokens };
  if (compiled.size >= COMPILED_MAX) compiled.clear();
  compiled.set(layout, made);
  return made;
}

/** Go's `time.ParseInLocation`; undefined when the text does not fit the layout or is no time of the calendar. */
export function parseTime(
  layout: string,
  text: string,
  options: ParseTimeOptions,
): GoTime | undefined {
  const { pattern, tokens } = compileLayout(layout);
  const found = pattern.exec(text);
  return found === null ? undefined : composeTime(tokens, found.slice(1), options);
}

/** Literal text; blanks stand for one blank or more, as in Go. */
function escapePattern(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(/ +/g, " +");
}

function tokenPattern(token: string): string {
  if (token === "2006") return "(\\d{4})";
  if (token === "002") return "(\\d{3})";
  if (token === "15") return "(\\d{1,2})";
  if (token === "January" || token === "Monday") return "([A-Za-z]+)";
  if (token === "Jan" || token === "Mon") return "([A-Za-z]{3})";
  if (token === "MST") return "([A-Z]{3,5}|[+-]\\d{2,4})";
  if (token === "PM" || token === "pm") return "([AaPp][Mm])";
  if (token.startsWith("Z")) return "(Z|[+-]\\d{2}:?\\d{0,2})";
  if (token.startsWith("-")) return "([+-]\\d{2}:?\\d{0,2})";
  if (token[0] === "." || token[0] === ",") return token[1] === "0" ? "([.,]\\d+)" : "([.,]\\d+)?";
  return token.length === 2 && token !== "_2" ? "(\\d{2})" : " ?(\\d{1,2})";
}

interface ParsedFields {
  year: number | undefined;
  month: number;
  day: number;
  dayOfYear: number | undefined;
  hour: number;
  minute: number;
  second: number;
  nanosecond: number;
  afternoon: boolean | undefined;
  offset: number | undefined;
  abbreviation: string | undefined;
}

function readFields(
  tokens: readonly string[],
  values: readonly (string | undefined)[],
): ParsedFields | undefined {
  const fields: ParsedFields = {
    year: undefined,
    month: 1,
    day: 1,
    dayOfYear: undefined,
    hour: 0,
    minute: 0,
    second: 0,
    nanosecond: 0,
    afternoon: undefined,
    offset: undefined,
    abbreviation: undefined,
  };
  for (const [index, token] of tokens.entries()) {
    const value = values[index];
    if (value !== undefined && !readField(fields, token, value)) return undefined;
  }
  return fields;
}

/** False when a name is none. */
function readField(fields: ParsedFields, token: string, value: string): boolean {
  if (token === "2006") fields.year = Number(value);
  else if (token === "06") fields.year = Number(value) + (Number(value) >= 69 ? 1900 : 2000);
  else if (token === "01" || token === "1") fields.month = Number(value);
  else if (token.startsWith("Jan")) {
    fields.month = indexOfName(MONTHS, token, value) + 1;
    return fields.month > 0;
  } else if (token.startsWith("Mon")) return indexOfName(DAYS, token, value) >= 0;
  else if (token === "002") fields.dayOfYear = Number(value);
  else if (token === "02" || token === "_2" || token === "2") fields.day = Number(value);
  else if (token === "15" || token === "03" || token === "3") fields.hour = Number(value);
  else if (token === "04" || token === "4") fields.minute = Number(value);
  else if (token === "05" || token === "5") fields.second = Number(value);
  else if (token === "PM" || token === "pm") fields.afternoon = value.toLowerCase() === "pm";
  else if (token === "MST") fields.abbreviation = value;
  else if (token[0] === "." || token[0] === ",")
    fields.nanosecond = Number(value.slice(1, 10).padEnd(9, "0"));
  else fields.offset = parseOffset(value);
  return true;
}

/** Names of months and days in any case, whole or by three letters as the token is. */
function indexOfName(names: readonly string[], token: string, value: string): number {
  const wanted = value.toLowerCase();
  return names.findIndex(
    (name) =>
      name.slice(0, token === "Jan" || token === "Mon" ? 3 : undefined).toLowerCase() === wanted,
  );
}

function composeTime(
  tokens: readonly string[],
  values: readonly (string | undefined)[],
  { zone, year: yearDefault = 0 }: ParseTimeOptions,
): GoTime | undefined {
  const fields = readFields(tokens, values);
  if (fields === undefined) return undefined;
  const { minute, second, afternoon, offset, abbreviation } = fields;
  const year = fields.year ?? yearDefault;
  const [month, day] =
    fields.dayOfYear === undefined ? [fields.month, fields.day] : [1, fields.dayOfYear];
  if (fields.hour > 23 || (afternoon !== undefined && fields.hour > 12)) return undefined;
  if (minute > 59 || second > 59 || month < 1 || month > 12 || day < 1) return undefined;
  if (day > (fields.dayOfYear === undefined ? daysIn(year, month) : 337 + daysIn(year, 2)))
    return undefined;
  const hour = afternoon === undefined ? fields.hour : (fields.hour % 12) + (afternoon ? 12 : 0);
  const date = new Date(0);
  // Not Date.UTC, which takes the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const localMs = date.getTime();
  const inUtc = { ns: nanosecondsOf(localMs - (offset ?? 0) * 60_000, fields), zone: "UTC" };
  if (offset !== undefined || abbreviation === "UTC") return inUtc;
  const ms = instantOf(zone, localMs);
  // As in Go, an abbreviation that is not the zone's own counts as UTC.
  if (abbreviation !== undefined && abbreviation !== zoneAbbreviation(zone, ms)) return inUtc;
  return { ns: nanosecondsOf(ms, fields), zone };
}

function nanosecondsOf(ms: number, { nanosecond }: ParsedFields): bigint {
  return BigInt(ms) * 1_000_000n + BigInt(nanosecond);
}

function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
}

function parseOffset(text: string): number {
  if (text === "Z") return 0;
  const digits = text.slice(1).replace(":", "").padEnd(4, "0");
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return text.startsWith("-") ? -minutes : minutes;
}
