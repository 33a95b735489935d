/** Sprig's functions of times. */
import { asText, goType, texts } from "./template-arguments.ts";
import type { FunctionTable } from "./template-arguments.ts";
import { isTime, TemplateRunFault, toInteger } from "./template-value.ts";
import type { TemplateValue } from "./template-value.ts";
import { formatTime, parseTime } from "./time-layout.ts";
import type { GoTime } from "./time-layout.ts";
import { isTimeZone } from "./zone.ts";

/** Parses as Go's `time.ParseInLocation`, and fails as it fails. */
export function mustParseTime(layout: string, text: string, zone: string): GoTime {
  if (!isTimeZone(zone)) throw new TemplateRunFault(`unknown time zone ${zone}`);
  const time = parseTime(layout, text, { zone });
  if (time !== undefined) return time;
  throw new TemplateRunFault(
    `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: cannot parse`,
  );
}

function asTime(value: TemplateValue | undefined): GoTime {
  if (value !== undefined && isTime(value)) return value;
  throw new TemplateRunFault(
    `wrong type for value; expected time.Time; got ${goType(value ?? null)}`,
  );
}

function floorDivide(value: bigint, size: bigint): bigint {
  return value >= 0n || value % size === 0n ? value / size : value / size - 1n;
}

export const TIME_FUNCTIONS: FunctionTable = {
  now: (_, scope) => ({ ns: scope.nowNs(), zone: "UTC" }),
  date: ([layout, time]) => {
    const value = time ?? null;
    if (isTime(value)) return formatTime(asText(layout), value);
    const seconds = typeof value === "bigint" ? value : toInteger(value);
    return formatTime(asText(layout), { ns: seconds * 1_000_000_000n, zone: "UTC" });
  },
  toDate: texts(2, (layout, text) => mustParseTime(layout!, text!, "UTC")),
  unixEpoch: ([time]) => String(floorDivide(asTime(time).ns, 1_000_000_000n)),
  unixEpochMillis: ([time]) => String(floorDivide(asTime(time).ns, 1_000_000n)),
  unixEpochNanos: ([time]) => String(asTime(time).ns),
};
