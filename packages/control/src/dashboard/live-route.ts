/**
 * `/ws`: sends the parts of a page when they change, as `{"type":"stats"|"agents","html":…}`, the types of the original. The address has the page's query. Ends with
 * the reason "Token expired" when the token does, by time, by its secret or by whatever else.
 */
import { FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import type { HttpRequest, HttpWebSocket, WebSocketRoute } from "@finch/runtime/http";
import type { DashboardClaims } from "../tokens.ts";
import { agentsPart, countsPart } from "./agent-parts.ts";
import { readAgentQuery } from "./dashboard-agents.ts";
import type { AgentQuery } from "./dashboard-agents.ts";
import type { DashboardContent } from "./dashboard-page.ts";
import type { DashboardSession } from "./dashboard-session.ts";

export interface LiveOptions {
  readonly session: DashboardSession;
  readonly clock: Clock;
  readonly isOwnOrigin: (request: HttpRequest) => boolean;
  readonly content: (claims: DashboardClaims, query: AgentQuery) => DashboardContent;
  readonly watch: (watcher: () => void) => () => void;
}

/** Pages that are kept up to date at once: each is drawn by itself. */
const SOCKETS_MAX = 200;
/** A page is drawn anew at most so often, and at least so often, for agents fall silent without a word. */
const REDRAW_MS = 1000;
const IDLE_MS = 15_000;

export function liveRoute(options: LiveOptions): WebSocketRoute {
  let open = 0;
  return {
    kind: "websocket",
    path: "/ws",
    faults: "text",
    accept: async (request) => {
      if (!options.isOwnOrigin(request))
        throw new FinchError(
          "forbidden",
          "control/foreign-page",
          "a page of another site may not look at this",
        );
      const session = await options.session.of(request);
      if (session === undefined)
        throw new FinchError(
          "unauthenticated",
          "control/no-dashboard-session",
          "sign in at /login with a token of finchctl service dashboard",
        );
      if (open >= SOCKETS_MAX)
        throw new FinchError(
          "limited",
          "control/too-many-dashboards",
          `${SOCKETS_MAX} pages are kept up to date at once, no more; this one shows news when it is loaded again`,
          { retryAfterSeconds: 30 },
        );
      const query = readAgentQuery(request.query);
      return async (socket) => {
        open++;
        try {
          return await follow(options, socket, { token: session.token, query });
        } finally {
          open--;
        }
      };
    },
  };
}

/** Resolves with why it ended. */
async function follow(
  options: LiveOptions,
  socket: HttpWebSocket,
  { token, query }: { readonly token: string; readonly query: AgentQuery },
): Promise<string> {
  const { clock, session, content, watch } = options;
  const sent = new Map<string, string>();
  const send = async (type: string, markup: string) => {
    if (sent.get(type) === markup) return;
    await socket.send(JSON.stringify({ type, html: markup }));
    sent.set(type, markup);
  };
  let wake = () => {};
  const unwatch = watch(() => wake());
  try {
    while (!socket.signal.aborted) {
      const claims = await session.check(token);
      if (claims === undefined) return "Token expired";
      const changed = new Promise<void>((resolve) => (wake = resolve));
      const { counts, page } = content(claims, query);
      await send("stats", countsPart(counts).text);
      await send("agents", agentsPart(page, claims).text);
      await clock.sleep(REDRAW_MS, socket.signal);
      const idleMs = Math.min(IDLE_MS, Math.max(0, claims.expiresAtMs - clock.nowMs()));
      await untilFirst(changed, (signal) => clock.sleep(idleMs, signal), socket.signal);
    }
    return "closed";
  } finally {
    unwatch();
  }
}

/** Resolves with the first of the two, and leaves no timer; rejects when `signal` aborts. */
async function untilFirst(
  changed: Promise<void>,
  sleep: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([changed, sleep(AbortSignal.any([signal, over.signal]))]);
  } finally {
    over.abort();
  }
}
