/** The functions that text/template itself has: comparison, logic, indexing, printing. `and` and `or` stop early, so the evaluator runs those. */
import { formatPrintf } from "./printf.ts";
import { isList, isMap, isTime, isTrue, printValue, TemplateRunFault } from "./template-value.ts";
import type { TemplateValue } from "./template-value.ts";
import { formatTime } from "./time-layout.ts";
import type { GoTime } from "./time-layout.ts";

type BuiltIn = (args: readonly TemplateValue[]) => TemplateValue;

/** How Go prints a time. */
export function printTime(time: GoTime): string {
  return formatTime("2006-01-02 15:04:05.999999999 -0700 MST", time);
}

function compare(left: TemplateValue, right: TemplateValue): number {
  const bothNumbers =
    (typeof left === "number" && typeof right === "number") ||
    (typeof left === "bigint" && typeof right === "bigint") ||
    (typeof left === "string" && typeof right === "string");
  if (!bothNumbers) throw new TemplateRunFault("incompatible types for comparison");
  return left < right ? -1 : left > right ? 1 : left === right ? 0 : NaN;
}

function isEqual(left: TemplateValue, right: TemplateValue): boolean {
  if (typeof left === "boolean" && typeof right === "boolean") return left === right;
  if (left === null || right === null) return left === right;
  if (isTime(left) && isTime(right)) return left.ns === right.ns;
  return compare(left, right) === 0;
}

function ordered(test: (order: number) => boolean): BuiltIn {
  return ([left, right]) => {
    if (left === undefined || right === undefined) {
      throw new TemplateRunFault("missing argument for comparison");
    }
    return test(compare(left, right));
  };
}

function indexValue(value: TemplateValue, key: TemplateValue): TemplateValue {
  if (isMap(value)) return typeof key === "string" ? (value.get(key) ?? "") : null;
  if (typeof key !== "bigint")
    throw new TemplateRunFault("cannot index with a value that is no int");
  const at = Number(key);
  if (typeof value === "string" || isList(value)) {
    if (at < 0 || at >= value.length) throw new TemplateRunFault(`index out of range: ${at}`);
    return typeof value === "string" ? BigInt(value.charCodeAt(at)) : value[at]!;
  }
  throw new TemplateRunFault("cannot index a value of this type");
}

/** `Sprint`: blanks between operands when neither is text. */
function printAll(args: readonly TemplateValue[]): string {
  let text = "";
  for (const [i, value] of args.entries()) {
    const before = args[i - 1];
    if (i > 0 && typeof value !== "string" && typeof before !== "string") text += " ";
    text += value === null ? "<nil>" : printValue(value, printTime);
  }
  return text;
}

const HTML_ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
  "\u0000": "\ufffd",
};

function escapeScript(character: string): string {
  if (character === "\\" || character === "'" || character === '"') return `\\${character}`;
  return `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

export const BUILT_IN_FUNCTIONS: Readonly<Record<string, BuiltIn>> = {
  and: (args) => args.find((value) => !isTrue(value)) ?? args.at(-1)!,
  or: (args) => args.find((value) => isTrue(value)) ?? args.at(-1)!,
  not: ([value]) => !isTrue(value ?? null),
  len: ([value]) => {
    if (typeof value === "string") return BigInt(new TextEncoder().encode(value).length);
    if (value !== undefined && isList(value)) return BigInt(value.length);
    if (value !== undefined && isMap(value)) return BigInt(value.size);
    throw new TemplateRunFault("len of a value that has no length");
  },
  index: ([value, ...keys]) => keys.reduce(indexValue, value ?? null),
  slice: ([value, from, to]) => {
    if (value === undefined || (typeof value !== "string" && !isList(value))) {
      throw new TemplateRunFault("cannot slice a value of this type");
    }
    const start = Number(from ?? 0n);
    const end = Number(to ?? value.length);
    if (start < 0 || start > end || end > value.length) {
      throw new TemplateRunFault(`index out of range: ${start > end ? start : end}`);
    }
    return value.slice(start, end);
  },
  print: printAll,
  println: (args) => `${args.map((value) => printValue(value, printTime)).join(" ")}\n`,
  printf: ([format, ...values]) => {
    if (typeof format !== "string") throw new TemplateRunFault("printf needs a format");
    return formatPrintf(format, values, printTime);
  },
  html: (args) => printAll(args).replaceAll(/[&<>"']|\p{Cc}/gu, (c) => HTML_ESCAPES[c] ?? c),
  js: (args) => printAll(args).replaceAll(/[\\'"<>&=]|(?!\u007f)\p{Cc}/gu, escapeScript),
  urlquery: (args) => encodeURIComponent(printAll(args).toWellFormed()).replaceAll("%20", "+"),
  eq: ([first, ...others]) => {
    if (first === undefined || others.length === 0) {
      throw new TemplateRunFault("missing argument for comparison");
    }
    return others.some((other) => isEqual(first, other));
  },
  ne: ([left, right]) => !isEqual(left ?? null, right ?? null),
  lt: ordered((order) => order < 0),
  le: ordered((order) => order <= 0),
  gt: ordered((order) => order > 0),
  ge: ordered((order) => order >= 0),
};
