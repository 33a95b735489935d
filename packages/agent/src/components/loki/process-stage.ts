/** What a stage of `loki.process` works on, and how it is built. Stages run in file order, on the entries of one batch. */
import type { ComponentMetrics } from "../../component.ts";
import type { Clock } from "@finch/runtime";
import type { PipelineEntry } from "./pipeline-entry.ts";

/** Changes entries, drops some, adds some; keeps the order within a stream. */
export interface Stage {
  (entries: PipelineEntry[]): PipelineEntry[];
  /** Only of stages that keep entries back to hand them on later. */
  readonly held?: HeldEntries;
  /** Only of stages that slow their pipeline: how long what they let through must wait, from now. */
  readonly waitMs?: () => number;
}

/** The entries that a stage keeps back. Whoever runs the pipeline asks for them; a stage sets no timers. */
export interface HeldEntries {
  /** When the first of them is to be handed on, by the clock's monotonic time; undefined when none waits. */
  dueMs(): number | undefined;
  /** Gives up those that are due, or all at a stop. */
  release(which: "due" | "all"): PipelineEntry[];
}

/** A stage that keeps entries back, or slows its pipeline. */
export function holdingStage(
  run: (entries: PipelineEntry[]) => PipelineEntry[],
  held: HeldEntries | undefined,
  waitMs?: () => number,
): Stage {
  return Object.assign(run, {
    ...(held !== undefined && { held }),
    ...(waitMs !== undefined && { waitMs }),
  });
}

/** What all stages of a component share. */
export interface PipelineContext {
  readonly clock: Clock;
  readonly metrics: ComponentMetrics;
  /** Reads a file that a stage needs; absent where configurations are only checked. */
  readonly readFile?: (path: string) => Buffer;
  /** Counts entries that a stage dropped, by the reason the configuration gives. `at`: the stage, such as `stage[2].stage[0]`. */
  dropped(at: string, reason: string, entries: DroppedEntries): void;
}

export interface StageContext {
  readonly clock: Clock;
  readonly metrics: ComponentMetrics;
  readonly pipeline: PipelineContext;
  /** Which stage it is: `stage[2].stage[0]`. */
  readonly at: string;
  dropped(reason: string, entries: DroppedEntries): void;
}

/** Entries that a stage dropped: how many, and which, for those who look. */
export interface DroppedEntries {
  readonly count: number;
  readonly list: () => readonly PipelineEntry[];
}

export function stageContextAt(pipeline: PipelineContext, at: string): StageContext {
  const { clock, metrics } = pipeline;
  return {
    clock,
    metrics,
    pipeline,
    at,
    dropped: (reason, entries) => pipeline.dropped(at, reason, entries),
  };
}

/** What is in `entries` and not in `kept`, which are some of them in the same order. */
export function entriesWithout(
  entries: readonly PipelineEntry[],
  kept: readonly PipelineEntry[],
): readonly PipelineEntry[] {
  let next = 0;
  return entries.filter((entry) => {
    if (entry !== kept[next]) return true;
    next++;
    return false;
  });
}

/** Tells streams apart: the labels as the stages before left them. */
export function streamKeyOf(entry: PipelineEntry): string {
  return entry.labels.key;
}

/** A stage that changes entries one by one. */
export function eachEntry(change: (entry: PipelineEntry) => void): Stage {
  return (entries) => {
    for (const entry of entries) change(entry);
    return entries;
  };
}

/** A stage that keeps the entries for which `wanted` holds and counts the others. */
export function keepEntries(
  wanted: (entry: PipelineEntry) => boolean,
  count: (dropped: DroppedEntries) => void,
): Stage {
  return (entries) => {
    const kept = entries.filter(wanted);
    if (kept.length < entries.length)
      count({
        count: entries.length - kept.length,
        list: () => entriesWithout(entries, kept),
      });
    return kept;
  };
}

/** An extracted value as text: numbers in their shortest form, objects as JSON, nothing for null. */
export function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
    case "boolean":
      return String(value);
    case "object":
      return value === null ? undefined : JSON.stringify(value);
    default:
      return undefined;
  }
}

/** The text a stage with an optional `source` reads: an extracted value, or the line when the source is not given or empty. */
export function sourceText(entry: PipelineEntry, source: string | undefined): string | undefined {
  return source === undefined || source === "" ? entry.line : textOf(entry.extracted.get(source));
}

/** At most `bytes` bytes of UTF-8, ending at a whole character. */
export function cutBytes(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  let end = bytes;
  while (end > 0 && (encoded[end]! & 0xc0) === 0x80) end--;
  return encoded.toString("utf8", 0, end);
}
