/** Components as a table: those that are not well first. */
import { escapeXml } from "../graph-view/graph-svg.ts";
import type { ComponentInfo } from "../runtime/component-info.ts";
import { componentHref, graphHref } from "./page-shell.ts";

export function componentList(components: readonly ComponentInfo[]): string {
  const sick = components.filter(({ health }) => health.state !== "healthy");
  const rows = [...sick, ...components.filter((info) => !sick.includes(info))].map(componentRow);
  return `<div class="scroll"><table><tr><th>component</th><th>health</th><th class="optional">message</th></tr>${rows.join("")}</table></div>`;
}

/** Such as `12 components, 1 not healthy`. */
export function healthSummary(components: readonly ComponentInfo[]): string {
  const sick = components.filter(({ health }) => health.state !== "healthy").length;
  const count = `${components.length} component${components.length === 1 ? "" : "s"}`;
  return sick === 0 ? `${count}, all healthy` : `${count}, ${sick} not healthy`;
}

function componentRow({ id, health, createdModuleIds }: ComponentInfo): string {
  const modules = createdModuleIds
    .map((module) => ` · <a href="${graphHref(module)}">inside</a>`)
    .join("");
  return `<tr><td><a href="${componentHref(id)}"><code>${escapeXml(id)}</code></a>${modules}</td><td>${stateText(health.state)}</td><td class="optional soft">${escapeXml(health.message)}</td></tr>`;
}

export function stateText(state: string): string {
  return `<span class="state ${state}">${state}</span>`;
}
