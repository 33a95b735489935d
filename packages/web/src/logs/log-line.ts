/** A log line as the panel shows it, and the bounded, ordered list of them. Pure. */
import type { RawLogEntry } from "../api/query-result.ts";

/** `id` is equal for the same line read twice, by a query and by the tail. */
export interface LogLine {
  readonly id: string;
  readonly timeNs: string;
  readonly timeMs: number;
  readonly line: string;
  readonly level: Level;
  readonly service: string;
  /** Labels of the stream. */
  readonly labels: Readonly<Record<string, string>>;
  /** Structured metadata and whatever else came with the line. */
  readonly metadata: Readonly<Record<string, string>>;
}

export const LEVELS = ["critical", "error", "warn", "info", "debug", "trace", "unknown"] as const;
export type Level = (typeof LEVELS)[number];

/** As many lines as the panel holds: beyond them the oldest go, so that a page left open for days stays small. */
export const LOG_LINES_MAX = 5000;

const LEVEL_NAMES: Readonly<Record<string, Level>> = {
  fatal: "critical",
  critical: "critical",
  emerg: "critical",
  alert: "critical",
  error: "error",
  err: "error",
  warn: "warn",
  warning: "warn",
  notice: "info",
  info: "info",
  debug: "debug",
  trace: "trace",
};

/** The level that a `detected_level` belongs to; words it does not know are `unknown`. */
export function levelOf(text: string | undefined): Level {
  return LEVEL_NAMES[(text ?? "").toLowerCase()] ?? "unknown";
}

/** The values of `detected_level` that count as this level. */
export function levelAliases(level: Level): readonly string[] {
  const names = Object.keys(LEVEL_NAMES).filter((name) => LEVEL_NAMES[name] === level);
  return level === "unknown" ? ["unknown", ""] : names;
}

/**
 * The tail merges metadata into the labels; `streamLabels`, the names of all stream labels, tells them apart again.
 * Undefined while these names are not known: then everything but `detected_level` counts as a label.
 */
export function toLogLine(
  raw: RawLogEntry,
  streamLabels: ReadonlySet<string> | undefined,
): LogLine {
  const labels: Record<string, string> = {};
  const metadata: Record<string, string> = { ...raw.metadata };
  for (const [name, value] of Object.entries(raw.labels)) {
    const ofStream =
      streamLabels === undefined ? name !== "detected_level" : streamLabels.has(name);
    if (ofStream) labels[name] = value;
    else metadata[name] = value;
  }
  const service = labels["service_name"] ?? labels["job"] ?? labels["container"] ?? "";
  return {
    id: `${raw.timeNs} ${service} ${raw.line}`,
    timeNs: raw.timeNs,
    timeMs: Math.floor(Number(raw.timeNs) / 1e6),
    line: raw.line,
    level: levelOf(metadata["detected_level"] ?? labels["level"]),
    service,
    labels,
    metadata,
  };
}

/** Both lists in order of time without doubles; `incoming` need not be sorted. Lines over `max` are cut at the old end. */
export function mergeLines(
  lines: readonly LogLine[],
  incoming: readonly LogLine[],
  max: number = LOG_LINES_MAX,
): readonly LogLine[] {
  if (incoming.length === 0) return lines;
  const sorted = incoming.toSorted(byTime);
  const last = lines.at(-1);
  const first = sorted[0]!;
  // The usual case: everything is newer than what is there.
  if (last === undefined || byTime(last, first) < 0) {
    return cutOldest([...lines, ...withoutRepeats(sorted)], max);
  }
  return cutOldest(withoutRepeats([...lines, ...sorted].toSorted(byTime)), max);
}

/** Times have equal width in nanoseconds, so that they compare as text without losing digits. */
function byTime(a: LogLine, b: LogLine): number {
  if (a.timeNs.length !== b.timeNs.length) return a.timeNs.length - b.timeNs.length;
  if (a.timeNs !== b.timeNs) return a.timeNs < b.timeNs ? -1 : 1;
  return a.id < b.id ? -1 : a.id === b.id ? 0 : 1;
}

function withoutRepeats(sorted: readonly LogLine[]): readonly LogLine[] {
  return sorted.filter((line, index) => line.id !== sorted[index - 1]?.id);
}

function cutOldest(lines: readonly LogLine[], max: number): readonly LogLine[] {
  return lines.length > max ? lines.slice(lines.length - max) : lines;
}
