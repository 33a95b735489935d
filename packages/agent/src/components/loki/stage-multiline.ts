/**
 * `stage.multiline`: joins the lines of one record, such as a stack trace, into one entry. A record is held until the next one of its stream
 * begins, it has `max_lines`, or no line came for `max_wait_time`. What is held stands in memory alone.
 */
import { compileRegexp } from "@finch/model";
import { optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { holdingStage, streamKeyOf } from "./process-stage.ts";
import type { PipelineEntry } from "./pipeline-entry.ts";
import type { Stage, StageContext } from "./process-stage.ts";

export const MULTILINE_STAGE = {
  firstline: required("string", "RE2 pattern of the lines that begin a record."),
  max_lines: optional("number", 128, "Lines of one entry; more begin another one.", { min: 1 }),
  max_wait_time: optional(
    "duration",
    3000,
    "How long to wait for the next line of a record. Until then it is in memory, and a crash loses it.",
  ),
  trim_newlines: optional("bool", true, "Drop line ends that stand at the end of a line."),
} as const;

/** Streams with a record that is remembered. Without a bound every pod of a year would be; the oldest is handed on and forgotten. */
const STREAMS_MAX = 10_000;

interface RecordOfStream {
  /** The first line: what is joined keeps its time, labels and extracted values. */
  readonly start: PipelineEntry;
  lines: string[];
  lastLineMs: number;
}

export function multilineStage(
  values: ValuesOf<typeof MULTILINE_STAGE>,
  { clock }: StageContext,
): Stage {
  const firstLine = compileRegexp(values.firstline, { anchored: false });
  /** In the order of their last lines. */
  const records = new Map<string, RecordOfStream>();
  /** The streams among them that hold lines, in the same order. */
  const held = new Set<string>();
  const flush = (key: string, out: PipelineEntry[]) => {
    const record = records.get(key)!;
    held.delete(key);
    if (record.lines.length === 0) return;
    out.push(record.start.withLine(record.lines.join("\n")));
    record.lines = [];
  };
  const take = (entry: PipelineEntry, out: PipelineEntry[]) => {
    const key = streamKeyOf(entry);
    let record = records.get(key);
    if (firstLine.test(entry.line)) {
      if (record !== undefined) flush(key, out);
      record = { start: entry, lines: [], lastLineMs: 0 };
    }
    // Lines in front of the first record belong to none.
    if (record === undefined) return void out.push(entry);
    record.lines.push(values.trim_newlines ? entry.line.replace(/[\r\n]+$/, "") : entry.line);
    record.lastLineMs = clock.monotonicMs();
    records.delete(key);
    records.set(key, record);
    held.delete(key);
    held.add(key);
    if (record.lines.length >= values.max_lines) flush(key, out);
    if (records.size <= STREAMS_MAX) return;
    const oldest = records.keys().next().value!;
    flush(oldest, out);
    records.delete(oldest);
  };
  const dueMs = (): number | undefined => {
    const oldest = held.values().next().value;
    return oldest === undefined
      ? undefined
      : records.get(oldest)!.lastLineMs + values.max_wait_time;
  };
  return holdingStage(
    (entries) => {
      const out: PipelineEntry[] = [];
      for (const entry of entries) take(entry, out);
      return out;
    },
    {
      dueMs,
      release(which) {
        const out: PipelineEntry[] = [];
        const nowMs = clock.monotonicMs();
        for (const key of held) {
          if (which === "due" && records.get(key)!.lastLineMs + values.max_wait_time > nowMs) break;
          flush(key, out);
        }
        return out;
      },
    },
  );
}
