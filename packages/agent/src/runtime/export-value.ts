/** What components export, as values of the language; and whether two exports (or arguments) are the same. */
import { Capsule, FunctionValue, Secret } from "@finch/alloy-syntax";
import type { ObjectValue, Value } from "@finch/alloy-syntax";
import { Labels } from "@finch/model";
import { CAPSULE_NAMES, RULES_CAPSULE } from "./decode-value.ts";

/** Plain data becomes data, labels can be read as objects, everything live becomes a capsule. */
export function toLanguageValue(exported: unknown, name: string): Value {
  if (exported === null || exported === undefined) return null;
  if (typeof exported === "string" || typeof exported === "boolean" || typeof exported === "bigint")
    return exported;
  if (typeof exported === "number")
    return Number.isSafeInteger(exported) ? BigInt(exported) : exported;
  if (
    exported instanceof Secret ||
    exported instanceof Capsule ||
    exported instanceof FunctionValue ||
    exported instanceof Map
  )
    return exported as Value;
  if (exported instanceof Labels)
    return new Capsule("Target", exported, () => new Map<string, Value>(exported));
  if (name === "rules" && Array.isArray(exported)) return new Capsule(RULES_CAPSULE, exported);
  if (Array.isArray(exported)) return exported.map((element) => toLanguageValue(element, ""));
  const { kind } = exported as { readonly kind?: unknown };
  if (isCapsuleKind(kind)) return new Capsule(CAPSULE_NAMES[kind], exported);
  if (!isPlain(exported)) return new Capsule((exported as object).constructor.name, exported);
  return toLanguageObject(exported);
}

export function toLanguageObject(exports: object): ObjectValue {
  return new Map(Object.entries(exports).map(([key, value]) => [key, toLanguageValue(value, key)]));
}

function isCapsuleKind(kind: unknown): kind is keyof typeof CAPSULE_NAMES {
  return typeof kind === "string" && Object.hasOwn(CAPSULE_NAMES, kind);
}

function isPlain(value: unknown): value is object {
  const prototype: unknown =
    typeof value === "object" && value !== null ? Object.getPrototypeOf(value) : undefined;
  return prototype === Object.prototype || prototype === null;
}

/** Deep equality of decoded data; live objects are equal only to themselves. */
export function sameData(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (a instanceof Labels && b instanceof Labels) return a.key === b.key;
  if (isSecret(a) && isSecret(b)) return a.reveal() === b.reveal();
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((element, index) => sameData(element, b[index]));
  if (a instanceof Map && b instanceof Map)
    return (
      a.size === b.size && [...a].every(([key, value]) => b.has(key) && sameData(value, b.get(key)))
    );
  if (a instanceof Capsule && b instanceof Capsule) return sameData(a.content, b.content);
  if (!isPlain(a) || !isPlain(b)) return false;
  const keys = Object.keys(a);
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameData(left[key], right[key]))
  );
}

function isSecret(value: unknown): value is { reveal(): string } {
  return value instanceof Secret;
}
