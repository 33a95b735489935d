/** The parts of the dashboard that are kept up to date: counts, and agents as cards or as a table. */
import type { DashboardClaims } from "../tokens.ts";
import { formatAgentQuery, mayDownloadConfig, mayShowToken } from "./dashboard-agents.ts";
import type { AgentCounts, AgentPage, AgentState, ShownAgent } from "./dashboard-agents.ts";
import type { CollectorView } from "../fleet/collector-view.ts";
import { html } from "./html.ts";
import type { Html } from "./html.ts";

const STATE_WORDS: Readonly<Record<AgentState, string>> = {
  well: "Active",
  failing: "Failing",
  silent: "Silent",
  new: "Not seen yet",
};

export function countsPart({ all, states, metrics, profiles }: AgentCounts): Html {
  const tile = (value: number, label: string, tone = "") =>
    html`<div class="tile">
      <dt>${label}</dt>
      <dd class="${value > 0 ? tone : ""}">${value}</dd>
    </div>`;
  return html`<dl class="tiles">
    ${tile(all, "Agents")} ${tile(states.well, "Active", "good")}
    ${tile(states.failing, "Failing", "bad")} ${tile(states.silent, "Silent", "warn")}
    ${tile(states.new, "Not seen yet")} ${tile(metrics, "With metrics")}
    ${tile(profiles, "With profiles")}
  </dl>`;
}

export function agentsPart(page: AgentPage, claims: DashboardClaims): Html {
  const { agents, query, total } = page;
  if (total === 0)
    return query.search === ""
      ? html`<p class="empty">No agents yet. <code>finchctl agent register</code> adds one.</p>`
      : html`<p class="empty">
          No agent matches “${query.search}”. Host names, resource ids and labels are searched.
        </p>`;
  const list =
    query.view === "table"
      ? tableOf(agents, claims)
      : html`<ul class="cards">
          ${agents.map((agent) => card(agent, claims))}
        </ul>`;
  return html`${list} ${pagesPart(page)}`;
}

function card(agent: ShownAgent, claims: DashboardClaims): Html {
  return html`<li class="card ${agent.state}" id="${idOf(agent)}" data-key="${agent.resourceId}">
    <div class="card-head">
      <h2>${agent.hostname}</h2>
      ${stateMark(agent)}
    </div>
    ${agent.trouble !== "" && html`<p class="notice bad">${agent.trouble}</p>`}
    <dl class="facts">
      <div>
        <dt>Last contact</dt>
        <dd>${timeMark(agent.lastContactMs)}</dd>
      </div>
      <div>
        <dt>Version</dt>
        <dd>${versionsOf(agent)}</dd>
      </div>
      <div>
        <dt>Configuration</dt>
        <dd>${configurationsOf(agent)}</dd>
      </div>
      <div>
        <dt>Throughput</dt>
        <dd>${throughputOf(agent)}</dd>
      </div>
      <div>
        <dt>Loss</dt>
        <dd>${lossOf(agent)}</dd>
      </div>
    </dl>
    ${
      agent.labels.length > 0 &&
      html`<ul class="labels" aria-label="Labels">
        ${agent.labels.map((label) => html`<li>${label}</li>`)}
      </ul>`
    }
    <details>
      <summary>What it collects</summary>
      <dl class="facts">
        <div>
          <dt>Logs</dt>
          <dd>${listOf(agent.logSources)}</dd>
        </div>
        <div>
          <dt>Metrics</dt>
          <dd>${agent.metrics ? html`on${listOf(agent.metricsTargets)}` : "off"}</dd>
        </div>
        <div>
          <dt>Profiles</dt>
          <dd>${agent.profiles ? "on" : "off"}</dd>
        </div>
        <div>
          <dt>Kind</dt>
          <dd>${agent.node}</dd>
        </div>
        <div>
          <dt>Registered</dt>
          <dd>${timeMark(agent.registeredAtMs)}</dd>
        </div>
        <div>
          <dt>Resource id</dt>
          <dd><code>${agent.resourceId}</code></dd>
        </div>
      </dl>
    </details>
    ${actionsOf(agent, claims)}
  </li>`;
}

