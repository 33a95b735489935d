/** `string.*` and `file.*`, with the semantics of Go's functions of the same names. */
import { posix } from "node:path";
import { formatText } from "./go-format.ts";
import { expectCount, textArgument, textsArgument } from "./library-arguments.ts";
import type { LibraryFunction } from "./library-arguments.ts";
import { STRING_LENGTH_MAX } from "./limits.ts";
import { ValueFault } from "./values.ts";

/** A function of `count` texts. */
function ofTexts(count: number, compute: (...texts: string[]) => string): LibraryFunction {
  return (args) => {
    expectCount(args, count);
    return bounded(compute(...args.map((_, index) => textArgument(args, index))));
  };
}

function bounded(text: string): string {
  if (text.length > STRING_LENGTH_MAX)
    throw new ValueFault(`the text grows beyond ${STRING_LENGTH_MAX} characters`);
  return text;
}

/** Cuts leading and trailing characters that are in `cutset`. */
function trimSet(text: string, cutset: string): string {
  const characters = new Set(cutset);
  const all = Array.from(text);
  let start = 0;
  let end = all.length;
  while (start < end && characters.has(all[start]!)) start++;
  while (end > start && characters.has(all[end - 1]!)) end--;
  return all.slice(start, end).join("");
}

/** An empty separator splits into characters; an empty `old` in replace stands between all characters. */
const splitText = (text: string, separator: string): string[] =>
  separator === "" ? Array.from(text) : text.split(separator);

function replaceText(text: string, old: string, replacement: string): string {
  if (old !== "") return text.split(old).join(replacement);
  return text === ""
    ? replacement
    : replacement + Array.from(text, (char) => char + replacement).join("");
}

export const STRING_FUNCTIONS: Readonly<Record<string, LibraryFunction>> = {
  "string.format": (args) => {
    expectCount(args, 1, Infinity);
    return bounded(formatText(textArgument(args, 0), args.slice(1)));
  },
  "string.join": (args) => {
    expectCount(args, 2);
    return bounded(textsArgument(args, 0).join(textArgument(args, 1)));
  },
  "string.split": (args) => {
    expectCount(args, 2);
    return splitText(textArgument(args, 0), textArgument(args, 1));
  },
  "string.replace": ofTexts(3, (text, old, replacement) => replaceText(text!, old!, replacement!)),
  "string.to_lower": ofTexts(1, (text) => text!.toLowerCase()),
  "string.to_upper": ofTexts(1, (text) => text!.toUpperCase()),
  "string.trim": ofTexts(2, (text, cutset) => trimSet(text!, cutset!)),
  "string.trim_prefix": ofTexts(2, (text, prefix) =>
    text!.startsWith(prefix!) ? text!.slice(prefix!.length) : text!,
  ),
  "string.trim_suffix": ofTexts(2, (text, suffix) =>
    suffix !== "" && text!.endsWith(suffix!) ? text!.slice(0, -suffix!.length) : text!,
  ),
  "string.trim_space": ofTexts(1, (text) => text!.trim()),
  "file.path_join": (args) => {
    const parts = args.map((_, index) => textArgument(args, index)).filter((part) => part !== "");
    if (parts.length === 0) return "";
    const joined = posix.join(...parts);
    return joined.length > 1 && joined.endsWith("/") ? joined.slice(0, -1) : joined;
  },
};
