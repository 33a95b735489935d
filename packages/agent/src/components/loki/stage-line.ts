/** Stages that change the line: `output`, `replace`, `decolorize`. */
import { compileRegexp } from "@finch/model";
import type { CompiledRegexp } from "@finch/model";
import { maybe, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { eachEntry, sourceText, textOf } from "./process-stage.ts";
import type { Stage, StageContext } from "./process-stage.ts";
import { compileEntryTemplate } from "./stage-template.ts";

export const OUTPUT_STAGE = {
  source: required("string", "Extracted value that becomes the line."),
} as const;

export function outputStage(values: ValuesOf<typeof OUTPUT_STAGE>): Stage {
  return eachEntry((entry) => {
    entry.line = textOf(entry.extracted.get(values.source)) ?? entry.line;
  });
}

export const DECOLORIZE_STAGE = {} as const;
/** ESC [ … letter, built from its code because a control character in a pattern reads badly. */
const ANSI = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*[A-Za-z]`, "g");

export function decolorizeStage(): Stage {
  return eachEntry((entry) => {
    entry.line = entry.line.replace(ANSI, "");
  });
}

export const REPLACE_STAGE = {
  expression: required("string", "RE2 pattern; what its groups capture is replaced."),
  replace: optional(
    "string",
    "",
    "What stands there instead: a Go template over the extracted values; .Value is the captured text.",
  ),
  source: maybe("string", "Extracted value to change instead of the line."),
} as const;

export function replaceStage(values: ValuesOf<typeof REPLACE_STAGE>, context: StageContext): Stage {
  const template = compileEntryTemplate("stage.replace", values.replace, context.clock);
  const regexp = compileRegexp(values.expression, { anchored: false });
  return eachEntry((entry) => {
    const text = sourceText(entry, values.source);
    if (text === undefined) return;
    const changed = replaceGroups(text, regexp, (captured) =>
      template(entry.extracted, new Map([["Value", captured]])),
    );
    if (changed === undefined) return;
    if (values.source === undefined || values.source === "") entry.line = changed.text;
    else entry.extracted.set(values.source, changed.text);
    for (const [name, value] of changed.named) entry.extracted.set(name, value);
  });
}

interface Replaced {
  readonly text: string;
  /** What named groups of the first match became. */
  readonly named: ReadonlyMap<string, string>;
}

/**
 * Replaces the captured texts of every match, from left to right; an outer group wins over the ones inside it. Undefined when a
 * replacement cannot be made.
 */
function replaceGroups(
  text: string,
  regexp: CompiledRegexp,
  replacement: (captured: string) => string | undefined,
): Replaced | undefined {
  let out = "";
  let copiedTo = 0;
  const named = new Map<string, string>();
  for (let from = 0; from <= text.length;) {
    const bounds = regexp.bounds(text, from);
    if (bounds === undefined) break;
    for (let group = 1; group < bounds.length / 2; group++) {
      const start = bounds[2 * group]!;
      const end = bounds[2 * group + 1]!;
      if (start < 0) continue;
      const made = replacement(text.slice(start, end));
      if (made === undefined) return undefined;
      const name = regexp.groupNames[group]!;
      if (name !== "" && !named.has(name)) named.set(name, made);
      if (start < copiedTo) continue;
      out += text.slice(copiedTo, start) + made;
      copiedTo = end;
    }
    from = Math.max(bounds[1]!, from + 1);
  }
  return { text: out + text.slice(copiedTo), named };
}
