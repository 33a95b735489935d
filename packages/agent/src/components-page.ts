/** The page of the agent: every component with its health, arguments and exports. One file without scripts; dark, light, and narrow screens. */
import type { ComponentInfo, ShownStatement, ShownValue } from "./runtime/component-info.ts";

const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1c2024, #e6e8eb); --soft: light-dark(#667079, #9aa4ad); --line: light-dark(#dfe3e7, #2c3238);
  --ground: light-dark(#f7f8fa, #14171a); --card: light-dark(#fff, #1b1f23); --good: light-dark(#1a7f4b, #4ac285); --bad: light-dark(#c0352b, #ff7b70); --wait: light-dark(#93650a, #e0b354); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.4rem; margin: 0; }
header p { color: var(--soft); margin: .25rem 0 1.5rem; }
details { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; margin: .5rem 0; }
summary { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; padding: .7rem 1rem; cursor: pointer; }
summary:focus-visible { outline: 2px solid var(--good); outline-offset: 2px; border-radius: .6rem; }
code, pre { font: 13px/1.55 ui-monospace, monospace; }
summary code { font-weight: 600; overflow-wrap: anywhere; }
.state { margin-left: auto; font-size: .85rem; font-weight: 600; }
.state::before { content: "●\\00a0"; }
.healthy { color: var(--good); } .unhealthy, .exited { color: var(--bad); } .unknown { color: var(--wait); }
.body { border-top: 1px solid var(--line); padding: .25rem 1rem 1rem; }
.message, .links { color: var(--soft); margin: .6rem 0 0; overflow-wrap: anywhere; }
h2 { font-size: .8rem; text-transform: uppercase; letter-spacing: .06em; color: var(--soft); margin: 1rem 0 .3rem; }
pre { margin: 0; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
a { color: inherit; }
footer { color: var(--soft); margin-top: 2rem; font-size: .85rem; }
`;

/** The whole page. Everything that comes from a configuration is escaped. */
export function componentsPage(components: readonly ComponentInfo[]): string {
  const sick = components.filter(({ health }) => health.state !== "healthy");
  const count = `${components.length} component${components.length === 1 ? "" : "s"}`;
  const state =
    sick.length === 0 ? `${count}, all healthy` : `${count}, ${sick.length} not healthy`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Finch agent</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header><h1>Finch agent</h1><p>${state}</p></header>
${[...sick, ...components.filter((info) => !sick.includes(info))].map(componentSection).join("\n")}
<footer><a href="/metrics">Metrics</a> · <a href="/api/v0/web/components">Components as JSON</a></footer>
</main>
</body>
</html>
`;
}

function componentSection(info: ComponentInfo): string {
  const { id, health } = info;
  const open = health.state === "healthy" ? "" : " open";
  return `<details id="${escapeHtml(id)}"${open}>
<summary><code>${escapeHtml(id)}</code><span class="state ${health.state}">${health.state}</span></summary>
<div class="body">
<p class="message">${escapeHtml(health.message)} · since ${new Date(health.sinceMs).toISOString()}</p>
${links("uses", info.referencesTo)}${links("used by", info.referencedBy)}${listing("Arguments", info.arguments)}${listing("Exports", info.exports)}</div>
</details>`;
}

function links(title: string, ids: readonly string[]): string {
  if (ids.length === 0) return "";
  return `<p class="links">${title} ${ids.map((id) => `<a href="#${escapeHtml(id)}">${escapeHtml(id)}</a>`).join(", ")}</p>\n`;
}

function listing(title: string, statements: readonly ShownStatement[]): string {
  if (statements.length === 0) return "";
  return `<h2>${title}</h2>\n<pre>${escapeHtml(statements.map((statement) => formatStatement(statement, "")).join("\n"))}</pre>\n`;
}

function formatStatement(statement: ShownStatement, indent: string): string {
  if (statement.type === "attr")
    return `${indent}${statement.name} = ${formatShown(statement.value, indent)}`;
  if (statement.body.length === 0) return `${indent}${statement.name} { }`;
  return `${indent}${statement.name} {\n${statement.body.map((inner) => formatStatement(inner, `${indent}  `)).join("\n")}\n${indent}}`;
}

function formatShown(shown: ShownValue, indent: string): string {
  const deeper = `${indent}  `;
  switch (shown.type) {
    case "null":
      return "null";
    case "bool":
      return String(shown.value);
    case "string":
      return JSON.stringify(shown.value);
    case "array":
      if (shown.value.length === 0) return "[]";
      return `[\n${shown.value.map((element) => `${deeper}${formatShown(element, deeper)},`).join("\n")}\n${indent}]`;
    case "object":
      if (shown.value.length === 0) return "{}";
      return `{\n${shown.value.map(({ key, value }) => `${deeper}${JSON.stringify(key)} = ${formatShown(value, deeper)},`).join("\n")}\n${indent}}`;
    default:
      return shown.value;
  }
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
