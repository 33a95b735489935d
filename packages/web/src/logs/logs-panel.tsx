/** Logs of this machine: search, levels, volume and the live list, over the page's time range. */
import { useDeferredValue, useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { UNREACHABLE } from "../api/http.ts";
import { useFrame } from "../series/use-frame.ts";
import { Icon } from "../shell/icons.tsx";
import { useRange } from "../time/range-context.tsx";
import { chooseStepSeconds, rangeSeconds, selectRange } from "../time/time-range.ts";
import type { FeedState, LogFeed } from "./log-feed.ts";
import type { LogLine } from "./log-line.ts";
import { LogList } from "./log-list.tsx";
import {
  logQuery,
  NO_FILTER,
  regexFault,
  searchPattern,
  toggleField,
  toggleLevel,
  volumeQuery,
  type FieldFilter,
  type LogFilter,
} from "./log-query.ts";
import { LevelChips, levelCounts, LogVolume } from "./log-volume.tsx";
import { useLogFeed } from "./use-log-feed.ts";

/** Typing rests this long before a search starts. */
const TYPING_MS = 250;
/** Context of a line is what its stream said this long before and after. */
const CONTEXT_MS = 60_000;
const BARS_MAX = 90;

export function LogsPanel(): ReactNode {
  const { range, span, zoomTo } = useRange();
  const [filter, setFilter] = useState<LogFilter>(NO_FILTER);
  const [wrap, setWrap] = useState(false);
  const [wide, setWide] = useState(false);
  const [target, setTarget] = useState<string | undefined>(undefined);
  const settled = useSettled(filter);
  const live = range.kind === "live";
  const step = chooseStepSeconds(rangeSeconds(range), BARS_MAX);
  const { state, feed } = useLogFeed(logQuery(settled));
  const volume = useFrame({
    source: "logs",
    query: volumeQuery(settled, step),
    span,
    step,
    live,
  }).frame;
  const counts = useMemo(() => levelCounts(volume), [volume]);
  const pattern = useMemo(() => searchPattern(settled), [settled]);
  const showContext = (line: LogLine): void => {
    const fields = Object.entries(line.labels).map(([name, value]): FieldFilter => ({
      name,
      value,
      where: "stream",
      exclude: false,
    }));
    setFilter({ ...NO_FILTER, fields });
    setTarget(line.id);
    zoomTo(selectRange(line.timeMs - CONTEXT_MS, line.timeMs + CONTEXT_MS));
  };
  return (
    <section className={wide ? "panel logs logs-wide" : "panel logs"} aria-label="Logs">
      <LogsHead live={live} state={state} wide={wide} onWide={setWide} />
      <div className="log-bar">
        <LogSearch filter={filter} wrap={wrap} onFilter={setFilter} onWrap={setWrap} />
        <LevelChips
          counts={counts}
          chosen={filter.levels}
          onToggle={(level) => setFilter(toggleLevel(filter, level))}
        />
      </div>
      <FilterChips filter={filter} onFilter={setFilter} />
      <LogVolume frame={volume} shown={filter.levels} />
      {state.error !== undefined && state.error !== UNREACHABLE && (
        <p className="notice notice-error">{state.error}</p>
      )}
      <LogBody
        state={state}
        feed={feed}
        live={live}
        wrap={wrap}
        pattern={pattern}
        target={target}
        filtered={logQuery(settled) !== logQuery(NO_FILTER)}
        onFilter={(field) => setFilter((before) => toggleField(before, field))}
        onContext={showContext}
      />
    </section>
  );
}

interface LogsHeadProps {
  readonly live: boolean;
  readonly state: FeedState;
  readonly wide: boolean;
  readonly onWide: (wide: boolean) => void;
}

function LogsHead({ live, state, wide, onWide }: LogsHeadProps): ReactNode {
  return (
    <header className="panel-head">
      <h2>Logs</h2>
      <TailStatus live={live} state={state} />
      <button
        type="button"
        className="link-button logs-widen"
        aria-pressed={wide}
        onClick={() => onWide(!wide)}
      >
        {wide ? "Beside the charts" : "Full width"}
      </button>
    </header>
  );
}

interface LogBodyProps {
  readonly state: FeedState;
  readonly feed: LogFeed | undefined;
  readonly live: boolean;
  readonly wrap: boolean;
  readonly pattern: RegExp | undefined;
  readonly target: string | undefined;
  readonly filtered: boolean;
  readonly onFilter: (field: FieldFilter) => void;
  readonly onContext: (line: LogLine) => void;
}

function LogBody({ state, feed, live, filtered, ...list }: LogBodyProps): ReactNode {
  const { lines, loading, hasOlder, waitingCount, paused } = state;
  const withDay =
    lines.length > 0 &&
    new Date(lines[0]!.timeMs).toDateString() !== new Date(lines.at(-1)!.timeMs).toDateString();
  if (lines.length === 0) {
    if (state.error !== undefined) return null;
    const nothing = filtered
      ? "No line matches. Try fewer words or levels, or a wider range."
      : live
        ? "No log lines yet. They appear here as they are written."
        : "No log lines in this time range.";
    return (
      <p className="log-empty" role="status">
        {loading ? "Reading the logs…" : nothing}
      </p>
    );
  }
  return (
    <LogList
      {...list}
      lines={lines}
      withDay={withDay}
      following={live && !paused}
      waiting={live ? waitingCount : -1}
      onPause={() => live && feed?.pause()}
      onResume={() => feed?.resume()}
      head={
        hasOlder && (
          <button
            type="button"
            className="link-button log-older"
            disabled={loading}
            onClick={() => {
              feed?.pause();
              void feed?.loadOlder();
            }}
          >
            {loading ? "Searching older lines…" : "Load older lines"}
          </button>
        )
      }
    />
  );
}

interface LogSearchProps {
  readonly filter: LogFilter;
  readonly wrap: boolean;
  readonly onFilter: (filter: LogFilter) => void;
  readonly onWrap: (wrap: boolean) => void;
}

function LogSearch({ filter, wrap, onFilter, onWrap }: LogSearchProps): ReactNode {
  return (
    <div className="log-tools">
      <label className="log-search">
        <Icon name="search" />
        <input
          type="search"
          data-search
          aria-label="Search the logs"
          aria-invalid={regexFault(filter) !== undefined}
          placeholder={
            filter.isRegex ? "Lines matching a regular expression…" : "Lines containing…"
          }
          value={filter.text}
          onChange={(event) => onFilter({ ...filter, text: event.target.value })}
        />
        <button
          type="button"
          className="log-regex"
          aria-pressed={filter.isRegex}
          title="Regular expression"
          aria-label="Regular expression"
          onClick={() => onFilter({ ...filter, isRegex: !filter.isRegex })}
        >
          .*
        </button>
      </label>
      <button
        type="button"
        className="icon-button"
        aria-pressed={wrap}
        aria-label="Wrap long lines"
        title="Wrap long lines"
        onClick={() => onWrap(!wrap)}
      >
        <Icon name="wrap" />
      </button>
    </div>
  );
}

function FilterChips({ filter, onFilter }: Pick<LogSearchProps, "filter" | "onFilter">): ReactNode {
  const fault = regexFault(filter);
  return (
    <>
      {fault !== undefined && <p className="notice notice-error log-fault">{fault}</p>}
      {filter.fields.length > 0 && (
        <div className="chips chips-filter" role="group" aria-label="Filters">
          {filter.fields.map((field) => (
            <button
              key={`${field.name} ${field.value}`}
              type="button"
              className="chip chip-filter"
              aria-label={`Remove the filter ${field.name} ${field.value}`}
              onClick={() => onFilter(toggleField(filter, field))}
            >
              {field.name} {field.exclude ? "≠" : "="} {field.value}
              <Icon name="close" />
            </button>
          ))}
          <button
            type="button"
            className="link-button"
            onClick={() => onFilter({ ...filter, fields: [] })}
          >
            Clear
          </button>
        </div>
      )}
    </>
  );
}

function TailStatus({
  live,
  state,
}: {
  readonly live: boolean;
  readonly state: FeedState;
}): ReactNode {
  const words = {
    connecting: "connecting…",
    streaming: "following",
    polling: "following, every 2 s",
    reconnecting: "reconnecting…",
  };
  const text = !live
    ? ""
    : state.paused
      ? "held while you read"
      : state.tail === undefined
        ? ""
        : words[state.tail];
  const count = `${state.lines.length.toLocaleString("en")} ${state.lines.length === 1 ? "line" : "lines"}`;
  const parts: string[] = [];
  if (state.lines.length > 0) parts.push(count);
  if (text !== "") parts.push(text);
  if (state.dropped > 0) {
    parts.push(`${state.dropped.toLocaleString("en")} left out, they came too fast`);
  }
  return (
    <span className="hint" role="status">
      {parts.join(" · ")}
    </span>
  );
}

/** The filter once typing rests and its expression is whole. */
function useSettled(filter: LogFilter): LogFilter {
  const [settled, setSettled] = useState(filter);
  useEffect(() => {
    if (regexFault(filter) !== undefined) return;
    const timer = setTimeout(() => setSettled(filter), TYPING_MS);
    return () => clearTimeout(timer);
  }, [filter]);
  return useDeferredValue(settled);
}
