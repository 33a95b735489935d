/** Explore: ask in PromQL or LogQL, see charts, tables and lines. The query stands in the URL, so that a link shows the same. */
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { useLocation, useSearch } from "wouter";
import { ApiError } from "../api/http.ts";
import { chooseStepSeconds, resolveRange } from "../time/time-range.ts";
import { useRange } from "../time/range-context.tsx";
import { RangeControls } from "../time/range-controls.tsx";
import { CodeEditor } from "./code-editor.tsx";
import { HistoryMenu } from "./history-menu.tsx";
import { MetricBrowser } from "./metric-browser.tsx";
import { readFault, type QueryFault } from "./query-error.ts";
import { rememberQuery } from "./query-history.ts";
import {
  EXAMPLES,
  LANGUAGE_NAMES,
  parseQueryState,
  writeQueryState,
  type Language,
  type QueryState,
} from "./query-state.ts";
import { ResultView } from "./result-view.tsx";
import { runQuery, type QueryRun } from "./run-query.ts";
import "../styles/explore.css";

/** A live page runs its query again this often at most: an ad-hoc query may be dear. */
const REFRESH_MS_MIN = 10_000;

export function ExplorePage(): ReactNode {
  const { asked, ask } = useAsked();
  const [draft, setDraft] = useState(asked.query);
  useEffect(() => setDraft(asked.query), [asked.query]);
  const { run, fault, busy, again } = useRun(asked);
  const runDraft = (): void => {
    if (draft === asked.query) again();
    else ask({ query: draft });
  };
  return (
    <div className="page explore">
      <header className="machine">
        <div className="explore-switches">
          <h1>Explore</h1>
          <LanguageTabs asked={asked} draft={draft} onAsk={ask} />
        </div>
        <RangeControls />
      </header>
      <section className="panel ask" aria-label="Query">
        <CodeEditor
          language={asked.language}
          value={draft}
          fault={draft === asked.query ? fault : undefined}
          onChange={setDraft}
          onRun={runDraft}
        />
        <AskBar
          asked={asked}
          draft={draft}
          busy={busy}
          fault={fault}
          onAsk={ask}
          onRun={runDraft}
        />
      </section>
      {asked.query === "" ? (
        <Examples language={asked.language} onPick={(query) => ask({ query })} />
      ) : (
        <ResultView run={run} asked={asked} busy={busy} onQuery={(query) => ask({ query })} />
      )}
    </div>
  );
}

type Ask = (change: Partial<QueryState>) => void;

/** What the URL asks, and how to ask for something else; queries that are run are remembered. */
function useAsked(): { readonly asked: QueryState; readonly ask: Ask } {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const asked = useMemo(() => parseQueryState(search), [search]);
  const ask = useCallback<Ask>(
    (change) => {
      const next = { ...asked, ...change };
      if (next.query.trim() !== "" && change.query !== undefined) {
        rememberQuery({ language: next.language, query: next.query, atMs: Date.now() });
      }
      navigate(`${path}?${writeQueryState(search, next)}`);
    },
    [asked, navigate, path, search],
  );
  return { asked, ask };
}

interface AskBarProps {
  readonly asked: QueryState;
  readonly draft: string;
  readonly busy: boolean;
  readonly fault: QueryFault | undefined;
  readonly onAsk: Ask;
  readonly onRun: () => void;
}

function AskBar({ asked, draft, busy, fault, onAsk, onRun }: AskBarProps): ReactNode {
  const [browsing, setBrowsing] = useState(false);
  const isMetrics = asked.language === "promql";
  return (
    <>
      <div className="ask-bar">
        <button
          type="button"
          className="button button-primary"
          title="Run (Ctrl Enter)"
          onClick={onRun}
          disabled={draft.trim() === ""}
        >
          Run
        </button>
        <ModeSwitch asked={asked} onAsk={onAsk} />
        {isMetrics && (
          <button
            type="button"
            className="button"
            aria-expanded={browsing}
            aria-pressed={browsing}
            onClick={() => setBrowsing(!browsing)}
          >
            Metrics
          </button>
        )}
        <HistoryMenu onPick={({ language, query }) => onAsk({ language, query })} />
        <span className="ask-state" role="status">
          {busy ? "Running…" : ""}
        </span>
      </div>
      {fault !== undefined && <FaultNotice fault={fault} />}
      {browsing && isMetrics && <MetricBrowser onPick={(query) => onAsk({ query })} />}
    </>
  );
}

