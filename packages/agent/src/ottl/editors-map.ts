/** Editors of fields and of maps of attributes. */
import type { AnyValue } from "@finch/wire";
import { OttlRunFault } from "./fault.ts";
import { isInsideCharacter } from "./functions-text.ts";
import {
  anyValue,
  boolean,
  defineFunction,
  integer,
  list,
  map,
  mapAt,
  oneOf,
  optional,
  pattern,
  target,
  text,
  textList,
  type OttlFunction,
} from "./signature.ts";
import { toStored, toText, type OttlMap, type OttlValue } from "./values.ts";

export const MAP_EDITORS: readonly OttlFunction[] = [
  defineFunction("set", { target, value: anyValue }, ({ target: at, value }, subject) => {
    // Nil is what a missing attribute gives: nothing is set to it.
    if (value !== null) at.set(subject, value);
    return null;
  }),
  defineFunction(
    "append",
    { target, value: optional(anyValue), values: optional(list) },
    ({ target: at, value, values = [] }, subject) => {
      const added = value === undefined ? values : [value, ...values];
      at.set(subject, [...asList(at.get(subject)), ...added]);
      return null;
    },
  ),
  defineFunction("delete_key", { target, key: text }, ({ target: at, key }, subject) => {
    mapAt(at, subject).delete(key);
    return null;
  }),
  defineFunction(
    "delete_matching_keys",
    { target, pattern },
    ({ target: at, pattern: found }, subject) => {
      deleteKeys(mapAt(at, subject), (key) => found.test(key));
      return null;
    },
  ),
  defineFunction("keep_keys", { target, keys: textList }, ({ target: at, keys }, subject) => {
    deleteKeys(mapAt(at, subject), (key) => !keys.includes(key));
    return null;
  }),
  defineFunction(
    "keep_matching_keys",
    { target, pattern },
    ({ target: at, pattern: found }, subject) => {
      deleteKeys(mapAt(at, subject), (key) => !found.test(key));
      return null;
    },
  ),
  defineFunction(
    "delete_index",
    { target, start_index: integer, end_index: optional(integer) },
    ({ target: at, start_index, end_index = start_index + 1n }, subject) => {
      at.set(subject, withoutItems(list.convert(at.get(subject)), start_index, end_index));
      return null;
    },
  ),
  defineFunction(
    "limit",
    { target, limit: integer, priority_keys: textList },
    ({ target: at, limit, priority_keys }, subject) => {
      limitKeys(mapAt(at, subject), Number(limit), priority_keys);
      return null;
    },
    { check: ({ limit, priority_keys }) => findLimitFault(limit, priority_keys) },
  ),
  defineFunction(
    "merge_maps",
    { target, source: map, strategy: oneOf(["insert", "update", "upsert"]) },
    ({ target: at, source, strategy }, subject) => {
      const into = mapAt(at, subject);
      for (const [key, value] of source)
        if (strategy === "upsert" || into.has(key) === (strategy === "update"))
          into.set(key, toStored(value));
      return null;
    },
  ),
  defineFunction(
    "flatten",
    {
      target,
      prefix: optional(text),
      depth: optional(integer),
      resolve_conflicts: optional(boolean),
    },
    ({ target: at, prefix = "", depth, resolve_conflicts = false }, subject) => {
      const of = mapAt(at, subject);
      const depthMax = depth === undefined ? Number.POSITIVE_INFINITY : Number(depth);
      replaceEntries(of, flatten(of, { prefix, depthMax, isResolving: resolve_conflicts }));
      return null;
    },
    {
      check: ({ depth }) =>
        depth !== undefined && depth < 0n ? "depth must not be negative" : undefined,
    },
  ),
  defineFunction("stringify_all", { target }, ({ target: at }, subject) => {
    const of = mapAt(at, subject);
    for (const [key, value] of of)
      of.set(
        key,
        value instanceof Uint8Array ? Buffer.from(value).toString("base64") : (toText(value) ?? ""),
      );
    return null;
  }),
  defineFunction(
    "truncate_all",
    {
      target,
      limit: integer,
      utf8_safe: optional(boolean),
      truncation_marker: optional(text),
    },
    ({ target: at, limit, truncation_marker: marker = "" }, subject) => {
      const of = mapAt(at, subject);
      for (const [key, value] of of)
        if (typeof value === "string")
          of.set(key, truncate(value, { limit: Number(limit), marker }));
      return null;
    },
    {
      check: ({ limit = 0n, truncation_marker = "" }) => {
        if (limit < 0n) return "limit must not be negative";
        const isTooLong = BigInt(Buffer.byteLength(truncation_marker)) > limit;
        return truncation_marker !== "" && isTooLong
          ? "the marker is longer than limit"
          : undefined;
      },
    },
  ),
];

