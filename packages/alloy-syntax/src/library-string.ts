/** `string.*` and `file.*`, with the semantics of Go's functions of the same names. */
import { posix } from "node:path";
import { formatPrintf } from "@finch/go-text/printf";
import type { TemplateValue } from "@finch/go-text";
import { argument, expectCount, textArgument, textsArgument } from "./library-arguments.ts";
import type { LibraryFunction } from "./library-arguments.ts";
import { STRING_LENGTH_MAX } from "./limits.ts";
import {
  Capsule,
  describeKind,
  FunctionValue,
  isArray,
  isObject,
  Secret,
  ValueFault,
} from "./values.ts";
import type { Value } from "./values.ts";

/** A function of `count` texts. */
function ofTexts(count: number, compute: (...texts: string[]) => string): LibraryFunction {
  return (args) => {
    expectCount(args, count);
    return bounded(compute(...args.map((_, index) => textArgument(args, index))));
  };
}

/** Secrets are refused, and so is what has no text. */
function toFormattable(value: Value): TemplateValue {
  if (value instanceof Secret) throw new ValueFault("secrets may not be converted into strings");
  if (value instanceof Capsule && value.fields !== undefined) return toFormattable(value.fields());
  if (value instanceof Capsule || value instanceof FunctionValue)
    throw new ValueFault(`${describeKind(value)} cannot be formatted`);
  if (isArray(value)) return value.map(toFormattable);
  if (isObject(value))
    return new Map([...value].map(([key, field]) => [key, toFormattable(field)]));
  return value;
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

/** What Go takes for white space. */
const GO_SPACE =
  "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000";

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
    const values = args.slice(1).map((_, index) => argument(args, index + 1, toFormattable));
    return bounded(formatPrintf(textArgument(args, 0), values, String));
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
  "string.trim_space": ofTexts(1, (text) => trimSet(text!, GO_SPACE)),
  "file.path_join": (args) => {
    const parts = args.map((_, index) => textArgument(args, index)).filter((part) => part !== "");
    if (parts.length === 0) return "";
    const joined = posix.join(...parts);
    return joined.length > 1 && joined.endsWith("/") ? joined.slice(0, -1) : joined;
  },
};