interface RunState {
  readonly run: QueryRun | undefined;
  readonly fault: QueryFault | undefined;
  readonly busy: boolean;
  readonly again: () => void;
}

/** Runs what is asked; again when the range changes and, on a live page, as time goes by. */
function useRun(asked: QueryState): RunState {
  const { range, nowMs } = useRange();
  const stepSeconds = chooseStepSeconds(
    (resolveRange(range, nowMs).toMs - resolveRange(range, nowMs).fromMs) / 1000,
  );
  const live = range.kind === "live";
  const result = useQuery({
    queryKey: ["explore", asked.language, asked.mode, asked.query, range],
    enabled: asked.query.trim() !== "",
    queryFn: ({ signal }) =>
      runQuery(asked, resolveRange(range, Date.now()), { stepSeconds, signal }),
    placeholderData: (before) => before,
    retry: false,
    refetchInterval: (query) =>
      live && query.state.status !== "error" ? Math.max(REFRESH_MS_MIN, stepSeconds * 1000) : false,
  });
  const message = result.error instanceof ApiError ? result.error.message : result.error?.message;
  return {
    run: result.error === null ? result.data : undefined,
    fault: message === undefined ? undefined : readFault(message),
    busy: result.isFetching,
    again: () => void result.refetch(),
  };
}

interface SwitchProps {
  readonly asked: QueryState;
  readonly onAsk: (change: Partial<QueryState>) => void;
}

function LanguageTabs({
  asked,
  draft,
  onAsk,
}: SwitchProps & { readonly draft: string }): ReactNode {
  const [others, setOthers] = useState<Partial<Record<Language, string>>>({});
  const change = (language: Language): void => {
    if (language === asked.language) return;
    setOthers({ ...others, [asked.language]: draft });
    onAsk({ language, query: others[language] ?? "" });
  };
  return (
    <div className="segments" role="group" aria-label="Query language">
      {(["promql", "logql"] as const).map((language) => (
        <button
          key={language}
          type="button"
          aria-pressed={asked.language === language}
          onClick={() => change(language)}
        >
          {LANGUAGE_NAMES[language]}
        </button>
      ))}
    </div>
  );
}

function ModeSwitch({ asked, onAsk }: SwitchProps): ReactNode {
  return (
    <div className="segments" role="group" aria-label="Kind of query">
      <button
        type="button"
        aria-pressed={asked.mode === "range"}
        onClick={() => onAsk({ mode: "range" })}
      >
        Range
      </button>
      <button
        type="button"
        aria-pressed={asked.mode === "instant"}
        onClick={() => onAsk({ mode: "instant" })}
      >
        Instant
      </button>
    </div>
  );
}

function FaultNotice({ fault }: { readonly fault: QueryFault }): ReactNode {
  const place =
    fault.line === undefined
      ? ""
      : fault.line === 1
        ? `At column ${fault.column}: `
        : `At line ${fault.line}, column ${fault.column}: `;
  return (
    <p className="notice notice-error" role="alert">
      {place !== "" && <strong>{place}</strong>}
      {fault.reason}
    </p>
  );
}

function Examples({
  language,
  onPick,
}: {
  readonly language: Language;
  readonly onPick: (query: string) => void;
}): ReactNode {
  return (
    <section className="examples">
      <h2>To begin with</h2>
      <ul>
        {EXAMPLES[language].map(([title, query]) => (
          <li key={query}>
            <button type="button" onClick={() => onPick(query)}>
              <span>{title}</span>
              <code>{query}</code>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
