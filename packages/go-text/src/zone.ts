/** Time zones by IANA name, through the platform's time zone data. */
import { COMPILED_MAX } from "./limits.ts";

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(zone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(zone);
  if (formatter === undefined) {
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
    if (formatters.size >= COMPILED_MAX) formatters.clear();
    formatters.set(zone, formatter);
  }
  return formatter;
}

/** Whether the platform knows a zone of that name; "" is UTC, as in Go. */
export function isTimeZone(zone: string): boolean {
  if (zone === "" || zone === "UTC") return true;
  try {
    return formatterOf(zone) !== undefined;
  } catch {
    return false;
  }
}

/** Minutes that local time is ahead of UTC at an instant. The zone must exist. */
export function zoneOffsetMinutes(zone: string, ms: number): number {
  if (zone === "UTC" || zone === "") return 0;
  const parts = formatterOf(zone).formatToParts(ms);
  const part = new Map(parts.map(({ type, value }) => [type, Number(value)]));
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

/** The instant at which clocks of the zone show `localMs` (a time written as if it were UTC). */
export function instantOf(zone: string, localMs: number): number {
  const near = localMs - zoneOffsetMinutes(zone, localMs) * 60_000;
  return localMs - zoneOffsetMinutes(zone, near) * 60_000;
}

/** How the zone is called at an instant: `CEST`, `EST`; an offset where the platform has no short name. */
export function zoneAbbreviation(zone: string, ms: number): string {
  if (zone === "UTC" || zone === "") return "UTC";
  // The platform abbreviates the zones of a continent in the English of that continent alone.
  const names = ["en-US", "en-GB", "en-AU"].map(
    (locale) =>
      new Intl.DateTimeFormat(locale, { timeZone: zone, timeZoneName: "short" })
        .formatToParts(ms)
        .find(({ type }) => type === "timeZoneName")?.value ?? zone,
  );
  return names.find((name) => /^[A-Z]+$/.test(name)) ?? names[0]!;
}
