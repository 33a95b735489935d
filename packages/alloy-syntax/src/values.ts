/**
 * Values of the language. Whole numbers are bigints and others doubles, so that integer arithmetic is exact; objects keep the order of their
 * keys; secrets carry their text out of sight; capsules carry live objects such as receivers.
 */
import { formatGoFloat } from "@finch/model";

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Secret
  | readonly Value[]
  | ObjectValue
  | FunctionValue
  | Capsule;
export type ObjectValue = ReadonlyMap<string, Value>;
export type ValueKind =
  | "null"
  | "bool"
  | "number"
  | "string"
  | "secret"
  | "array"
  | "object"
  | "function"
  | "capsule";

/** A text that is never printed: `toString` and JSON give `(secret)`. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return "(secret)";
  }

  toJSON(): string {
    return "(secret)";
  }
}

/** A live object that passes through expressions untouched. */
export class Capsule {
  /** Name for messages, such as `MetricsReceiver`. */
  readonly type: string;
  readonly content: unknown;
  /** What `capsule["key"]` sees, for capsules that may be read as objects. */
  readonly fields: (() => ObjectValue) | undefined;

  constructor(type: string, content: unknown, fields?: () => ObjectValue) {
    this.type = type;
    this.content = content;
    this.fields = fields;
  }
}

/** A function of the standard library. Throws {@link ValueFault}. */
export class FunctionValue {
  readonly name: string;
  readonly call: (args: readonly Value[]) => Value;

  constructor(name: string, call: (args: readonly Value[]) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** A value that does not fit. `argument` is the 0-based index of the argument at fault, when it is one. */
export class ValueFault extends Error {
  readonly argument: number | undefined;
  readonly isUnsupported: boolean;

  constructor(
    message: string,
    options: { readonly argument?: number; readonly isUnsupported?: boolean } = {},
  ) {
    super(message);
    this.argument = options.argument;
    this.isUnsupported = options.isUnsupported ?? false;
  }
}

export function kindOf(value: Value): ValueKind {
  if (value === null) return "null";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" || typeof value === "bigint") return "number";
  if (typeof value === "string") return "string";
  if (value instanceof Secret) return "secret";
  if (value instanceof FunctionValue) return "function";
  if (value instanceof Capsule) return "capsule";
  return isArray(value) ? "array" : "object";
}

export function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isObject(value: Value): value is ObjectValue {
  return value instanceof Map;
}

/** As it is called in messages: `capsule("MetricsReceiver")`. */
export function describeKind(value: Value): string {
  if (value instanceof Capsule) return `capsule(${JSON.stringify(value.type)})`;
  return value instanceof Secret ? 'capsule("secret")' : kindOf(value);
}

/** Text of a value that may stand where a string is wanted: strings and numbers; null is the empty string. */
export function toText(value: Value): string {
  if (typeof value === "string") return value;
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return formatNumber(value);
  if (value === null) return "";
  if (value instanceof Secret) throw new ValueFault("secrets may not be converted into strings");
  throw new ValueFault(`expected string, got ${describeKind(value)}`);
}

/** Number of a value that may stand where a number is wanted: numbers and numeric strings; null is 0. */
export function toNumber(value: Value): number | bigint {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (value === null) return 0n;
  if (typeof value !== "string")
    throw new ValueFault(`expected number, got ${describeKind(value)}`);
  if (/^[+-]?[0-9]+$/.test(value)) return BigInt(value.replace("+", ""));
  if (/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(value)) return Number(value);
  throw new ValueFault(`expected number, got string ${JSON.stringify(value.slice(0, 60))}`);
}

export function toBool(value: Value): boolean {
  if (typeof value === "boolean") return value;
  if (value === null) return false;
  throw new ValueFault(`expected bool, got ${describeKind(value)}`);
}

/** Strings become secrets; null is an empty one. */
export function toSecret(value: Value): Secret {
  return value instanceof Secret ? value : new Secret(toText(value));
}

export function toArray(value: Value): readonly Value[] {
  if (value === null) return [];
  if (isArray(value)) return value;
  throw new ValueFault(`expected array, got ${describeKind(value)}`);
}

/** Objects, and capsules that may be read as objects. */
export function toObject(value: Value): ObjectValue {
  if (value === null) return new Map();
  if (isObject(value)) return value;
  if (value instanceof Capsule && value.fields !== undefined) return value.fields();
  throw new ValueFault(`expected object, got ${describeKind(value)}`);
}

/** Decimal text without an exponent, as numbers become strings. */
export function formatNumber(value: number | bigint): string {
  if (typeof value === "bigint") return String(value);
  return Number.isInteger(value) ? String(BigInt(value)) : formatGoFloat(value);
}

/** Deep equality; numbers compare by value whatever their kind, values of different kinds are unequal. */
export function equals(a: Value, b: Value): boolean {
  if (a === b) return true;
  const kind = kindOf(a);
  if (kind !== kindOf(b)) return false;
  if (kind === "number") return compareNumbers(a as number | bigint, b as number | bigint) === 0;
  if (a instanceof Secret && b instanceof Secret) return a.reveal() === b.reveal();
  if (a instanceof Capsule && b instanceof Capsule) return a.content === b.content;
  if (isArray(a!) && isArray(b!))
    return a.length === b.length && a.every((element, index) => equals(element, b[index]!));
  if (!isObject(a!) || !isObject(b!) || a.size !== b.size) return false;
  return [...a].every(([key, value]) => b.has(key) && equals(value, b.get(key)!));
}

/** Negative, zero or positive; NaN when either is. */
export function compareNumbers(a: number | bigint, b: number | bigint): number {
  return a < b
    ? -1
    : a > b
      ? 1
      : Number.isNaN(Number(a)) || Number.isNaN(Number(b))
        ? Number.NaN
        : 0;
}

/** Null, zero, false, and empty texts, arrays and objects: what `coalesce` passes over. */
export function isZero(value: Value): boolean {
  if (value === null || value === false || value === "") return true;
  if (typeof value === "number" || typeof value === "bigint") return Number(value) === 0;
  if (value instanceof Secret) return value.reveal() === "";
  if (isArray(value)) return value.length === 0;
  return isObject(value) && value.size === 0;
}

/** The value as it is written in a configuration; secrets as `(secret)`, capsules and functions by what they are. */
export function formatValue(value: Value): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number" || typeof value === "bigint") return formatNumber(value);
  if (value instanceof Secret) return "(secret)";
  if (value instanceof FunctionValue) return "function";
  if (value instanceof Capsule) return `capsule(${JSON.stringify(value.type)})`;
  if (isArray(value)) return `[${value.map(formatValue).join(", ")}]`;
  return `{${[...(value as ObjectValue)].map(([key, field]) => `${/^[\p{L}_][\p{L}\p{Nd}_]*$/u.test(key) ? key : JSON.stringify(key)} = ${formatValue(field)}`).join(", ")}}`;
}
