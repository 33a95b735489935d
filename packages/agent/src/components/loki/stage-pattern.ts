/** `stage.pattern`: takes values out of a line by a pattern of LogQL, `<name>` and `<_>` between literal text. */
import { FinchError } from "@finch/runtime";
import { maybe, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { eachEntry, sourceText } from "./process-stage.ts";
import type { Stage } from "./process-stage.ts";

export const PATTERN_STAGE = {
  pattern: required("string", "LogQL pattern such as `<ip> - <_> <status>`."),
  source: maybe("string", "Extracted value to match instead of the line."),
  labels_from_groups: optional("bool", false, "Make labels of the captures, too."),
} as const;

/** Text before the first capture, then each capture with the text behind it (empty at the end). */
interface Pattern {
  readonly prefix: string;
  readonly captures: readonly { readonly name: string | undefined; readonly until: string }[];
}

const CAPTURE = /<([A-Za-z_][A-Za-z0-9_]*)>/g;

export function patternStage(values: ValuesOf<typeof PATTERN_STAGE>): Stage {
  const { prefix, captures } = parsePattern(values.pattern);
  return eachEntry((entry) => {
    const text = sourceText(entry, values.source);
    if (text === undefined || text === "" || !text.startsWith(prefix)) return;
    let at = prefix.length;
    for (const { name, until } of captures) {
      const end = until === "" ? -1 : text.indexOf(until, at);
      // A literal that does not come leaves the rest to the capture before it.
      const value = end < 0 ? text.slice(at) : text.slice(at, end);
      if (name !== undefined) {
        entry.extracted.set(name, value);
        if (values.labels_from_groups && value.isWellFormed()) entry.setLabel(name, value);
      }
      if (end < 0) return;
      at = end + until.length;
    }
  });
}

function parsePattern(text: string): Pattern {
  const matches = [...text.matchAll(CAPTURE)];
  const names = matches.map((match) => match[1]!).filter((name) => name !== "_");
  if (names.length === 0) throw badPattern("it needs one <name> at least");
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw badPattern(`<${twice}> stands twice`);
  const captures = matches.map((match, index) => {
    const end = match.index + match[0].length;
    const next = matches[index + 1]?.index ?? text.length;
    if (next === end && next < text.length)
      throw badPattern(`text must stand between ${match[0]} and ${matches[index + 1]![0]}`);
    return { name: match[1] === "_" ? undefined : match[1], until: text.slice(end, next) };
  });
  return { prefix: text.slice(0, matches[0]!.index), captures };
}

function badPattern(what: string): FinchError {
  return new FinchError("invalid", "agent/bad-stage", `stage.pattern: bad pattern: ${what}`);
}
