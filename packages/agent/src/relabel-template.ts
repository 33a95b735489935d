/**
 * Replacement templates of relabel rules, with Go's rules: `$1`, `${1}`, `$name`, `${name}`, `$$`. A name is the longest run of letters, digits
 * and `_` (so `$1x` is a group called `1x`), an unknown group is empty, and a `$` that starts none of these stands for itself.
 */

/** Literals and references, alternating as they come. */
export interface Template {
  readonly parts: readonly (string | { readonly group: string })[];
  readonly hasReferences: boolean;
}

const REFERENCE = /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu;

export function parseTemplate(template: string): Template {
  const parts: (string | { readonly group: string })[] = [];
  let copiedTo = 0;
  for (const match of template.matchAll(REFERENCE)) {
    if (match.index > copiedTo) parts.push(template.slice(copiedTo, match.index));
    const group = match[1] ?? match[2];
    parts.push(group === undefined ? "$" : { group });
    copiedTo = match.index + match[0].length;
  }
  if (copiedTo < template.length) parts.push(template.slice(copiedTo));
  return { parts, hasReferences: parts.some((part) => typeof part !== "string") };
}

/** Fills a template with the groups of a match; group `0` is the whole match. */
export function expandTemplate(
  template: Template,
  groups: readonly (string | undefined)[],
  groupNames: readonly string[],
): string {
  let text = "";
  for (const part of template.parts)
    text += typeof part === "string" ? part : groupText(part.group, groups, groupNames);
  return text;
}

function groupText(
  group: string,
  groups: readonly (string | undefined)[],
  groupNames: readonly string[],
): string {
  if (/^(?:0|[1-9]\d*)$/.test(group)) return groups[Number(group)] ?? "";
  const index = groupNames.indexOf(group);
  return index < 0 ? "" : (groups[index] ?? "");
}
