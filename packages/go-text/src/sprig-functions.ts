/** Sprig's common functions beyond those LogQL has: conditions, lists and maps, more of texts, patterns, JSON and times. */
import { asCount, asText, checkCount, goType, regexpOf, texts } from "./template-arguments.ts";
import type { FunctionTable, TemplateFunction } from "./template-arguments.ts";
import { printTime } from "./template-built-ins.ts";
import {
  isList,
  isMap,
  isTime,
  isTrue,
  printValue,
  TemplateRunFault,
  toFloat,
  toInteger,
} from "./template-value.ts";
import type { TemplateValue } from "./template-value.ts";
import { formatTime } from "./time-layout.ts";
import { isTimeZone } from "./zone.ts";

type List = readonly TemplateValue[];

/** Sprig's `toString`: whatever prints, prints as `%v`. */
function textOf(value: TemplateValue | undefined): string {
  return value === undefined || value === null ? "<nil>" : printValue(value, printTime);
}

function asList(value: TemplateValue | undefined): List {
  if (value !== undefined && isList(value)) return value;
  throw new TemplateRunFault(`wrong type for value; expected list; got ${goType(value)}`);
}

function asMap(value: TemplateValue | undefined): ReadonlyMap<string, TemplateValue> {
  if (value !== undefined && isMap(value)) return value;
  throw new TemplateRunFault(`wrong type for value; expected map; got ${goType(value)}`);
}

/** A function of values of any kind. */
function values(count: number, apply: TemplateFunction): TemplateFunction {
  return (args, scope) => {
    checkCount(args, count);
    return apply(args, scope);
  };
}

/** The matches of a pattern, `max` at most; all when it is negative. */
function findAll(pattern: string, text: string, max: number): readonly (readonly number[])[] {
  const regexp = regexpOf(pattern);
  const found: (readonly number[])[] = [];
  for (let from = 0; from <= text.length && (max < 0 || found.length < max);) {
    const bounds = regexp.bounds(text, from);
    if (bounds === undefined) break;
    found.push(bounds);
    from = Math.max(bounds[1]!, from + 1);
  }
  return found;
}

function splitByPattern(pattern: string, text: string, max: number): List {
  const parts: string[] = [];
  let begin = 0;
  for (const [start, end] of findAll(pattern, text, max < 0 ? max : max - 1)) {
    if (end === 0) continue;
    parts.push(text.slice(begin, start));
    begin = end!;
  }
  return [...parts, text.slice(begin)];
}

function toJson(value: TemplateValue): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item === "bigint") return Number(item);
    return item instanceof Map ? Object.fromEntries(item as Map<string, unknown>) : item;
  });
}

function kindOf(value: TemplateValue): string {
  if (value === null) return "invalid";
  if (isTime(value)) return "struct";
  if (isList(value)) return "slice";
  return isMap(value) ? "map" : goType(value);
}

const CONDITIONS: FunctionTable = {
  empty: values(1, ([value]) => !isTrue(value!)),
  coalesce: (args) => args.find(isTrue) ?? null,
  ternary: values(3, ([yes, no, test]) => (test === true ? yes! : no!)),
  all: (args) => args.every(isTrue),
  any: (args) => args.some(isTrue),
  kindOf: values(1, ([value]) => kindOf(value!)),
  kindIs: values(2, ([kind, value]) => asText(kind) === kindOf(value!)),
};

const MORE_TEXT: FunctionTable = {
  toString: values(1, ([value]) => textOf(value)),
  quote: (args) =>
    args
      .filter((value) => value !== null)
      .map((value) => JSON.stringify(textOf(value)))
      .join(" "),
  squote: (args) =>
    args
      .filter((value) => value !== null)
      .map((value) => `'${textOf(value)}'`)
      .join(" "),
  cat: (args) => args.map(textOf).join(" "),
  nospace: texts(1, (text) => text!.replaceAll(/\s/g, "")),
  untitle: texts(1, (text) =>
    text!.replaceAll(
      /(^|\s)(\S)/g,
      (_, blank: string, first: string) => blank + first.toLowerCase(),
    ),
  ),
  initials: texts(1, (text) => (text!.match(/(?<!\S)\S/gu) ?? []).join("")),
  snakecase: texts(1, (text) => words(text!).join("_").toLowerCase()),
  kebabcase: texts(1, (text) => words(text!).join("-").toLowerCase()),
  camelcase: texts(1, (text) =>
    words(text!)
      .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1).toLowerCase())
      .join(""),
  ),
  plural: values(3, ([one, many, count]) => (asCount(count) === 1 ? asText(one) : asText(many))),
  regexMatch: texts(2, (pattern, text) => regexpOf(pattern!).test(text!)),
  regexFind: texts(2, (pattern, text) => {
    const [bounds] = findAll(pattern!, text!, 1);
    return bounds === undefined ? "" : text!.slice(bounds[0], bounds[1]);
  }),
  regexFindAll: values(3, ([pattern, text, max]) =>
    findAll(asText(pattern), asText(text), asCount(max)).map(([start, end]) =>
      asText(text).slice(start, end),
    ),
  ),
  regexSplit: values(3, ([pattern, text, max]) =>
    asCount(max) === 0 ? [] : splitByPattern(asText(pattern), asText(text), asCount(max)),
  ),
  regexQuoteMeta: texts(1, (text) => text!.replaceAll(/[\\.+*?()|[\]{}^$]/g, "\\$&")),
  toJson: values(1, ([value]) => toJson(value!)),
};