function asList(value: OttlValue): OttlValue[] {
  if (value === null) return [];
  return Array.isArray(value) ? value : [value];
}

function deleteKeys(of: OttlMap, isGone: (key: string) => boolean): void {
  for (const key of of.keys()) if (isGone(key)) of.delete(key);
}

function replaceEntries(of: OttlMap, entries: Iterable<[string, AnyValue]>): void {
  const made = [...entries];
  of.clear();
  for (const [key, value] of made) of.set(key, value);
}

function withoutItems(items: readonly OttlValue[], start: bigint, end: bigint): OttlValue[] {
  if (start < 0n || end < start || end > BigInt(items.length) || start >= BigInt(items.length))
    throw new OttlRunFault(
      `delete_index: ${start} to ${end} is outside of a list of ${items.length}`,
    );
  return items.toSpliced(Number(start), Number(end - start));
}

function findLimitFault(
  limit: bigint | undefined,
  keys: readonly string[] | undefined,
): string | undefined {
  if (limit !== undefined && limit < 0n) return "limit must not be negative";
  const isShort = limit !== undefined && keys !== undefined && BigInt(keys.length) > limit;
  return isShort ? "limit is below the number of priority_keys" : undefined;
}

/** Keys with priority stay; of the others, those that came first. */
function limitKeys(of: OttlMap, limit: number, priorityKeys: readonly string[]): void {
  if (of.size <= limit) return;
  let free = limit - priorityKeys.filter((key) => of.has(key)).length;
  deleteKeys(of, (key) => !priorityKeys.includes(key) && free-- <= 0);
}

interface Flattening {
  readonly prefix: string;
  readonly depthMax: number;
  readonly isResolving: boolean;
}

function flatten(of: OttlMap, { prefix, depthMax, isResolving }: Flattening): OttlMap {
  const flat: OttlMap = new Map();
  const seen = new Map<string, number>();
  const put = (key: string, value: AnyValue) => {
    const count = isResolving ? seen.get(key) : undefined;
    seen.set(key, (count ?? -1) + 1);
    flat.set(count === undefined ? key : `${key}.${count}`, value);
  };
  const walk = (key: string, value: AnyValue, depth: number) => {
    if (value instanceof Map && depth < depthMax)
      for (const [name, item] of value) walk(`${key}.${name}`, item, depth + 1);
    else if (Array.isArray(value))
      for (const [i, item] of value.entries()) put(isResolving ? key : `${key}.${i}`, item);
    else put(key, value);
  };
  if (depthMax === 0) return new Map(of);
  for (const [name, value] of of) walk(prefix === "" ? name : `${prefix}.${name}`, value, 0);
  return flat;
}

/** Text never ends inside of a character, whatever `utf8_safe` says: half a character cannot be told in a string of telemetry. */
function truncate(
  value: string,
  { limit, marker }: { readonly limit: number; readonly marker: string },
): string {
  const bytes = Buffer.from(value);
  if (bytes.length <= limit) return value;
  let end = limit - Buffer.byteLength(marker);
  if (end < 0) throw new OttlRunFault("truncate_all: the marker is longer than limit");
  while (isInsideCharacter(bytes, end)) end--;
  return bytes.toString("utf8", 0, end) + marker;
}
