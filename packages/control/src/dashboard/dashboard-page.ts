/** The page with all agents, and the page with one agent's token for browsers without the script. */
import type { IssuedToken } from "../tokens.ts";
import { agentsPart, countsPart } from "./agent-parts.ts";
import { formatAgentQuery } from "./dashboard-agents.ts";
import type { AgentCounts, AgentPage, AgentQuery, DashboardAgent } from "./dashboard-agents.ts";
import { html } from "./html.ts";
import type { Html } from "./html.ts";
import { pageShell } from "./page-shell.ts";
import type { Page } from "./page-shell.ts";
import type { DashboardClaims } from "../tokens.ts";

export interface DashboardContent {
  readonly counts: AgentCounts;
  readonly page: AgentPage;
  readonly claims: DashboardClaims;
}

export function dashboardPage(about: Page["about"], content: DashboardContent): Html {
  const { counts, page, claims } = content;
  const { query } = page;
  const body = html`<h1>Agents</h1>
    <section id="counts" aria-label="Counts">${countsPart(counts)}</section>
    <div class="bar">
      <form role="search" method="get" action="/dashboard" id="search">
        <input
          type="search"
          name="q"
          value="${query.search}"
          placeholder="Host name, resource id or label"
          aria-label="Search agents"
          maxlength="200"
        />
        ${query.view === "table" && html`<input type="hidden" name="view" value="table" />`}
        <button type="submit">Search</button>
      </form>
      <nav class="views" aria-label="View">
        ${viewLink(query, "cards", "Cards")}${viewLink(query, "table", "Table")}
      </nav>
      <p id="live" class="live" role="status">Reload the page for news.</p>
    </div>
    <section id="agents" aria-label="Agents" data-live="/ws${formatAgentQuery(query)}">
      ${agentsPart(page, claims)}
    </section>
    ${endpointsPart(about.publicHost)}
    <dialog id="token" aria-labelledby="token-title">
      <h2 id="token-title">Token</h2>
      <div id="token-body"></div>
      <form method="dialog"><button class="primary">Lock</button></form>
    </dialog>`;
  return pageShell({
    title: `Agents · ${about.hostname}`,
    actions: actionsPart(claims),
    body,
    about,
  });
}

function viewLink(query: AgentQuery, view: AgentQuery["view"], text: string): Html {
  const current = view === query.view && html` aria-current="page"`;
  return html`<a href="/dashboard${formatAgentQuery({ ...query, view })}" ${current}>${text}</a>`;
}

function actionsPart({ role, scope, expiresAtMs }: DashboardClaims): Html {
  const seen = scope.length === 0 ? "all agents" : `${scope.length} agents`;
  return html`<p class="who" data-expires="${new Date(expiresAtMs).toISOString()}">
      ${role} · ${seen}
    </p>
    <form method="post" action="/logout"><button type="submit">Sign out</button></form>`;
}

/** Where applications send by themselves. */
function endpointsPart(host: string): Html {
  const rows = [
    ["Web application", `https://${host}/grafana`],
    ["Logs, Loki's push API", `https://${host}/loki/loki/api/v1/push`],
    ["Metrics, remote write", `https://${host}/mimir/api/v1/push`],
    ["Profiles, Pyroscope's API", `https://${host}/pyroscope`],
  ] as const;
  return html`<details class="endpoints">
    <summary>Service endpoints</summary>
    <dl class="facts">
      ${rows.map(
        ([name, url]) =>
          html`<div>
            <dt>${name}</dt>
            <dd><code>${url}</code></dd>
          </div>`,
      )}
    </dl>
  </details>`;
}

/** What the dialog shows, and the page below. */
export function tokenPart({ token, expiresAtMs }: IssuedToken): Html {
  return html`<p class="soft">
      Whoever has it can send as this agent until
      ${new Date(expiresAtMs).toISOString().slice(0, 10)}.
    </p>
    <p><code class="token">${token}</code></p>`;
}

export function tokenPage(
  about: Page["about"],
  shown: {
    readonly agent: DashboardAgent;
    readonly token: IssuedToken;
    readonly claims: DashboardClaims;
  },
): Html {
  const body = html`<h1>Token of ${shown.agent.hostname}</h1>
    ${tokenPart(shown.token)}
    <p><a class="button" href="/dashboard">Lock and go back</a></p>`;
  return pageShell({
    title: `Token · ${about.hostname}`,
    actions: actionsPart(shown.claims),
    body,
    about,
  });
}
