/** The agents as the dashboard shows them, cut to what the bearer of a token may see. */
import type { CollectorView } from "../fleet/collector-view.ts";
import type { DashboardClaims } from "../tokens.ts";

/** A registered agent. */
export interface DashboardAgent {
  readonly resourceId: string;
  readonly hostname: string;
  readonly node: string;
  readonly labels: readonly string[];
  readonly logSources: readonly string[];
  readonly metrics: boolean;
  readonly metricsTargets: readonly string[];
  readonly profiles: boolean;
  readonly registeredAtMs: number;
}

export interface ShownAgent extends DashboardAgent {
  /** When it was heard of last, by whatever it does; undefined: never. */
  readonly lastContactMs: number | undefined;
  readonly state: AgentState;
  /** Why it is not well, for people; empty when it is. */
  readonly trouble: string;
  /** What calls in with its token and runs a configuration from here. */
  readonly collectors: readonly CollectorView[];
}

/** `new`: not heard of yet; `silent`: not for a while; `failing`: there, and not well. */
export type AgentState = "well" | "failing" | "silent" | "new";

export interface AgentQuery {
  readonly search: string;
  /** From 1 on. */
  readonly page: number;
  readonly view: "cards" | "table";
}

export interface AgentPage {
  readonly agents: readonly ShownAgent[];
  readonly query: AgentQuery;
  readonly pages: number;
  readonly total: number;
}

export interface AgentCounts {
  readonly all: number;
  readonly states: Readonly<Record<AgentState, number>>;
  readonly metrics: number;
  readonly profiles: number;
}

/** An agent that was not heard of for so long is silent: Alloy calls in each minute, scrapes are pushed more often. */
export const SILENT_AFTER_MS = 5 * 60_000;
/** Losing more than this share is trouble. */
const ERROR_SHARE_MAX = 0.05;
const AGENTS_PER_PAGE = 24;

/** Whether the scope of a token has the agent; an empty scope has all. */
export function isInScope(
  { scope }: Pick<DashboardClaims, "scope">,
  { resourceId, hostname }: Pick<DashboardAgent, "resourceId" | "hostname">,
): boolean {
  return scope.length === 0 || scope.includes(resourceId) || scope.includes(hostname);
}

export function mayShowToken({ role }: Pick<DashboardClaims, "role">): boolean {
  return role === "operator" || role === "admin";
}

export function mayDownloadConfig({ role }: Pick<DashboardClaims, "role">): boolean {
  return role === "admin";
}

/** What is known of one agent, put together. */
export function showAgent(
  agent: DashboardAgent,
  about: {
    readonly collectors: readonly CollectorView[];
    readonly lastContactMs: number | undefined;
    readonly nowMs: number;
  },
): ShownAgent {
  const { collectors, nowMs } = about;
  const contacts = collectors.map(({ lastContactMs }) => lastContactMs);
  const lastContactMs = Math.max(about.lastContactMs ?? 0, ...contacts) || undefined;
  const trouble = collectors.map(troubleOf).find((text) => text !== "") ?? "";
  return {
    ...agent,
    collectors,
    lastContactMs,
    trouble,
    state: stateOf({ lastContactMs, trouble, nowMs }),
  };
}

function stateOf(of: {
  readonly lastContactMs: number | undefined;
  readonly trouble: string;
  readonly nowMs: number;
}): AgentState {
  if (of.lastContactMs === undefined) return "new";
  if (of.nowMs - of.lastContactMs > SILENT_AFTER_MS) return "silent";
  return of.trouble === "" ? "well" : "failing";
}

function troubleOf({ drift, statusError, figures }: CollectorView): string {
  if (drift === "failed") return `refuses its configuration: ${statusError.split("\n", 1)[0]!}`;
  if (drift === "drifted") return "runs another configuration than it should";
  const { unhealthyComponents = 0, errorShare = 0 } = figures ?? {};
  if (unhealthyComponents > 0)
    return `${unhealthyComponents} of its components ${unhealthyComponents === 1 ? "is" : "are"} unhealthy`;
  if (errorShare > ERROR_SHARE_MAX)
    return `loses ${(errorShare * 100).toFixed(1)} % of what it should hand on`;
  return "";
}

export function countAgents(agents: readonly ShownAgent[]): AgentCounts {
  const states = { well: 0, failing: 0, silent: 0, new: 0 };
  for (const { state } of agents) states[state]++;
  return {
    all: agents.length,
    states,
    metrics: agents.filter(({ metrics }) => metrics).length,
    profiles: agents.filter(({ profiles }) => profiles).length,
  };
}

const STATE_ORDER: readonly AgentState[] = ["failing", "silent", "new", "well"];

/** Those that need somebody come first, then by host name. */
export function pageOfAgents(agents: readonly ShownAgent[], query: AgentQuery): AgentPage {
  const wanted = query.search.toLowerCase();
  const found = agents
    .filter((agent) => wanted === "" || textsOf(agent).some((text) => text.includes(wanted)))
    .toSorted(
      (a, b) =>
        STATE_ORDER.indexOf(a.state) - STATE_ORDER.indexOf(b.state) ||
        a.hostname.localeCompare(b.hostname),
    );
  const pages = Math.max(1, Math.ceil(found.length / AGENTS_PER_PAGE));
  const page = Math.min(query.page, pages);
  const start = (page - 1) * AGENTS_PER_PAGE;
  return {
    agents: found.slice(start, start + AGENTS_PER_PAGE),
    query: { ...query, page },
    pages,
    total: found.length,
  };
}

function textsOf({ hostname, resourceId, labels }: ShownAgent): readonly string[] {
  return [hostname, resourceId, ...labels].map((text) => text.toLowerCase());
}

const SEARCH_CHARS_MAX = 200;

/** Of a page's address, and of the WebSocket that keeps the page up to date. */
export function readAgentQuery(query: URLSearchParams): AgentQuery {
  const page = Number(query.get("page") ?? "1");
  return {
    search: (query.get("q") ?? "").trim().slice(0, SEARCH_CHARS_MAX),
    page: Number.isSafeInteger(page) && page >= 1 ? page : 1,
    view: query.get("view") === "table" ? "table" : "cards",
  };
}

/** The same as the query of an address. */
export function formatAgentQuery({ search, page, view }: AgentQuery): string {
  const query = new URLSearchParams();
  if (search !== "") query.set("q", search);
  if (view !== "cards") query.set("view", view);
  if (page !== 1) query.set("page", String(page));
  return query.size === 0 ? "" : `?${query.toString()}`;
}
