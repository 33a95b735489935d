/** Stages that change the line or its time: `output`, `replace`, `decolorize`, `timestamp`. */
import { compileRegexp } from "@finch/model";
import type { CompiledRegexp } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { maybe, notYet, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { compileTimeLayout } from "./go-time-layout.ts";
import { eachEntry, sourceText, textOf } from "./process-stage.ts";
import type { PipelineEntry, Stage, StageContext } from "./process-stage.ts";

export const OUTPUT_STAGE = {
  source: required("string", "Extracted value that becomes the line."),
} as const;

export function outputStage(values: ValuesOf<typeof OUTPUT_STAGE>): Stage {
  return eachEntry((entry) => {
    entry.line = textOf(entry.extracted.get(values.source)) ?? entry.line;
  });
}

export const DECOLORIZE_STAGE = {} as const;
/** ESC [ … letter, built from its code because a control character in a pattern reads badly. */
const ANSI = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*[A-Za-z]`, "g");

export function decolorizeStage(): Stage {
  return eachEntry((entry) => {
    entry.line = entry.line.replace(ANSI, "");
  });
}

export const REPLACE_STAGE = {
  expression: required("string", "RE2 pattern; what its groups capture is replaced."),
  replace: optional("string", "", "What stands there instead."),
  source: maybe("string", "Extracted value to change instead of the line."),
} as const;

export function replaceStage(values: ValuesOf<typeof REPLACE_STAGE>): Stage {
  if (values.replace.includes("{{")) {
    throw new FinchError(
      "unsupported",
      "agent/unsupported-stage",
      "not supported yet: a template in stage.replace's replace",
    );
  }
  const regexp = compileRegexp(values.expression, { anchored: false });
  const names = regexp.groupNames;
  return eachEntry((entry) => {
    const text = sourceText(entry, values.source);
    if (text === undefined) return;
    const changed = replaceGroups(text, regexp, values.replace, (index) => {
      if (names[index] !== "") entry.extracted.set(names[index]!, values.replace);
    });
    if (values.source === undefined || values.source === "") entry.line = changed;
    else entry.extracted.set(values.source, changed);
  });
}

/** Replaces the captured texts of every match, from left to right; an outer group wins over the ones inside it. */
function replaceGroups(
  text: string,
  regexp: CompiledRegexp,
  replacement: string,
  seen: (group: number) => void,
): string {
  let out = "";
  let copiedTo = 0;
  for (let from = 0; from <= text.length;) {
    const bounds = regexp.bounds(text, from);
    if (bounds === undefined) break;
    for (let group = 1; group < bounds.length / 2; group++) {
      const start = bounds[2 * group]!;
      if (start < copiedTo) continue;
      out += text.slice(copiedTo, start) + replacement;
      copiedTo = bounds[2 * group + 1]!;
      seen(group);
    }
    from = Math.max(bounds[1]!, from + 1);
  }
  return out + text.slice(copiedTo);
}

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
  action_on_duplicate_timestamp: notYet("attribute", "What to do with equal times."),
} as const;

/** Streams whose last time is remembered for `fudge`: without a bound every pod of a year would be. */
const STREAMS_MAX = 10_000;

export function timestampStage(
  values: ValuesOf<typeof TIMESTAMP_STAGE>,
  context: StageContext,
): Stage {
  const parsers = [values.format, ...values.fallback_formats].map((format) =>
    compileTimeLayout(format, values.location),
  );
  const lastOfStream = new Map<string, bigint>();
  const parse = (entry: PipelineEntry): bigint | undefined => {
    const text = textOf(entry.extracted.get(values.source));
    if (text === undefined) return undefined;
    for (const parser of parsers) {
      const parsed = parser(text, context.clock.nowMs());
      if (parsed !== undefined) return parsed;
    }
    return undefined;
  };
  return eachEntry((entry) => {
    const parsed = parse(entry);
    if (values.action_on_failure === "skip") {
      entry.timestampNs = parsed ?? entry.timestampNs;
      return;
    }
    const stream = [...entry.labels].flat().join("\u0001");
    const last = lastOfStream.get(stream);
    if (parsed === undefined && last === undefined) return;
    entry.timestampNs = parsed ?? last! + 1n;
    lastOfStream.delete(stream);
    lastOfStream.set(stream, entry.timestampNs);
    if (lastOfStream.size > STREAMS_MAX) lastOfStream.delete(lastOfStream.keys().next().value!);
  });
}
