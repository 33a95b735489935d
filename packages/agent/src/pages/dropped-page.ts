/** The page that tells why something did not get through: every place that drops, with counts, and, while somebody watches, what was dropped. */
import { escapeXml } from "../graph-view/graph-svg.ts";
import type { Agent } from "../runtime/agent.ts";
import { liveTail } from "./live-tail.ts";
import { componentHref, LIVE_OFF, pageShell } from "./page-shell.ts";

export function droppedPage(agent: Agent): string {
  const watching = agent.live.isOn
    ? liveTail({ path: "/live/dropped", label: "What is dropped" })
    : LIVE_OFF;
  return pageShell({
    title: "Dropped",
    place: "dropped",
    body: `<h1>Why did it not get through?</h1>
<p class="soft">Every place where lines, samples, profiles and targets are dropped, since its component began.</p>
<div data-refresh="/live/dropped-table">${dropTable(agent)}</div>
<h2>What is dropped</h2>
${watching}`,
  });
}

/** All places, those that dropped last first; of one component when it is given. */
export function dropTable(agent: Agent, component?: string): string {
  const drops = agent.live.drops
    .all()
    .filter((drop) => component === undefined || drop.component === component)
    .toSorted((a, b) => b.lastMs - a.lastMs);
  if (drops.length === 0) return `<p class="soft">Nothing has been dropped.</p>`;
  const places = new Map<string, string>();
  const rows = drops.map((drop) => {
    const key = `${drop.component} ${drop.at ?? ""}`;
    let place = places.get(key);
    if (place === undefined)
      places.set(key, (place = agent.component(drop.component)?.placeOf(drop.at ?? "") ?? ""));
    const owner =
      component === undefined
        ? `<td><a href="${componentHref(drop.component)}"><code>${escapeXml(drop.component)}</code></a></td>`
        : "";
    const name = drop.at === undefined ? "" : `<code>${escapeXml(drop.at)}</code> `;
    return `<tr><td class="number">${drop.amount}</td><td>${drop.kind}</td><td>${escapeXml(drop.reason)}</td>${owner}<td class="soft">${name}${escapeXml(place)}</td><td class="optional soft">${new Date(drop.lastMs).toISOString()}</td></tr>`;
  });
  const head = component === undefined ? "<th>component</th>" : "";
  return `<div class="scroll"><table><tr><th>dropped</th><th>what</th><th>reason</th>${head}<th>where</th><th class="optional">last</th></tr>${rows.join("")}</table></div>`;
}
