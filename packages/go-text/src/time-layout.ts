/** Go's time layouts (`2006-01-02 15:04:05`), both ways. Zones by IANA name, through the platform's time zone data. */
import { TemplateRunFault } from "./template-value.ts";
import type { TemplateTime } from "./template-value.ts";

const MONTHS =
  "January February March April May June July August September October November December".split(
    " ",
  );
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");
const LAYOUT =
  /January|Jan|Monday|Mon|MST|2006|Z07:00|Z0700|Z07|-07:00|-0700|-07|[.,]0+(?!\d)|[.,]9+(?!\d)|002|01|02|03|04|05|06|15|PM|pm|_2|1|2|3|4|5/g;

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
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Minutes that local time is ahead of UTC at an instant. */
function zoneOffsetMinutes(zone: string, ms: number): number {
  if (zone === "UTC" || zone === "") return 0;
  let formatter = formatters.get(zone);
  if (formatter === undefined) {
    try {
      formatter = new Intl.DateTimeFormat("en-US", {
        timeZone: zone,
        hourCycle: "h23",
        year: "numeric",
        month: "numeric",
        day: "numeric",
        hour: "numeric",
        minute: "numeric",
        second: "numeric",
      });
    } catch (error) {
      throw new TemplateRunFault(`unknown time zone ${zone}`, { cause: error });
    }
    if (formatters.size > 50) formatters.clear();
    formatters.set(zone, formatter);
  }
  const part = new Map(formatter.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const local = Date.UTC(
    part.get("year")!,
    part.get("month")! - 1,
    part.get("day")!,
    part.get("hour")!,
    part.get("minute")!,
    part.get("second")!,
  );
  return Math.round((local - Math.floor(ms / 1000) * 1000) / 60_000);
}

function fieldsOf(time: TemplateTime): Fields {
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
  };
}

/** Go's `Time.Format`. */
export function formatTime(layout: string, time: TemplateTime): string {
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
      return zone === "UTC" || zone === "" ? "UTC" : zoneName(zone, fields);
    default:
      return formatZoneOrFraction(token, fields);
  }
}

function zoneName(zone: string, fields: Fields): string {
  const ms =
    Date.UTC(fields.year, fields.month - 1, fields.day, fields.hour, fields.minute) -
    fields.offsetMinutes * 60_000;
  const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "short" });
  return format.formatToParts(ms).find(({ type }) => type === "timeZoneName")?.value ?? zone;
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

/** Go's `time.ParseInLocation`; a text that does not fit the layout throws a {@link TemplateRunFault}. */
export function parseTime(layout: string, text: string, zone: string): TemplateTime {
  const groups: string[] = [];
  let pattern = "^";
  let end = 0;
  for (const match of layout.matchAll(LAYOUT)) {
    pattern += escapePattern(layout.slice(end, match.index)) + tokenPattern(match[0]);
    groups.push(match[0]);
    end = match.index + match[0].length;
    // Go accepts a fraction after the seconds even where the layout has none.
    if (/^0?5$/.test(match[0]) && !/^[.,][09]/.test(layout.slice(end))) {
      pattern += "([.,]\\d+)?";
      groups.push(".9");
    }
  }
  const found = new RegExp(`${pattern}${escapePattern(layout.slice(end))}$`).exec(text);
  if (found === null) {
    throw new TemplateRunFault(
      `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: cannot parse`,
    );
  }
  return composeTime(groups, found.slice(1), zone);
}

function escapePattern(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function tokenPattern(token: string): string {
  if (token === "2006") return "(\\d{4})";
  if (token === "002") return "(\\d{3})";
  if (token === "January") return `(${MONTHS.join("|")})`;
  if (token === "Jan") return `(${MONTHS.map((month) => month.slice(0, 3)).join("|")})`;
  if (token === "Monday") return `(${DAYS.join("|")})`;
  if (token === "Mon") return `(${DAYS.map((day) => day.slice(0, 3)).join("|")})`;
  if (token === "MST") return "([A-Z]{3,5}|[+-]\\d{2,4})";
  if (token === "PM" || token === "pm") return "([AaPp][Mm])";
  if (token.startsWith("Z")) return "(Z|[+-]\\d{2}:?\\d{0,2})";
  if (token.startsWith("-")) return "([+-]\\d{2}:?\\d{0,2})";
  if (token[0] === "." || token[0] === ",") return token[1] === "0" ? "([.,]\\d+)" : "([.,]\\d+)?";
  return token.length === 2 && token !== "_2" ? "(\\d{2})" : " ?(\\d{1,2})";
}

function composeTime(
  tokens: readonly string[],
  values: readonly (string | undefined)[],
  zone: string,
): TemplateTime {
  let [year, month, day, hour, minute, second] = [0, 1, 1, 0, 0, 0];
  let nanosecond = 0;
  let afternoon: boolean | undefined;
  let offset: number | undefined;
  for (const [index, token] of tokens.entries()) {
    const value = values[index];
    if (value === undefined) continue;
    if (token === "2006") year = Number(value);
    else if (token === "06") year = Number(value) + (Number(value) >= 69 ? 1900 : 2000);
    else if (token === "01" || token === "1") month = Number(value);
    else if (token.startsWith("Jan")) {
      month = MONTHS.findIndex((name) => name.startsWith(value)) + 1;
    } else if (token === "002") [month, day] = [1, Number(value)];
    else if (token === "02" || token === "_2" || token === "2") day = Number(value);
    else if (token === "15" || token === "03" || token === "3") hour = Number(value);
    else if (token === "04" || token === "4") minute = Number(value);
    else if (token === "05" || token === "5") second = Number(value);
    else if (token === "PM" || token === "pm") afternoon = value.toLowerCase() === "pm";
    else if (token[0] === "." || token[0] === ",") {
      nanosecond = Number(value.slice(1, 10).padEnd(9, "0"));
    } else if (token.startsWith("Z") || token.startsWith("-")) offset = parseOffset(value);
    else if (token === "MST" && value === "UTC") offset = 0;
  }
  if (afternoon !== undefined) hour = (hour % 12) + (afternoon ? 12 : 0);
  const local = Date.UTC(year, month - 1, day, hour, minute, second);
  const minutes =
    offset ?? zoneOffsetMinutes(zone, local - zoneOffsetMinutes(zone, local) * 60_000);
  const ns = BigInt(local - minutes * 60_000) * 1_000_000n + BigInt(nanosecond);
  return { ns, zone: offset === undefined ? zone : "UTC" };
}

function parseOffset(text: string): number {
  if (text === "Z") return 0;
  const digits = text.slice(1).replace(":", "").padEnd(4, "0");
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return text.startsWith("-") ? -minutes : minutes;
}
