/** `stage.timestamp`: gives entries the time that stands in them, by Go layouts, their names, or as Unix numbers. */
import { isTimeZone, NAMED_LAYOUTS, parseTime } from "@finch/go-text";
import { parseRfc3339 } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { maybe, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { eachEntry, streamKeyOf, textOf } from "./process-stage.ts";
import type { PipelineEntry } from "./pipeline-entry.ts";
import type { Stage, StageContext } from "./process-stage.ts";

export const TIMESTAMP_STAGE = {
  source: required("string", "Extracted value that is the time."),
  format: required("string", "Go layout, the name of one, or Unix, UnixMs, UnixUs, UnixNs."),
  fallback_formats: optional("list(string)", [], "Formats to try when the first does not fit."),
  location: maybe("string", "IANA time zone of times that carry none."),
  action_on_failure: oneOf(
    ["fudge", "skip"],
    "fudge",
    "fudge: the last time of the stream and a nanosecond; skip: the time it was read.",
  ),
  action_on_duplicate_timestamp: oneOf(
    ["fudge", "keep"],
    "fudge",
    "Of a time that is that of the entry before it in its stream: fudge: a nanosecond is added, so that both are kept and stay in order; keep: it stays.",
  ),
} as const;

/** Streams whose last time is remembered for `fudge`, of failures and of repetitions: without a bound every pod of a year would be. */
const STREAMS_MAX = 10_000;

export function timestampStage(
  values: ValuesOf<typeof TIMESTAMP_STAGE>,
  context: StageContext,
): Stage {
  const parsers = [values.format, ...values.fallback_formats].map((format) =>
    compileTimeFormat(format, values.location),
  );
  const lastOfStream = new Map<string, LastTime>();
  const parse = (entry: PipelineEntry): bigint | undefined => {
    const text = textOf(entry.extracted.get(values.source))?.trim();
    if (text === undefined) return undefined;
    for (const parser of parsers) {
      const parsed = parser(text, context.clock.nowMs());
      if (parsed !== undefined) return parsed;
    }
    return undefined;
  };
  const { action_on_failure: onFailure, action_on_duplicate_timestamp: onDuplicate } = values;
  if (onFailure === "skip" && onDuplicate === "keep")
    return eachEntry((entry) => {
      entry.timestampNs = parse(entry) ?? entry.timestampNs;
    });
  return eachEntry((entry) => {
    const parsed = parse(entry);
    if (parsed === undefined && onFailure === "skip") return;
    const stream = streamKeyOf(entry);
    const last = lastOfStream.get(stream);
    if (parsed === undefined && last === undefined) return;
    const isAgain = parsed === undefined || (onDuplicate === "fudge" && parsed === last?.parsedNs);
    entry.timestampNs = isAgain ? last!.givenNs + 1n : parsed;
    lastOfStream.delete(stream);
    lastOfStream.set(stream, {
      parsedNs: parsed ?? last!.parsedNs,
      givenNs: entry.timestampNs,
    });
    if (lastOfStream.size > STREAMS_MAX) lastOfStream.delete(lastOfStream.keys().next().value!);
  });
}

/** Of a stream: the time that stood in its last entry with one, and the one that its last entry was given. */
interface LastTime {
  readonly parsedNs: bigint;
  readonly givenNs: bigint;
}

/** Unix nanoseconds of a trimmed text; undefined when it does not fit. */
type TimeParser = (text: string, nowMs: number) => bigint | undefined;

const UNIT_NS: ReadonlyMap<string, bigint> = new Map([
  ["Unix", 1_000_000_000n],
  ["UnixMs", 1_000_000n],
  ["UnixUs", 1000n],
  ["UnixNs", 1n],
]);

function compileTimeFormat(format: string, location: string | undefined): TimeParser {
  const unit = UNIT_NS.get(format);
  if (unit !== undefined) return (text) => parseUnix(text, unit);
  if (format === "RFC3339" || format === "RFC3339Nano") return parseRfc3339;
  const zone = location ?? "UTC";
  if (!isTimeZone(zone)) {
    throw new FinchError(
      "invalid",
      "agent/bad-stage",
      `stage.timestamp: ${JSON.stringify(zone)} is not a time zone`,
    );
  }
  const layout = NAMED_LAYOUTS.get(format) ?? format;
  // A layout without a year means this year.
  return (text, nowMs) =>
    parseTime(layout, text, { zone, year: new Date(nowMs).getUTCFullYear() })?.ns;
}

function parseUnix(text: string, unitNs: bigint): bigint | undefined {
  const match = /^(-?\d+)(?:\.(\d+))?$/.exec(text);
  if (match === null) return undefined;
  const fraction =
    unitNs === 1_000_000_000n ? BigInt((match[2] ?? "").slice(0, 9).padEnd(9, "0")) : 0n;
  return BigInt(match[1]!) * unitNs + fraction;
}
