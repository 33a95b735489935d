/** The lines of one query: what is stored, then, if it follows, what arrives. Holds a bounded list; while paused, new lines wait aside. */
import { listLogLabels, msToNs, queryLogs } from "../api/logs-api.ts";
import { ApiError } from "../api/http.ts";
import type { RawLogEntry } from "../api/query-result.ts";
import type { TimeSpan } from "../time/time-range.ts";
import { LOG_LINES_MAX, mergeLines, toLogLine, type LogLine } from "./log-line.ts";
import { pause, runTail, type TailState } from "./log-tail.ts";

export interface FeedState {
  readonly lines: readonly LogLine[];
  /** Arrived while paused, the newest of them; shown after `resume`. */
  readonly waiting: readonly LogLine[];
  /** How many arrived while paused. */
  readonly waitingCount: number;
  readonly paused: boolean;
  readonly loading: boolean;
  readonly error: string | undefined;
  readonly tail: TailState | undefined;
  /** Lines the server left out because they came too fast. */
  readonly dropped: number;
  /** There may be older lines in the range than those held. */
  readonly hasOlder: boolean;
}

export interface LogFeed {
  readonly getState: () => FeedState;
  readonly subscribe: (listener: () => void) => () => void;
  readonly pause: () => void;
  readonly resume: () => void;
  readonly loadOlder: () => Promise<void>;
  readonly stop: () => void;
}

const PAGE_LINES = 500;
/** Arriving lines are shown this often at most: faster only costs, no eye follows. */
const FLUSH_MS = 200;
/** And this often while each time more lines come than a screen has: nobody reads those, they only pass by. */
const FLUSH_MS_BUSY = 500;
const SCREEN_LINES = 100;
/** A server that is away or overloaded is asked again after this long. */
const RETRY_MS = 3000;

/** Nothing read yet. */
export const EMPTY_FEED: FeedState = {
  lines: [],
  waiting: [],
  waitingCount: 0,
  paused: false,
  loading: true,
  error: undefined,
  tail: undefined,
  dropped: 0,
  hasOlder: false,
};

export interface FeedOptions {
  readonly query: string;
  readonly span: TimeSpan;
  readonly live: boolean;
  readonly origin: string;
}

/** Starts to load at once; the caller stops it. */
export function openLogFeed(options: FeedOptions): LogFeed {
  const { query, span, live } = options;
  const { signal, stop } = stopper();
  const store = feedStore();
  let names: ReadonlySet<string> | undefined;
  const loadPage = async (toMs: number): Promise<void> => {
    const { lines } = store.getState();
    const request = { query, fromMs: span.fromMs, toMs, limit: PAGE_LINES } as const;
    const result = await queryLogs({ ...request, direction: "backward" }, signal);
    const entries = result.kind === "logs" ? result.entries : [];
    const fresh = entries.map((entry) => toLogLine(entry, names));
    const merged = mergeLines(store.getState().lines, fresh, LOG_LINES_MAX);
    const hasOlder =
      entries.length >= PAGE_LINES && merged.length > lines.length && merged.length < LOG_LINES_MAX;
    store.set({ lines: merged, loading: false, error: undefined, hasOlder });
  };
  const run = async (): Promise<void> => {
    // Without names the labels are not told from metadata, which is a flaw of display, not a reason to show nothing.
    names = await listLogLabels(signal).then(
      (list) => new Set(list),
      () => undefined,
    );
    await loadPage(live ? Date.now() + 1000 : span.toMs);
    if (live)
      await followTail(options, store, { signal, toLine: (entry) => toLogLine(entry, names) });
  };
  const report = (cause: unknown): void => {
    if (signal.aborted) return;
    store.set({ loading: false, error: cause instanceof Error ? cause.message : String(cause) });
  };
  const runUntilStopped = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        return await run();
      } catch (cause) {
        report(cause);
        const mayPass = cause instanceof ApiError && (cause.status === 0 || cause.status >= 500);
        if (!live || !mayPass) return;
      }
      await pause(RETRY_MS, signal);
    }
  };
  void runUntilStopped();
  return {
    getState: store.getState,
    subscribe: store.subscribe,
    pause: () => {
      if (!store.getState().paused) store.set({ paused: true });
    },
    resume: () => {
      const { lines, waiting } = store.getState();
      const merged = mergeLines(lines, waiting);
      store.set({ paused: false, lines: merged, waiting: [], waitingCount: 0 });
    },
    loadOlder: () => {
      store.set({ loading: true });
      const oldestMs = store.getState().lines[0]?.timeMs ?? span.toMs;
      return loadPage(oldestMs + 1).catch(report);
    },
    stop,
  };
}

interface FeedStore {
  readonly getState: () => FeedState;
  readonly set: (change: Partial<FeedState>) => void;
  readonly subscribe: (listener: () => void) => () => void;
}

function feedStore(): FeedStore {
  const listeners = new Set<() => void>();
  let state = EMPTY_FEED;
  return {
    getState: () => state,
    set: (change) => {
      state = { ...state, ...change };
      for (const listener of listeners) listener();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function stopper(): { signal: AbortSignal; stop: () => void } {
  const abort = new AbortController();
  return { signal: abort.signal, stop: () => abort.abort() };
}

/** Lines may have arrived between the page that was loaded and the tail, with times before the newest that is shown: asked for twice, shown once. */
const TAIL_OVERLAP_MS = 15_000;

function tailStart(lines: readonly LogLine[], span: TimeSpan): string {
  const newestMs = lines.at(-1)?.timeMs;
  return msToNs(
    newestMs === undefined ? span.fromMs : Math.min(newestMs, Date.now() - TAIL_OVERLAP_MS),
  );
}

async function followTail(
  { origin, query, span }: FeedOptions,
  store: FeedStore,
  { signal, toLine }: { signal: AbortSignal; toLine: (entry: RawLogEntry) => LogLine },
): Promise<void> {
  let arrived: RawLogEntry[] = [];
  let arrivedCount = 0;
  let isBusy = false;
  let flushing: ReturnType<typeof setTimeout> | undefined;
  const flush = (): void => {
    flushing = undefined;
    if (signal.aborted) return;
    const fresh = arrived.map(toLine);
    arrived = [];
    const { paused, lines, waiting, waitingCount } = store.getState();
    const count = arrivedCount;
    arrivedCount = 0;
    isBusy = count > SCREEN_LINES;
    if (paused)
      store.set({ waiting: mergeLines(waiting, fresh), waitingCount: waitingCount + count });
    else store.set({ lines: mergeLines(lines, fresh) });
  };
  await runTail({
    origin,
    query,
    signal,
    startNs: tailStart(store.getState().lines, span),
    onState: (tail) => store.set({ tail }),
    onEntries: (entries, dropped) => {
      arrived.push(...entries);
      arrivedCount += entries.length;
      if (arrived.length > 2 * LOG_LINES_MAX) arrived = arrived.slice(-LOG_LINES_MAX);
      if (dropped > 0) store.set({ dropped: store.getState().dropped + dropped });
      if (entries.length > 0) flushing ??= setTimeout(flush, isBusy ? FLUSH_MS_BUSY : FLUSH_MS);
    },
  });
}
