/** Times of syslog messages. */

const ISO =
  /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):?(\d\d))$/;
const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
const DAY_MS = 86_400_000;
const NS_PER_MS = 1_000_000n;

/** RFC 3339 to the nanosecond; undefined where it is none. */
export function readIsoTime(text: string): bigint | undefined {
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const [, date, time, fraction = "", sign, hours, minutes] = match;
  const ms = Date.parse(`${date!}T${time!}Z`);
  if (Number.isNaN(ms)) return undefined;
  const offsetMs = sign === undefined ? 0 : (Number(hours) * 60 + Number(minutes)) * 60_000;
  return toNs(ms - (sign === "-" ? -offsetMs : offsetMs), fraction);
}

/**
 * `Nov 20 18:10:39` as groups of month, day, year, hour, minute, second and fraction: in this machine's time zone, of the year that brings it closest to now
 * where none is given.
 */
export function readBsdTime(
  parts: readonly (string | undefined)[],
  nowMs: number,
): bigint | undefined {
  const [, name, ...rest] = parts;
  const place = MONTHS.indexOf(name!);
  if (place < 0 || place % 3 !== 0) return undefined;
  const [day, year, hour, minute, second] = rest.slice(0, 5).map(Number);
  if (day! < 1 || day! > 31 || hour! > 23 || minute! > 59 || second! > 60) return undefined;
  const at = (ofYear: number) => new Date(ofYear, place / 3, day, hour, minute, second).getTime();
  let ms = at(Number.isNaN(year!) ? new Date(nowMs).getFullYear() : year!);
  if (Number.isNaN(year!)) {
    const thisYear = new Date(nowMs).getFullYear();
    if (ms - nowMs > 183 * DAY_MS) ms = at(thisYear - 1);
    else if (nowMs - ms > 183 * DAY_MS) ms = at(thisYear + 1);
  }
  return toNs(ms, parts[7] ?? "");
}

function toNs(ms: number, fraction: string): bigint {
  return BigInt(ms) * NS_PER_MS + BigInt(fraction.padEnd(9, "0"));
}