/** Runs of letters and digits, and at changes from small to capital letters. */
function words(text: string): readonly string[] {
  return text.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+/g) ?? [];
}

const LISTS: FunctionTable = {
  list: (args) => args,
  first: values(1, ([list]) => asList(list)[0] ?? null),
  last: values(1, ([list]) => asList(list).at(-1) ?? null),
  rest: values(1, ([list]) => asList(list).slice(1)),
  initial: values(1, ([list]) => asList(list).slice(0, -1)),
  append: values(2, ([list, value]) => [...asList(list), value!]),
  prepend: values(2, ([list, value]) => [value!, ...asList(list)]),
  reverse: values(1, ([list]) => asList(list).toReversed()),
  uniq: values(1, ([list]) => [...new Set(asList(list))]),
  compact: values(1, ([list]) => asList(list).filter(isTrue)),
  has: values(2, ([value, list]) => list !== null && asList(list).includes(value!)),
  sortAlpha: values(1, ([list]) => (isList(list!) ? list.map(textOf).toSorted() : [textOf(list)])),
  join: values(2, ([separator, list]) =>
    isList(list!)
      ? list
          .filter((value) => value !== null)
          .map(textOf)
          .join(asText(separator))
      : textOf(list),
  ),
  splitList: texts(2, (separator, text) => text!.split(separator!)),
  split: texts(
    2,
    (separator, text) => new Map(text!.split(separator!).map((part, i) => [`_${i}`, part])),
  ),
  splitn: values(3, ([separator, count, text]) => {
    const parts = asText(text).split(asText(separator));
    const max = asCount(count);
    const kept =
      max > 0 && parts.length > max
        ? [...parts.slice(0, max - 1), parts.slice(max - 1).join(asText(separator))]
        : parts;
    return new Map(kept.map((part, i) => [`_${i}`, part]));
  }),
  dict: (args) => {
    const pairs = Array.from({ length: Math.ceil(args.length / 2) }, (_, i) => i * 2);
    return new Map(pairs.map((i) => [textOf(args[i]), args[i + 1] ?? ""]));
  },
  get: values(2, ([map, key]) => asMap(map).get(asText(key)) ?? ""),
  hasKey: values(2, ([map, key]) => asMap(map).has(asText(key))),
  keys: (args) => args.flatMap((map) => [...asMap(map).keys()]),
  values: values(1, ([map]) => [...asMap(map).values()]),
};

const MORE_NUMBERS: FunctionTable = {
  add1: values(1, ([value]) => BigInt.asIntN(64, toInteger(value) + 1n)),
  add1f: values(1, ([value]) => toFloat(value) + 1),
  int64: values(1, ([value]) => toInteger(value)),
  atoi: texts(1, (text) => (/^[-+]?\d+$/.test(text!) ? toInteger(text) : 0n)),
};

const MORE_TIME: FunctionTable = {
  dateInZone: values(3, ([layout, time, zone]) => {
    const name = asText(zone);
    const ns = isTime(time!) ? time.ns : toInteger(time) * 1_000_000_000n;
    return formatTime(asText(layout), { ns, zone: isTimeZone(name) ? name : "UTC" });
  }),
  htmlDate: values(1, ([time]) => {
    const ns = isTime(time!) ? time.ns : toInteger(time) * 1_000_000_000n;
    return formatTime("2006-01-02", { ns, zone: "UTC" });
  }),
};

/** Extends the tables TEXT_FUNCTIONS, NUMBER_FUNCTIONS, TIME_FUNCTIONS and VALUE_FUNCTIONS. */
export const SPRIG_FUNCTIONS: FunctionTable = {
  ...CONDITIONS,
  ...MORE_TEXT,
  ...LISTS,
  ...MORE_NUMBERS,
  ...MORE_TIME,
};
