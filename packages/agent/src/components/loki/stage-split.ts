/** `stage.split_json`: makes an entry of each element of a JSON array. */
import { maybe } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { sourceText } from "./process-stage.ts";
import type { Stage } from "./process-stage.ts";

export const SPLIT_JSON_STAGE = {
  source: maybe("string", "Extracted value to split instead of the line."),
} as const;

/** What is no array passes as it is; an empty array leaves nothing. Elements keep their text byte for byte. */
export function splitJsonStage(values: ValuesOf<typeof SPLIT_JSON_STAGE>): Stage {
  return (entries) =>
    entries.flatMap((entry) => {
      const elements = elementsOf(sourceText(entry, values.source) ?? "");
      if (elements === undefined) return [entry];
      return elements.map((line) => entry.withLine(line));
    });
}

function elementsOf(text: string): string[] | undefined {
  if (!/^[ \t\r\n]*\[/.test(text)) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    if (!Array.isArray(parsed)) return undefined;
    return parsed.length === 0 ? [] : sliceElements(text);
  } catch {
    return undefined;
  }
}

/** Of text that is a JSON array with an element at least: commas outside of strings and of nested values part the elements. */
function sliceElements(text: string): string[] {
  const elements: string[] = [];
  const open = text.indexOf("[");
  let depth = 0;
  let start = open + 1;
  for (let at = open; at < text.length; at++) {
    const character = text[at]!;
    if (character === '"') at = stringEnd(text, at);
    else if (character === "[" || character === "{") depth++;
    else if (character === "]" || character === "}") depth--;
    if ((character === "," && depth === 1) || depth === 0) {
      elements.push(text.slice(start, at).trim());
      if (depth === 0) break;
      start = at + 1;
    }
  }
  return elements;
}

/** Where the string that begins at `start` ends. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
