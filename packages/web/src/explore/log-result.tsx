/** Lines that a LogQL query found, with their volume over time. */
import { useMemo, useState } from "react";
import type { ReactNode } from "react";
import type { RawLogEntry } from "../api/query-result.ts";
import { mergeLines, toLogLine } from "../logs/log-line.ts";
import { LogList } from "../logs/log-list.tsx";
import { quote, type FieldFilter } from "../logs/log-query.ts";
import { levelCounts, LevelChips, LogVolume } from "../logs/log-volume.tsx";
import { useFrame } from "../series/use-frame.ts";
import { chooseStepSeconds } from "../time/time-range.ts";
import { useRange } from "../time/range-context.tsx";
import type { QueryState } from "./query-state.ts";
import { LOG_LIMIT, type QueryRun } from "./run-query.ts";

const BARS_MAX = 90;
const NO_LEVELS: ReadonlySet<never> = new Set();
const keepStill = (): void => {};

export interface LogResultProps {
  readonly run: QueryRun;
  readonly entries: readonly RawLogEntry[];
  readonly asked: QueryState;
  readonly onQuery: (query: string) => void;
}

export function LogResult({ entries, asked, onQuery }: LogResultProps): ReactNode {
  const { range, span } = useRange();
  const [wrap, setWrap] = useState(false);
  const step = chooseStepSeconds((span.toMs - span.fromMs) / 1000, BARS_MAX);
  const volume = useFrame({
    source: "logs",
    query: `sum by (detected_level) (count_over_time(${asked.query} [${step}s]))`,
    span,
    step,
    live: range.kind === "live",
  }).frame;
  const counts = useMemo(() => levelCounts(volume), [volume]);
  const lines = useMemo(
    () =>
      mergeLines(
        [],
        entries.map((entry) => toLogLine(entry, undefined)),
      ).toReversed(),
    [entries],
  );
  if (lines.length === 0)
    return <p className="log-empty">The query is right and found no line in this time range.</p>;
  return (
    <section className="panel logs">
      <div className="log-bar">
        <LevelChips
          counts={counts}
          chosen={NO_LEVELS}
          onToggle={(level) => onQuery(`${asked.query} | detected_level=${quote(level)}`)}
        />
        <span className="hint">
          {lines.length >= LOG_LIMIT ? `the newest ${LOG_LIMIT.toLocaleString("en")} lines` : ""}
        </span>
        <button type="button" className="button" aria-pressed={wrap} onClick={() => setWrap(!wrap)}>
          Wrap lines
        </button>
      </div>
      <LogVolume frame={volume} shown={NO_LEVELS} />
      <LogList
        lines={lines}
        wrap={wrap}
        pattern={undefined}
        withDay={true}
        following={false}
        waiting={-1}
        onPause={keepStill}
        onResume={keepStill}
        onFilter={(field) => onQuery(addToQuery(asked.query, field))}
      />
    </section>
  );
}

/** The query with a filter on a clicked value; parsed fields need their parser once before. */
export function addToQuery(query: string, field: FieldFilter): string {
  const filter = `| ${field.name}${field.exclude ? "!=" : "="}${quote(field.value)}`;
  const parsed = field.where === "json" || field.where === "logfmt";
  const hasParser = parsed && new RegExp(`\\|\\s*${field.where}\\b`).test(query);
  return parsed && !hasParser ? `${query} | ${field.where} ${filter}` : `${query} ${filter}`;
}
