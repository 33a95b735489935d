/** What all pages of the agent share: head, look, links. Nothing comes from elsewhere; light and dark as the reader has it. */
import { COLOURS, GRAPH_STYLE, escapeXml } from "../graph-view/graph-svg.ts";

export interface Page {
  readonly title: string;
  /** Which of the links above is this page. */
  readonly place: "graph" | "dropped" | "other";
  readonly body: string;
}

const STYLE = `
:root { color-scheme: light dark; ${COLOURS}
  --good: light-dark(#1a7f4b, #4ac285); --bad: light-dark(#c0352b, #ff7b70); --wait: light-dark(#93650a, #e0b354); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: baseline; padding: .7rem 1rem; border-bottom: 1px solid var(--line); background: var(--card); }
nav b { margin-right: .5rem; } nav a { color: var(--soft); text-decoration: none; padding: .2rem 0; } nav a[aria-current] { color: var(--ink); box-shadow: 0 2px 0 var(--good); }
main { max-width: 84rem; margin: 0 auto; padding: 1rem 1rem 4rem; }
h1 { font-size: 1.25rem; margin: .4rem 0 .1rem; overflow-wrap: anywhere; } h1 code { font-size: 1.1rem; }
h2 { font-size: .8rem; text-transform: uppercase; letter-spacing: .06em; color: var(--soft); margin: 1.6rem 0 .4rem; }
h3 { font: 600 .9rem ui-monospace, monospace; margin: 1.2rem 0 .3rem; }
p { margin: .3rem 0; } .soft { color: var(--soft); } .error { color: var(--bad); }
a { color: inherit; } :focus-visible { outline: 2px solid var(--logs); outline-offset: 2px; border-radius: 4px; }
code, pre { font: 13px/1.55 ui-monospace, monospace; }
pre, .scroll { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; overflow-x: auto; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.scroll { padding: 0; } .canvas { max-height: 78vh; overflow: auto; background: var(--ground); }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .35rem .7rem; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
tr:first-child > th { border-top: 0; } th { color: var(--soft); font-weight: 500; font-size: .85rem; } td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.state { font-weight: 600; white-space: nowrap; } .state::before { content: "●\\00a0"; }
.healthy { color: var(--good); } .unhealthy, .exited { color: var(--bad); } .unknown { color: var(--wait); }
.graph a { cursor: pointer; } .graph a:hover rect:first-of-type, .graph a:focus rect:first-of-type { stroke: var(--logs); }
.graph .node .mark { stroke: none; fill: var(--line); }
.graph .node.healthy .mark { fill: var(--good); } .graph .node.unknown .mark { fill: var(--wait); }
.graph .node.unhealthy .mark, .graph .node.exited .mark { fill: var(--bad); } .graph .node.unhealthy rect:first-of-type, .graph .node.exited rect:first-of-type { stroke: var(--bad); }
.graph .edge.waits path { stroke: var(--wait); stroke-width: 3; } .graph .edge.waits polygon { fill: var(--wait); }
.graph .edge.blocked path { stroke: var(--bad); stroke-width: 3.5; } .graph .edge.blocked polygon { fill: var(--bad); }
.graph .rate.waits { fill: var(--wait); } .graph .rate.blocked { fill: var(--bad); }
.narrow { display: none; } @media (max-width: 44rem) { .wide { display: none; } .narrow { display: block; } main { padding: .6rem .6rem 3rem; } th, td { padding: .35rem .45rem; } .optional { display: none; } }
details { margin: .6rem 0; } summary { cursor: pointer; }
.bar { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin: .4rem 0; }
button, input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .3rem .7rem; } button { cursor: pointer; } input { min-width: 8rem; flex: 1 1 8rem; max-width: 24rem; }
.tail:empty { display: none; } .tail { list-style: none; margin: 0; padding: 0; max-height: 60vh; overflow: auto; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; font: 12.5px/1.5 ui-monospace, monospace; }
.tail li { padding: .25rem .7rem; border-top: 1px solid var(--line); overflow-wrap: anywhere; white-space: pre-wrap; } .tail li:first-child { border-top: 0; }
.tail .soft { font-size: .92em; } .tail .in { color: var(--logs); } .tail .out { color: var(--metrics); } .tail .note { color: var(--wait); }
${GRAPH_STYLE}`;

export function pageShell({ title, place, body }: Page): string {
  const link = (href: string, text: string, own: Page["place"]) =>
    `<a href="${href}"${own === place ? ' aria-current="page"' : ""}>${text}</a>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>${STYLE}</style>
<script src="/assets/agent.js" type="module"></script>
</head>
<body>
<nav><b>Finch agent</b>${link("/", "Graph", "graph")}${link("/dropped", "Dropped", "dropped")}<a href="/metrics">Metrics</a><a href="/api/v0/web/components">JSON</a></nav>
<main>
${body}
</main>
</body>
</html>
`;
}

/** Where the page of a component is. */
export function componentHref(id: string): string {
  return `/component/${encodePath(id)}`;
}

/** Where the graph of a module is. */
export function graphHref(moduleId: string): string {
  return moduleId === "" ? "/" : `/graph/${encodePath(moduleId)}`;
}

/** Ids of modules are paths themselves. */
export function encodePath(id: string): string {
  return id.split("/").map(encodeURIComponent).join("/");
}

export const LIVE_OFF = `<p class="soft">Live debugging is off, so nobody can look at what passes. To turn it on, write <code>livedebugging { enabled = true }</code> into the configuration and reload it.</p>`;
