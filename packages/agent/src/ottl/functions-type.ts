/** Converters between types, and questions about values. */
import { BlockList, isIP } from "node:net";
import { parseFloatText } from "@finch/model";
import { OttlRunFault } from "./fault.ts";
import {
  anyValue,
  defineFunction,
  integer,
  looseText,
  pattern,
  text,
  textList,
  type OttlFunction,
} from "./signature.ts";
import type { ContextName } from "./subject.ts";
import { OttlId, OttlParts, typeOf, type OttlValue } from "./values.ts";

const SPANS: readonly ContextName[] = ["span", "spanevent"];

export const TYPE_FUNCTIONS: readonly OttlFunction[] = [
  defineFunction("Int", { value: anyValue }, ({ value }) => toInt(value)),
  defineFunction("Double", { value: anyValue }, ({ value }) => toDouble(value)),
  defineFunction("Bool", { value: anyValue }, ({ value }) => toBool(value)),
  defineFunction("IsString", { value: anyValue }, ({ value }) => typeof value === "string"),
  defineFunction("IsInt", { value: anyValue }, ({ value }) => typeof value === "bigint"),
  defineFunction("IsDouble", { value: anyValue }, ({ value }) => typeof value === "number"),
  defineFunction("IsBool", { value: anyValue }, ({ value }) => typeof value === "boolean"),
  defineFunction("IsMap", { value: anyValue }, ({ value }) => value instanceof Map),
  defineFunction("IsList", { value: anyValue }, ({ value }) => Array.isArray(value)),
  defineFunction("IsEmpty", { value: anyValue }, ({ value }) => isEmpty(value)),
  defineFunction("IsMatch", { target: looseText, pattern }, ({ target, pattern: found }) =>
    target === null ? false : found.test(target),
  ),
  defineFunction("IsInCIDR", { target: text, networks: textList }, ({ target, networks }) =>
    isInNetworks(target, networks),
  ),
  defineFunction("IsValidLuhn", { value: anyValue }, ({ value }) => isValidLuhn(value)),
  defineFunction(
    "IsRootSpan",
    {},
    (_, subject) => subject.span!.parentSpanId.every((byte) => byte === 0),
    { contexts: SPANS },
  ),
  defineFunction("Len", { target: anyValue }, ({ target }) => BigInt(lengthOf(target))),
  defineFunction("Log", { value: anyValue }, ({ value }) => logarithm(value)),
  defineFunction("ParseInt", { target: text, base: integer }, ({ target, base }) =>
    parseInteger(target, base),
  ),
];

const INT_MIN = -(2n ** 63n);
const INT_MAX = 2n ** 63n - 1n;

function toInt(value: OttlValue): bigint | null {
  if (typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (typeof value === "number") {
    const isInside = value >= Number(INT_MIN) && value < Number(INT_MAX);
    return isInside ? BigInt(Math.trunc(value)) : INT_MIN;
  }
  if (typeof value !== "string" || !/^[+-]?\d+$/.test(value)) return null;
  const whole = BigInt(value.replace("+", ""));
  return whole >= INT_MIN && whole <= INT_MAX ? whole : null;
}

function toDouble(value: OttlValue): number | null {
  if (typeof value === "number") return value;
  if (typeof value === "bigint" || typeof value === "boolean") return Number(value);
  return typeof value === "string" ? (parseFloatText(value) ?? null) : null;
}

function toBool(value: OttlValue): boolean | null {
  if (typeof value === "boolean") return value;
  if (typeof value === "bigint") return value !== 0n;
  if (typeof value === "number") return value !== 0;
  if (typeof value !== "string") return null;
  if (/^(?:1|t|T|true|TRUE|True)$/.test(value)) return true;
  return /^(?:0|f|F|false|FALSE|False)$/.test(value) ? false : null;
}

function isEmpty(value: OttlValue): boolean {
  if (value === null || value === "" || value === false || value === 0 || value === 0n) return true;
  if (value instanceof Map) return value.size === 0;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  if (value instanceof OttlId) return /^0*$/.test(value.hex);
  return value instanceof OttlParts && value.parts.length === 0;
}

function lengthOf(value: OttlValue): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (value instanceof Map) return value.size;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length;
  if (value instanceof OttlParts) return value.parts.length;
  throw new OttlRunFault(`Len: ${typeOf(value)} has no length`);
}

function isInNetworks(target: string, networks: readonly string[]): boolean {
  const family = isIP(target);
  if (family === 0) throw new OttlRunFault(`${JSON.stringify(target)} is no IP address`);
  const inside = new BlockList();
  for (const network of networks) {
    const [address = "", bits = ""] = network.split("/");
    const networkFamily = isIP(address);
    if (
      networkFamily === 0 ||
      !/^\d+$/.test(bits) ||
      Number(bits) > (networkFamily === 4 ? 32 : 128)
    )
      throw new OttlRunFault(`${JSON.stringify(network)} is no network such as 10.0.0.0/8`);
    inside.addSubnet(address, Number(bits), networkFamily === 4 ? "ipv4" : "ipv6");
  }
  return inside.check(target, family === 4 ? "ipv4" : "ipv6");
}

function isValidLuhn(value: OttlValue): boolean {
  const digits = typeof value === "bigint" ? String(value) : value;
  if (typeof digits !== "string" || !/^\d+$/.test(digits))
    throw new OttlRunFault(`IsValidLuhn takes digits, not ${typeOf(value)}`);
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    const weighted = i % 2 === 0 ? digit : digit * 2;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}

function logarithm(value: OttlValue): number {
  const number = toDouble(value);
  if (number === null || !(number > 0))
    throw new OttlRunFault(`Log takes a number above zero, not ${number ?? typeOf(value)}`);
  return Math.log(number);
}

const PREFIXES: Readonly<Record<string, number>> = { "0b": 2, "0o": 8, "0x": 16 };

/** Go's `strconv.ParseInt`: base 0 goes by the prefix, and allows underscores between digits. */
function parseInteger(target: string, base: bigint): bigint {
  if (base < 0n || base === 1n || base > 36n)
    throw new OttlRunFault(`ParseInt: a base is 0 or from 2 to 36, not ${base}`);
  const sign = target.startsWith("-") ? -1n : 1n;
  let digits = target.replace(/^[+-]/, "").toLowerCase();
  let radix = Number(base);
  if (radix === 0) {
    const prefixed = PREFIXES[digits.slice(0, 2)];
    radix = prefixed ?? (/^0./.test(digits) ? 8 : 10);
    digits = prefixed === undefined ? digits : digits.slice(2).replace(/^_/, "");
    if (/[0-9a-z]_(?=[0-9a-z])/.test(digits))
      digits = digits.replaceAll(/(?<=[0-9a-z])_(?=[0-9a-z])/g, "");
  }
  let value = digits === "" ? undefined : 0n;
  for (const digit of digits) {
    const worth = /[0-9a-z]/.test(digit) ? Number.parseInt(digit, 36) : 36;
    value =
      value === undefined || worth >= radix ? undefined : value * BigInt(radix) + BigInt(worth);
  }
  const signed = value === undefined ? undefined : sign * value;
  if (signed === undefined || signed < INT_MIN || signed > INT_MAX)
    throw new OttlRunFault(`ParseInt: ${JSON.stringify(target)} is no number of base ${base}`);
  return signed;
}
