/** The page of one component: health, who it deals with, arguments and exports as evaluated, what passes, what it drops, its metrics, its reference. */
import { escapeXml } from "../graph-view/graph-svg.ts";
import { componentReference } from "../reference-page.ts";
import type { Agent } from "../runtime/agent.ts";
import type { ComponentInfo, ShownStatement } from "../runtime/component-info.ts";
import { stateText } from "./component-list.ts";
import { dropTable } from "./dropped-page.ts";
import { liveTail } from "./live-tail.ts";
import { markdownHtml } from "./markdown-html.ts";
import { componentHref, encodePath, graphHref, LIVE_OFF, pageShell } from "./page-shell.ts";
import { formatStatements } from "./shown-text.ts";

/** Metrics that are shown; all stand at `/metrics`. */
const SHOWN_METRICS_MAX = 200;

export function componentPage(agent: Agent, info: ComponentInfo): string {
  const { id, health, moduleId, definition } = info;
  const up =
    moduleId === "" ? "" : ` · in <a href="${graphHref(moduleId)}">${escapeXml(moduleId)}</a>`;
  const inside = info.createdModuleIds
    .map((module) => ` · <a href="${graphHref(module)}">what is in it: ${escapeXml(module)}</a>`)
    .join("");
  return pageShell({
    title: id,
    place: "other",
    body: `<h1><code>${escapeXml(id)}</code></h1>
<p>${stateText(health.state)} ${escapeXml(health.message)} <span class="soft">since ${new Date(health.sinceMs).toISOString()}</span></p>
<p class="soft">${escapeXml(definition.summary)} Written at ${escapeXml(info.place)}${up}${inside}</p>
${neighbours("Refers to", info.referencesTo)}${neighbours("Referred to by", info.referencedBy)}
${tailSection(agent, info)}
<h2>Dropped here</h2>
<div data-refresh="/live/dropped-table/${encodePath(id)}">${dropTable(agent, id)}</div>
${listing("Arguments", info.arguments)}
${listing("Exports", info.exports)}
${scrapedTargets(agent, id)}
${metricsTable(agent, id)}
${reference(info)}`,
  });
}

function neighbours(title: string, ids: readonly string[]): string {
  if (ids.length === 0) return "";
  const links = ids.map((id) => `<a href="${componentHref(id)}"><code>${escapeXml(id)}</code></a>`);
  return `<p class="soft">${title} ${links.join(", ")}</p>\n`;
}

function tailSection(agent: Agent, { id }: ComponentInfo): string {
  const watching = agent.live.isOn
    ? liveTail({
        path: `/live/component/${encodePath(id)}`,
        own: id,
        label: `What passes through ${id}`,
      })
    : LIVE_OFF;
  return `<h2>What passes</h2>\n${watching}`;
}

function listing(title: string, statements: readonly ShownStatement[]): string {
  if (statements.length === 0) return "";
  return `<h2>${title}</h2>\n<pre>${escapeXml(formatStatements(statements))}</pre>`;
}

/** Targets of a component that scrapes, with how the last scrape went. */
function scrapedTargets(agent: Agent, id: string): string {
  const targets = agent.scrapePoolsOf(id).flatMap((pool) => pool.targets);
  if (targets.length === 0) return "";
  const rows = targets.map(
    ({ url, labels, lastError, health }) =>
      `<tr><td><code>${escapeXml(url)}</code></td><td>${stateText(health === "up" ? "healthy" : health === "down" ? "unhealthy" : "unknown")}</td><td>${escapeXml(lastError)}</td><td class="optional soft">${escapeXml(String(labels))}</td></tr>`,
  );
  return `<h2>Targets</h2>\n<div class="scroll"><table><tr><th>address</th><th>health</th><th>last error</th><th class="optional">labels</th></tr>${rows.join("")}</table></div>`;
}

function metricsTable(agent: Agent, id: string): string {
  const metrics = agent.metricsOf(id);
  if (metrics.length === 0) return "";
  const rows = metrics.slice(0, SHOWN_METRICS_MAX).map(({ name, help, labels, value }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
    return `<tr><td title="${escapeXml(help)}"><code>${escapeXml(name)}</code> <span class="soft">${escapeXml(pairs.join(" "))}</span></td><td class="number">${value}</td></tr>`;
  });
  const more =
    metrics.length > SHOWN_METRICS_MAX
      ? `<p class="soft">${metrics.length - SHOWN_METRICS_MAX} more at <a href="/metrics">/metrics</a></p>`
      : "";
  return `<h2>Its metrics</h2>\n<details><summary>${metrics.length} figures</summary><div class="scroll"><table>${rows.join("")}</table></div>${more}</details>`;
}

function reference({ definition, name }: ComponentInfo): string {
  return `<h2>Reference</h2>\n<details><summary>Arguments, blocks and exports of ${escapeXml(name)}</summary>${markdownHtml(componentReference(definition))}</details>`;
}
