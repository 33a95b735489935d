/** Values inside maps and lists, by keys. */
import type { AnyValue } from "@finch/wire";
import { OttlRunFault } from "./fault.ts";
import { toStored, typeOf, type OttlMap, type OttlValue } from "./values.ts";

/** Places a list grows by at most when a value is put behind its end. */
const LIST_LENGTH_MAX = 10_000n;

/** What stands at `keys`; null where a map on the way does not have the key. */
export function valueAt(root: OttlValue, keys: readonly OttlValue[]): OttlValue {
  let value = root;
  for (const [i, key] of keys.entries()) {
    // Nothing is in what is not there; of what is there, only maps and lists can be looked into.
    if (value === null && i > 0) return null;
    value = itemOf(value, key);
  }
  return value;
}

function itemOf(value: OttlValue, key: OttlValue): OttlValue {
  if (value instanceof Map) {
    if (typeof key === "string") return value.get(key) ?? null;
    throw new OttlRunFault(`a map has strings for keys, not ${typeOf(key)}`);
  }
  if (Array.isArray(value)) return value[placeOf(value, key)]!;
  throw new OttlRunFault(`${typeOf(value)} has no [key]`);
}

function placeOf(list: readonly OttlValue[], key: OttlValue): number {
  if (typeof key !== "bigint")
    throw new OttlRunFault(`a list is indexed with ints, not with ${typeOf(key)}`);
  if (key < 0n || key >= BigInt(list.length))
    throw new OttlRunFault(`index ${key} is outside of a list of ${list.length}`);
  return Number(key);
}

/** Puts a value at `keys`, of which there is one at least. Maps and lists on the way are made where there is nothing. */
export function setValueAt(root: OttlValue, keys: readonly OttlValue[], value: OttlValue): void {
  const stored = toStored(value);
  let holder = root;
  for (const [i, key] of keys.entries()) {
    const isLast = i === keys.length - 1;
    const next = isLast ? stored : (existing(holder, key) ?? emptyFor(keys[i + 1]!));
    put(holder, key, next);
    holder = next;
  }
}

function existing(holder: OttlValue, key: OttlValue): AnyValue {
  return itemOf(holder, key) as AnyValue;
}

function emptyFor(key: OttlValue): AnyValue {
  if (typeof key === "string") return new Map();
  if (typeof key !== "bigint" || key < 0n || key > LIST_LENGTH_MAX)
    throw new OttlRunFault(`cannot make a list that has ${typeOf(key)} as an index`);
  return Array.from({ length: Number(key) + 1 }, () => null);
}

function put(holder: OttlValue, key: OttlValue, value: AnyValue): void {
  if (holder instanceof Map) {
    if (typeof key !== "string")
      throw new OttlRunFault(`a map has strings for keys, not ${typeOf(key)}`);
    (holder as OttlMap).set(key, value);
  } else if (Array.isArray(holder)) holder[placeOf(holder, key)] = value;
  else throw new OttlRunFault(`${typeOf(holder)} has no [key]`);
}
