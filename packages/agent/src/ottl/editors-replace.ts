/** Editors that replace text by patterns. */
import { formatPrintf } from "@finch/go-text";
import type { CompiledRegexp } from "@finch/model";
import { OttlRunFault } from "./fault.ts";
import {
  defineFunction,
  glob,
  mapAt,
  oneOf,
  optional,
  pattern,
  target,
  text,
  textFunction,
  type OttlFunction,
  type TextFunction,
} from "./signature.ts";
import { typeOf, type OttlMap } from "./values.ts";

const REPLACING = {
  replacement: text,
  function: optional(textFunction),
  replacement_format: optional(text),
};

interface Replacement {
  readonly replacement: string;
  readonly function: TextFunction | undefined;
  readonly replacement_format: string | undefined;
}

export const REPLACE_EDITORS: readonly OttlFunction[] = [
  defineFunction(
    "replace_pattern",
    { target, regex: pattern, ...REPLACING },
    ({ target: at, regex, ...replacement }, subject) => {
      const value = at.get(subject);
      if (typeof value === "string" && regex.test(value))
        at.set(subject, replacePattern(value, regex, replacement));
      return null;
    },
    { check: findFormatFault },
  ),
  defineFunction(
    "replace_match",
    { target, pattern: glob, ...REPLACING },
    ({ target: at, pattern: matches, ...replacement }, subject) => {
      const value = at.get(subject);
      if (typeof value === "string" && matches(value)) at.set(subject, replaceWhole(replacement));
      return null;
    },
    { check: findFormatFault },
  ),
  defineFunction(
    "replace_all_patterns",
    { target, mode: oneOf(["key", "value"]), regex: pattern, ...REPLACING },
    ({ target: at, mode, regex, ...replacement }, subject) => {
      const of = mapAt(at, subject);
      if (mode === "key") replaceInKeys(of, regex, replacement);
      else replaceInValues(of, regex, replacement);
      return null;
    },
    { check: findFormatFault },
  ),
  defineFunction(
    "replace_all_matches",
    { target, pattern: glob, ...REPLACING },
    ({ target: at, pattern: matches, ...replacement }, subject) => {
      const of = mapAt(at, subject);
      for (const [key, value] of of)
        if (typeof value === "string" && matches(value)) of.set(key, replaceWhole(replacement));
      return null;
    },
    { check: findFormatFault },
  ),
];

function findFormatFault({
  replacement_format: format,
}: {
  replacement_format?: string | undefined;
}) {
  return format === undefined || isFormat(format)
    ? undefined
    : "replacement_format needs one %s and no other verb";
}

function isFormat(format: string): boolean {
  return format.split("%").length === 2 && format.includes("%s");
}

function replaceInKeys(of: OttlMap, regex: CompiledRegexp, replacement: Replacement): void {
  const entries = [...of];
  of.clear();
  for (const [key, value] of entries)
    of.set(regex.test(key) ? replacePattern(key, regex, replacement) : key, value);
}

function replaceInValues(of: OttlMap, regex: CompiledRegexp, replacement: Replacement): void {
  for (const [key, value] of of)
    if (typeof value === "string" && regex.test(value))
      of.set(key, replacePattern(value, regex, replacement));
}

function replacePattern(value: string, regex: CompiledRegexp, replacement: Replacement): string {
  if (replacement.function === undefined) return regex.replaceAll(value, replacement.replacement);
  let replaced = "";
  let copiedTo = 0;
  let from = 0;
  for (;;) {
    const bounds = regex.bounds(value, from);
    if (bounds === undefined) return replaced + value.slice(copiedTo);
    const [start = 0, end = 0] = bounds;
    const expanded = expand(replacement.replacement, { value, bounds, names: regex.groupNames });
    replaced += value.slice(copiedTo, start) + applied(expanded, replacement);
    copiedTo = end;
    from = start === end ? end + 1 : end;
  }
}

/** The template with the groups of one match, as Go's `Regexp.Expand`. */
function expand(
  template: string,
  match: {
    readonly value: string;
    readonly bounds: readonly number[];
    readonly names: readonly string[];
  },
): string {
  const { value, bounds, names } = match;
  return template.replaceAll(/\$(?:\$|(\w+)|\{(\w+)\})/g, (_, bare?: string, braced?: string) => {
    const name = bare ?? braced;
    if (name === undefined) return "$";
    const group = /^\d+$/.test(name) ? Number(name) : names.indexOf(name);
    const from = bounds[2 * group] ?? -1;
    return from < 0 ? "" : value.slice(from, bounds[2 * group + 1]);
  });
}

function replaceWhole(replacement: Replacement): string {
  return replacement.function === undefined
    ? replacement.replacement
    : applied(replacement.replacement, replacement);
}

/** What the converter makes of it, in the format where there is one. */
function applied(
  value: string,
  { function: convert, replacement_format: format }: Replacement,
): string {
  const converted = convert!(value);
  if (typeof converted !== "string")
    throw new OttlRunFault(`the function of a replacement gave ${typeOf(converted)}, no string`);
  if (format === undefined) return converted;
  if (!isFormat(format))
    throw new OttlRunFault("replacement_format needs one %s and no other verb");
  return formatPrintf(format, [converted], () => "");
}