function tableOf(agents: readonly ShownAgent[], claims: DashboardClaims): Html {
  const row = (agent: ShownAgent) =>
    html`<tr class="${agent.state}" id="${idOf(agent)}" data-key="${agent.resourceId}">
      <th scope="row">
        ${agent.hostname}${agent.labels.length > 0 && html`<small>${agent.labels.join(" ")}</small>`}
      </th>
      <td>${stateMark(agent)}${agent.trouble !== "" && html`<small>${agent.trouble}</small>`}</td>
      <td>${timeMark(agent.lastContactMs)}</td>
      <td>${versionsOf(agent)}</td>
      <td>${configurationsOf(agent)}</td>
      <td>${throughputOf(agent)}</td>
      <td>${lossOf(agent)}</td>
      <td>${actionsOf(agent, claims)}</td>
    </tr>`;
  const heads = [
    "Agent",
    "State",
    "Last contact",
    "Version",
    "Configuration",
    "Throughput",
    "Loss",
    "Actions",
  ];
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Agents">
    <table>
      <thead>
        <tr>
          ${heads.map((head) => html`<th scope="col">${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${agents.map(row)}
      </tbody>
    </table>
  </div>`;
}

function actionsOf(agent: ShownAgent, claims: DashboardClaims): Html {
  const path = `/dashboard/agents/${encodeURIComponent(agent.resourceId)}`;
  return html`<div class="actions">
    ${
      mayDownloadConfig(claims)
        ? html`<a class="button" href="${path}/config" download>Configuration</a>`
        : html`<span class="button locked" title="Only an admin may download it"
            >Configuration</span
          >`
    }
    ${
      mayShowToken(claims)
        ? html`<form method="post" action="${path}/token" data-token-of="${agent.hostname}">
            <button type="submit" class="lock">Token</button>
          </form>`
        : html`<span class="button lock locked" title="Only an operator or an admin may see it"
            >Token</span
          >`
    }
  </div>`;
}

function pagesPart({ query, pages, total }: AgentPage): Html | undefined {
  if (pages === 1) return undefined;
  const link = (page: number, text: string, rel: string) =>
    page < 1 || page > pages
      ? html`<span class="button locked">${text}</span>`
      : html`<a class="button" rel="${rel}" href="/dashboard${formatAgentQuery({ ...query, page })}"
          >${text}</a
        >`;
  return html`<nav class="pages" aria-label="Pages">
    ${link(query.page - 1, "← Previous", "prev")}
    <span>Page ${query.page} of ${pages}, ${total} agents</span>
    ${link(query.page + 1, "Next →", "next")}
  </nav>`;
}

/** For what links and focus point at. */
function idOf({ resourceId }: ShownAgent): string {
  return `agent-${resourceId.replaceAll(/[^A-Za-z0-9-]/g, "-")}`;
}

function stateMark({ state }: ShownAgent): Html {
  return html`<span class="state ${state}">${STATE_WORDS[state]}</span>`;
}

/** The script turns it into "12 s ago", which would else change the markup all the time. */
function timeMark(ms: number | undefined): Html {
  if (ms === undefined) return html`<span class="soft">never</span>`;
  const text = new Date(ms).toISOString();
  return html`<time datetime="${text}">${text.slice(0, 19).replace("T", " ")} UTC</time>`;
}

function perCollector(
  { collectors }: ShownAgent,
  show: (collector: CollectorView) => Html | string,
): Html {
  if (collectors.length === 0) return html`<span class="soft">not told</span>`;
  return html`${collectors.map((one) => html`<div>${show(one)}</div>`)}`;
}

function versionsOf(agent: ShownAgent): Html {
  return perCollector(agent, ({ version, os }) => [version || "unknown", os].join(" ").trim());
}

const DRIFT_WORDS: Readonly<Record<CollectorView["drift"], string>> = {
  unmanaged: "none from here",
  "in-sync": "in sync",
  pending: "pending",
  failed: "refused",
  drifted: "drifted",
};

function configurationsOf(agent: ShownAgent): Html {
  return perCollector(agent, ({ configuration, drift, runningHash }) => {
    const mark = html`<span class="drift ${drift}">${DRIFT_WORDS[drift]}</span>`;
    if (configuration === undefined) return mark;
    const { name, version, hash } = configuration;
    const title = `should run ${hash}, says it runs ${runningHash || "nothing"}`;
    return html`<span title="${title}">${name} v${version}</span> ${mark}`;
  });
}

function throughputOf(agent: ShownAgent): Html {
  return perCollector(agent, ({ figures }) => {
    const parts = [
      figures?.samplesPerSecond === undefined ? "" : `${round(figures.samplesPerSecond)} samples/s`,
      figures?.linesPerSecond === undefined ? "" : `${round(figures.linesPerSecond)} lines/s`,
    ].filter((part) => part !== "");
    return parts.length === 0 ? html`<span class="soft">not told</span>` : parts.join(" · ");
  });
}

function lossOf(agent: ShownAgent): Html {
  return perCollector(agent, ({ figures }) =>
    figures?.errorShare === undefined
      ? html`<span class="soft">not told</span>`
      : `${(figures.errorShare * 100).toFixed(1)}\u00a0%`,
  );
}

function round(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function listOf(items: readonly string[]): Html | string {
  if (items.length === 0) return "";
  return html`<ul class="plain">
    ${items.map((item) => html`<li>${item}</li>`)}
  </ul>`;
}
