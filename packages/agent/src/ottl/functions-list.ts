/** Converters of lists and maps. */
import type { AnyValue } from "@finch/wire";
import { compareValues } from "./compare.ts";
import { OttlRunFault } from "./fault.ts";
import { pointsOf } from "./fields-of-metrics.ts";
import { valueAt } from "./index-value.ts";
import {
  anyValue,
  boolean,
  defineFunction,
  list,
  map,
  oneOf,
  optional,
  text,
  textList,
  type OttlFunction,
} from "./signature.ts";
import type { Subject } from "./subject.ts";
import { compareText, toJson, toText, typeOf, type OttlMap, type OttlValue } from "./values.ts";

export const LIST_FUNCTIONS: readonly OttlFunction[] = [
  defineFunction(
    "Coalesce",
    { values: list },
    ({ values }) => values.find((value) => value !== null) ?? null,
    { check: ({ values }) => (values?.length === 0 ? "one value at least is needed" : undefined) },
  ),
  defineFunction("ContainsValue", { target: list, item: anyValue }, ({ target, item }) =>
    target.some((value) => compareValues(value, item, "==")),
  ),
  defineFunction("Index", { target: anyValue, value: anyValue }, ({ target, value }) =>
    indexOf(target, value),
  ),
  defineFunction(
    "HasAttrKeyOnDatapoint",
    { key: text },
    ({ key }, subject) => somePoint(subject, (attributes) => attributes.has(key)),
    { contexts: ["metric"] },
  ),
  defineFunction(
    "HasAttrOnDatapoint",
    { key: text, expected: text },
    ({ key, expected }, subject) =>
      somePoint(subject, (attributes) => attributes.get(key) === expected),
    { contexts: ["metric"] },
  ),
  defineFunction("Keys", { target: map }, ({ target }) => [...target.keys()]),
  defineFunction("Values", { target: map }, ({ target }) => [...target.values()]),
  defineFunction(
    "Sort",
    { target: list, order: optional(oneOf(["asc", "desc"])) },
    ({ target, order = "asc" }) => sort(target, order === "desc"),
  ),
  defineFunction(
    "SliceToMap",
    { target: list, key_path: optional(textList), value_path: optional(textList) },
    ({ target, key_path, value_path }) => toMap(target, key_path, value_path),
  ),
  defineFunction(
    "ToKeyValueString",
    {
      target: map,
      delimiter: optional(text),
      pair_delimiter: optional(text),
      sort_output: optional(boolean),
    },
    ({ target, delimiter = "=", pair_delimiter = " ", sort_output = false }) =>
      toPairs(target, { delimiter, pairDelimiter: pair_delimiter, isSorted: sort_output }),
    {
      check: ({ delimiter = "=", pair_delimiter = " " }) =>
        delimiter === pair_delimiter ? "delimiter and pair_delimiter are the same" : undefined,
    },
  ),
];

function somePoint(subject: Subject, fits: (attributes: OttlMap) => boolean): boolean {
  return (pointsOf(subject.metric!) ?? []).some(({ attributes }) => fits(attributes));
}

/** Places in text count bytes. */
function indexOf(target: OttlValue, value: OttlValue): bigint {
  if (typeof target === "string") {
    const at = target.indexOf(text.convert(value));
    return BigInt(at < 0 ? at : Buffer.byteLength(target.slice(0, at)));
  }
  const items = list.convert(target);
  return BigInt(items.findIndex((item) => compareValues(item, value, "==")));
}

/** Numbers as numbers, all else of scalars as text. */
function sort(target: readonly OttlValue[], isDescending: boolean): OttlValue[] {
  const direction = isDescending ? -1 : 1;
  const isNumeric = target.every((item) => typeof item === "bigint" || typeof item === "number");
  if (isNumeric)
    return target.toSorted((a, b) => {
      if (compareValues(a, b, "<")) return -direction;
      return compareValues(a, b, ">") ? direction : 0;
    });
  const keyed = target.map((item) => ({ item, key: sortKey(item) }));
  return keyed.toSorted((a, b) => direction * compareText(a.key, b.key)).map(({ item }) => item);
}

function sortKey(item: OttlValue): string {
  if (item !== null && typeof item === "object")
    throw new OttlRunFault(`Sort: cannot sort ${typeOf(item)}`);
  return toText(item) ?? "";
}

function toMap(
  target: readonly OttlValue[],
  keyPath: readonly string[] | undefined,
  valuePath: readonly string[] | undefined,
): OttlMap {
  const made: OttlMap = new Map();
  for (const [i, item] of target.entries()) {
    const key = keyPath === undefined ? String(i) : itemAt(item, keyPath);
    if (typeof key !== "string")
      throw new OttlRunFault(`SliceToMap: the key of item ${i} is ${typeOf(key)}, no string`);
    made.set(key, (valuePath === undefined ? item : itemAt(item, valuePath)) as AnyValue);
  }
  return made;
}

function itemAt(item: OttlValue, path: readonly string[]): OttlValue {
  const found = valueAt(map.convert(item), path);
  if (found === null) throw new OttlRunFault(`SliceToMap: an item has no ${path.join(".")}`);
  return found;
}

function toPairs(
  target: OttlMap,
  options: {
    readonly delimiter: string;
    readonly pairDelimiter: string;
    readonly isSorted: boolean;
  },
): string {
  const { delimiter, pairDelimiter, isSorted } = options;
  const quote = (part: string) => {
    const isPlain = !part.includes(delimiter) && !part.includes(pairDelimiter);
    return isPlain ? part : `"${part.replaceAll('"', '\\"')}"`;
  };
  const pairs = [...target].map(([key, value]) => {
    const isNested = value instanceof Map || Array.isArray(value);
    // Nested values stand as their JSON, unquoted.
    const shown = isNested ? toJson(value) : quote(toText(value) ?? "");
    return { key, pair: `${quote(key)}${delimiter}${shown}` };
  });
  const ordered = isSorted ? pairs.toSorted((a, b) => compareText(a.key, b.key)) : pairs;
  return ordered.map(({ pair }) => pair).join(pairDelimiter);
}
