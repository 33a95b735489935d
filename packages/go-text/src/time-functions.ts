/** Sprig's functions of times. */
import { asText, counted, goType, texts } from "./template-arguments.ts";
import type { FunctionTable } from "./template-arguments.ts";
import { isTime, TemplateRunFault } from "./template-value.ts";
import type { TemplateValue } from "./template-value.ts";
import { formatTime, parseTime } from "./time-layout.ts";
import type { GoTime } from "./time-layout.ts";
import { isTimeZone } from "./zone.ts";

/** Go's zero time. */
const ZERO: GoTime = { ns: -62_135_596_800_000_000_000n, zone: "UTC" };

/** Parses as Go's `time.ParseInLocation`; a zone that is none is UTC, a text that does not parse the zero time. */
export function parseTimeLoosely(layout: string, text: string, zone: string): GoTime {
  return parseTime(layout, text, { zone: isTimeZone(zone) ? zone : "UTC" }) ?? ZERO;
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
  now: counted(0, (_, scope) => ({ ns: scope.nowNs(), zone: "UTC" })),
  // What is neither a time nor an epoch counts as now.
  date: counted(2, ([layout, time], scope) => {
    const value = time ?? null;
    if (isTime(value)) return formatTime(asText(layout), value);
    const ns = typeof value === "bigint" ? value * 1_000_000_000n : scope.nowNs();
    return formatTime(asText(layout), { ns, zone: "UTC" });
  }),
  toDate: texts(2, (layout, text) => parseTimeLoosely(layout!, text!, "UTC")),
  unixEpoch: counted(1, ([time]) => String(floorDivide(asTime(time).ns, 1_000_000_000n))),
  unixEpochMillis: counted(1, ([time]) => String(floorDivide(asTime(time).ns, 1_000_000n))),
  unixEpochNanos: counted(1, ([time]) => String(asTime(time).ns)),
};
