/** Stages that drop entries: `drop`, `sampling`, `limit`. */
import { compileRegexp } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { maybe, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { holdingStage, keepEntries, textOf } from "./process-stage.ts";
import type { PipelineEntry } from "./pipeline-entry.ts";
import type { DroppedEntries, Stage, StageContext } from "./process-stage.ts";

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
    throw badStage("stage.drop: give value or expression, not both");
  if (value !== undefined && sources.length === 0) throw badStage("stage.drop: value needs source");
  if (
    sources.length === 0 &&
    [value, expression, olderThan, longerThan].every((given) => given === undefined)
  ) {
    throw badStage(
      "stage.drop: give at least one of source, expression, value, older_than and longer_than",
    );
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
    (dropped) => context.dropped(values.drop_counter_reason, dropped),
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
    (dropped) => context.dropped(values.drop_counter_reason, dropped),
  );
}

/** As in Alloy: fewer would forget limits that are in use. */
const DISTINCT_LABELS_MIN = 10_000;
/** A value that is not limited any more leaves the metrics. */
const LABEL_SERIES_IDLE_MS = 3_600_000;

export const LIMIT_STAGE = {
  rate: required("number", "Entries a second.", { min: 0 }),
  burst: required("number", "Entries at once.", { min: 1 }),
  drop: optional(
    "bool",
    false,
    "Drop what is over the limit; else the component is slowed to it, and its sources wait.",
  ),
  by_label_name: optional(
    "string",
    "",
    "Label each value of which has a limit of its own; entries without it have none.",
  ),
  max_distinct_labels: optional(
    "number",
    DISTINCT_LABELS_MIN,
    `Values whose limit is remembered; ${DISTINCT_LABELS_MIN} at least.`,
    { min: 0 },
  ),
} as const;

/** A token bucket over all entries of the stage, or one for each value of a label. Throws a FinchError for rates that let nothing through. */
export function limitStage(values: ValuesOf<typeof LIMIT_STAGE>, context: StageContext): Stage {
  const { by_label_name: name, drop, rate } = values;
  if (rate === 0) throw badStage("stage.limit: rate must be above 0");
  if (!drop) {
    if (name !== "") throw badStage("stage.limit: by_label_name needs drop = true");
    const bucket = new TokenBucket(values, context);
    const spend = (entries: PipelineEntry[]) => {
      bucket.spend(entries.length);
      return entries;
    };
    return holdingStage(spend, undefined, () => bucket.debtMs());
  }
  const count = (dropped: DroppedEntries) => context.dropped("ratelimit_drop_stage", dropped);
  if (name === "") {
    const bucket = new TokenBucket(values, context);
    return keepEntries(() => bucket.take(), count);
  }
  const bucketOf = new BucketsByValue(values, context);
  const countOf = (value: string) =>
    context.metrics
      .counter(
        "loki_process_dropped_lines_by_label_total",
        "A count of all log lines dropped as a result of a pipeline stage",
        { label_name: name, label_value: value },
        { idleMs: LABEL_SERIES_IDLE_MS },
      )
      .add(1);
  return keepEntries((entry) => {
    const value = entry.labels.get(name);
    if (value === "" || bucketOf.get(value).take()) return true;
    countOf(value);
    return false;
  }, count);
}

class TokenBucket {
  readonly #burst: number;
  readonly #rate: number;
  readonly #clock: StageContext["clock"];
  #tokens: number;
  #lastMs: number;

  constructor(
    { burst, rate }: { readonly burst: number; readonly rate: number },
    { clock }: StageContext,
  ) {
    this.#burst = burst;
    this.#rate = rate;
    this.#clock = clock;
    this.#tokens = burst;
    this.#lastMs = clock.monotonicMs();
  }

  /** Whether there was a token. */
  take(): boolean {
    this.#earn();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes tokens, also those that are not there yet. */
  spend(count: number): void {
    this.#earn();
    this.#tokens -= count;
  }

  /** When all tokens that were spent will have been there, from now. */
  debtMs(): number {
    this.#earn();
    return Math.max(0, (-this.#tokens / this.#rate) * 1000);
  }

  #earn(): void {
    const nowMs = this.#clock.monotonicMs();
    const earned = ((nowMs - this.#lastMs) / 1000) * this.#rate;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#lastMs = nowMs;
  }
}

/** Buckets of the values seen last. */
class BucketsByValue {
  readonly #values: ValuesOf<typeof LIMIT_STAGE>;
  readonly #context: StageContext;
  readonly #known = new Map<string, TokenBucket>();

  constructor(values: ValuesOf<typeof LIMIT_STAGE>, context: StageContext) {
    this.#values = values;
    this.#context = context;
  }

  get(value: string): TokenBucket {
    const bucket = this.#known.get(value) ?? new TokenBucket(this.#values, this.#context);
    this.#known.delete(value);
    this.#known.set(value, bucket);
    const max = Math.max(DISTINCT_LABELS_MIN, this.#values.max_distinct_labels);
    if (this.#known.size > max) this.#known.delete(this.#known.keys().next().value!);
    return bucket;
  }
}

function badStage(what: string): FinchError {
  return new FinchError("invalid", "agent/bad-stage", what);
}
