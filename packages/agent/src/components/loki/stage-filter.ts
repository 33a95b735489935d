/** Stages that drop entries: `drop`, `sampling`, `limit`. */
import { compileRegexp } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { maybe, notYet, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { keepEntries, textOf } from "./process-stage.ts";
import type { PipelineEntry } from "./pipeline-entry.ts";
import type { Stage, StageContext } from "./process-stage.ts";

export const DROP_STAGE = {
  source: maybe(
    "string",
    "Extracted values to look at, separated by commas; the line when not given or empty.",
  ),
  separator: optional("string", ";", "Stands between the values of several sources."),
  value: maybe("string", "Drop when the source is exactly this."),
  expression: maybe("string", "Drop when this RE2 pattern matches the source."),
  older_than: maybe("duration", "Drop entries older than this."),
  longer_than: maybe("bytes", "Drop lines longer than this."),
  drop_counter_reason: optional(
    "string",
    "drop_stage",
    "Reason in loki_process_dropped_lines_total.",
  ),
} as const;

/** Drops an entry when every given condition holds. */
export function dropStage(values: ValuesOf<typeof DROP_STAGE>, context: StageContext): Stage {
  const { value, expression, older_than: olderThan, longer_than: longerThan } = values;
  const sources = (values.source ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (value !== undefined && expression !== undefined)
    throw badStage("give value or expression, not both");
  if (value !== undefined && sources.length === 0) throw badStage("value needs source");
  if (
    sources.length === 0 &&
    [value, expression, olderThan, longerThan].every((given) => given === undefined)
  ) {
    throw badStage("give at least one of source, expression, value, older_than and longer_than");
  }
  const regexp =
    expression === undefined ? undefined : compileRegexp(expression, { anchored: false });
  const read = (entry: PipelineEntry): string | undefined => {
    if (sources.length === 0) return entry.line;
    const texts = sources.map((name) => textOf(entry.extracted.get(name)));
    return texts.includes(undefined) ? undefined : texts.join(values.separator);
  };
  const isDropped = (entry: PipelineEntry): boolean => {
    if (longerThan !== undefined && Buffer.byteLength(entry.line) <= longerThan) return false;
    if (
      olderThan !== undefined &&
      context.clock.nowNs() - entry.timestampNs <= BigInt(Math.round(olderThan * 1e6))
    )
      return false;
    if (sources.length === 0 && regexp === undefined) return true;
    const text = read(entry);
    if (text === undefined) return false;
    if (value !== undefined) return text === value;
    return regexp?.test(text) ?? true;
  };
  return keepEntries(
    (entry) => !isDropped(entry),
    (count) => context.dropped(values.drop_counter_reason, count),
  );
}

export const SAMPLING_STAGE = {
  rate: required("number", "Share of the entries to keep.", { min: 0, max: 1 }),
  drop_counter_reason: optional(
    "string",
    "sampling_stage",
    "Reason in loki_process_dropped_lines_total.",
  ),
} as const;

/** Keeps a share of the entries, evenly spread: the sum of `rate` passes a whole number at every entry kept. */
export function samplingStage(
  values: ValuesOf<typeof SAMPLING_STAGE>,
  context: StageContext,
): Stage {
  let owed = 0;
  return keepEntries(
    () => {
      owed += values.rate;
      if (owed < 1) return false;
      owed -= 1;
      return true;
    },
    (count) => context.dropped(values.drop_counter_reason, count),
  );
}

export const LIMIT_STAGE = {
  rate: required("number", "Entries a second.", { min: 0 }),
  burst: required("number", "Entries at once.", { min: 1 }),
  drop: optional(
    "bool",
    false,
    "Drop what is over the limit. Waiting is not supported yet, so this must be true.",
  ),
  by_label_name: notYet("attribute", "A limit for each value of a label."),
  max_distinct_labels: notYet("attribute", "How many values have a limit of their own."),
} as const;

/** A token bucket over all entries of the stage. */
export function limitStage(values: ValuesOf<typeof LIMIT_STAGE>, context: StageContext): Stage {
  if (!values.drop)
    throw new FinchError(
      "unsupported",
      "agent/unsupported-stage",
      "not supported yet: stage.limit without drop = true",
    );
  let tokens = values.burst;
  let lastMs = context.clock.monotonicMs();
  return keepEntries(
    () => {
      const nowMs = context.clock.monotonicMs();
      tokens = Math.min(values.burst, tokens + ((nowMs - lastMs) / 1000) * values.rate);
      lastMs = nowMs;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
    (count) => context.dropped("limit_stage", count),
  );
}

function badStage(what: string): FinchError {
  return new FinchError("invalid", "agent/bad-stage", `stage.drop: ${what}`);
}
