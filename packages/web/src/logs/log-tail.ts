/** Lines as they arrive: over a WebSocket, and by polling where none can be opened. Ends when its signal aborts. */
import { decodeTailFrame, queryLogs, tailAddress } from "../api/logs-api.ts";
import type { RawLogEntry } from "../api/query-result.ts";

/** How the lines come; `reconnecting` between two attempts. */
export type TailState = "connecting" | "streaming" | "polling" | "reconnecting";

export interface TailOptions {
  readonly origin: string;
  readonly query: string;
  /** Lines before this moment are not wanted. */
  readonly startNs: string;
  readonly signal: AbortSignal;
  readonly onEntries: (entries: readonly RawLogEntry[], dropped: number) => void;
  readonly onState: (state: TailState) => void;
}

const POLL_MS = 2000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 15_000;
/** A socket that fails this often without ever opening is not coming: polling takes over. */
const FAILURES_BEFORE_POLLING = 2;

export async function runTail(options: TailOptions): Promise<void> {
  let startNs = options.startNs;
  let failures = 0;
  let everOpened = false;
  let waitMs = RETRY_MS_MIN;
  const onEntries: TailOptions["onEntries"] = (entries, dropped) => {
    for (const entry of entries) if (isLater(entry.timeNs, startNs)) startNs = entry.timeNs;
    options.onEntries(entries, dropped);
  };
  options.onState("connecting");
  while (!options.signal.aborted) {
    const opened = await streamOnce({ ...options, startNs, onEntries });
    if (options.signal.aborted) return;
    everOpened ||= opened;
    failures = opened ? 0 : failures + 1;
    if (!everOpened && failures >= FAILURES_BEFORE_POLLING) {
      return pollForever({ ...options, startNs, onEntries });
    }
    options.onState("reconnecting");
    waitMs = opened ? RETRY_MS_MIN : Math.min(RETRY_MS_MAX, waitMs * 2);
    await pause(waitMs, options.signal);
  }
}

/** One WebSocket from opening to its end; true if it had opened. */
function streamOnce({
  origin,
  query,
  startNs,
  signal,
  onEntries,
  onState,
}: TailOptions): Promise<boolean> {
  return new Promise((resolve) => {
    let opened = false;
    const socket = new WebSocket(tailAddress(origin, query, startNs));
    const close = (): void => socket.close();
    signal.addEventListener("abort", close, { once: true });
    socket.onopen = () => {
      opened = true;
      onState("streaming");
    };
    socket.onmessage = (event) => {
      const { entries, dropped } = decodeTailFrame(String(event.data));
      onEntries(entries, dropped);
    };
    socket.onclose = () => {
      signal.removeEventListener("abort", close);
      resolve(opened);
    };
  });
}

async function pollForever({
  query,
  startNs,
  signal,
  onEntries,
  onState,
}: TailOptions): Promise<void> {
  let fromNs = startNs;
  onState("polling");
  while (!signal.aborted) {
    if (document.visibilityState === "visible") {
      const fromMs = Math.floor(Number(fromNs) / 1e6);
      try {
        const result = await queryLogs(
          { query, fromMs, toMs: Date.now(), limit: 1000, direction: "forward" },
          signal,
        );
        if (result.kind === "logs" && !signal.aborted) {
          for (const entry of result.entries)
            if (isLater(entry.timeNs, fromNs)) fromNs = entry.timeNs;
          onEntries(result.entries, 0);
        }
        onState("polling");
      } catch {
        if (!signal.aborted) onState("reconnecting");
      }
    }
    await pause(POLL_MS, signal);
  }
}

function isLater(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
