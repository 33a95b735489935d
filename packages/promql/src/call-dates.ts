/** Parts of a date in UTC. Times outside of what a `Date` holds (about ±270,000 years) give NaN. */
import { assert } from "@finch/runtime";

const DAY_MS = 86_400_000;

const PARTS: Readonly<Record<string, (date: Date) => number>> = {
  minute: (date) => date.getUTCMinutes(),
  hour: (date) => date.getUTCHours(),
  day_of_month: (date) => date.getUTCDate(),
  day_of_week: (date) => date.getUTCDay(),
  day_of_year: (date) =>
    Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY_MS) + 1,
  days_in_month: (date) =>
    new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate(),
  month: (date) => date.getUTCMonth() + 1,
  year: (date) => date.getUTCFullYear(),
};

/** The function from Unix seconds to the part of the date that `name` names. */
export function datePart(name: string): (seconds: number) => number {
  const part = PARTS[name];
  assert(part !== undefined, "a known part of a date");
  return (seconds) => part(new Date(seconds * 1000));
}
