/** Converters of text. Lengths and places count bytes of UTF-8, as in Go. */
import { formatPrintf, formatTime, type TemplateValue } from "@finch/go-text";
import { OttlRunFault } from "./fault.ts";
import {
  anyValue,
  boolean,
  defineFunction,
  integer,
  list,
  looseText,
  oneOf,
  optional,
  text,
  type OttlFunction,
} from "./signature.ts";
import {
  toText,
  OttlDuration,
  OttlId,
  OttlParts,
  OttlTime,
  typeOf,
  type OttlValue,
} from "./values.ts";

const CASES = ["lower", "upper", "snake", "camel"] as const;
const BASE64 = ["base64", "base64-raw", "base64-url", "base64-raw-url"] as const;

export const TEXT_FUNCTIONS: readonly OttlFunction[] = [
  defineFunction("Concat", { values: list, delimiter: text }, ({ values, delimiter }) =>
    values.map((value) => toText(value) ?? "<nil>").join(delimiter),
  ),
  defineFunction("ConvertCase", { target: text, to_case: oneOf(CASES) }, ({ target, to_case }) =>
    convertCase(target, to_case),
  ),
  defineFunction("ToLowerCase", { target: text }, ({ target }) => convertCase(target, "lower")),
  defineFunction("ToUpperCase", { target: text }, ({ target }) => convertCase(target, "upper")),
  defineFunction("ToSnakeCase", { target: text }, ({ target }) => convertCase(target, "snake")),
  defineFunction("ToCamelCase", { target: text }, ({ target }) => convertCase(target, "camel")),
  defineFunction("HasPrefix", { value: text, prefix: text }, ({ value, prefix }) =>
    value.startsWith(prefix),
  ),
  defineFunction("HasSuffix", { value: text, suffix: text }, ({ value, suffix }) =>
    value.endsWith(suffix),
  ),
  defineFunction("Split", { target: text, delimiter: text }, ({ target, delimiter }) =>
    delimiter === "" ? Array.from(target) : target.split(delimiter),
  ),
  defineFunction("String", { value: looseText }, ({ value }) => value),
  defineFunction(
    "Substring",
    { target: text, start: integer, length: integer, utf8_safe: optional(boolean) },
    ({ target, start, length, utf8_safe }) =>
      substring(target, { start, length, isSafe: utf8_safe ?? false }),
    { check: ({ start, length }) => findRangeFault(start, length) },
  ),
  defineFunction(
    "Trim",
    { target: text, replacement: optional(text) },
    ({ target, replacement = " " }) => trim(target, replacement),
  ),
  defineFunction("TrimPrefix", { value: text, prefix: text }, ({ value, prefix }) =>
    value.startsWith(prefix) ? value.slice(prefix.length) : value,
  ),
  defineFunction("TrimSuffix", { value: text, suffix: text }, ({ value, suffix }) =>
    suffix !== "" && value.endsWith(suffix) ? value.slice(0, -suffix.length) : value,
  ),
  defineFunction(
    "Format",
    { format_string: text, format_arguments: list },
    ({ format_string, format_arguments }) =>
      formatPrintf(format_string, format_arguments.map(toTemplateValue), (time) =>
        formatTime("2006-01-02 15:04:05.999999999 -0700 MST", time),
      ),
  ),
  defineFunction("Hex", { value: anyValue }, ({ value }) => toHex(value)),
  defineFunction(
    "Base64Encode",
    { value: text, variant: optional(oneOf(BASE64)) },
    ({ value, variant = "base64" }) => encodeBase64(value, variant),
  ),
  defineFunction("Base64Decode", { value: text }, ({ value }) => decodeBase64(value, "base64")),
  defineFunction("Decode", { value: anyValue, encoding: text }, ({ value, encoding }) =>
    decode(value, encoding),
  ),
];

function convertCase(value: string, to: (typeof CASES)[number]): string {
  switch (to) {
    case "lower":
      return value.toLowerCase();
    case "upper":
      return value.toUpperCase();
    case "snake":
      return toSnakeCase(value);
    case "camel":
      return toCamelCase(value);
  }
}

/** Words end where small letters, capitals and digits meet, and at blanks, `_`, `-` and `.`. */
function toSnakeCase(value: string): string {
  return value
    .trim()
    .replaceAll(
      /(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Za-z])|(?<=[A-Z])(?=[0-9])/g,
      "_",
    )
    .replaceAll(/[ .-]/g, "_")
    .toLowerCase();
}

/** Letters and digits only; each word begins with a capital, and a row of capitals is one word. */
function toCamelCase(value: string): string {
  return value
    .trim()
    .replaceAll(/(?<=[A-Z])[A-Z]+/g, (capitals) => capitals.toLowerCase())
    .replaceAll(/(?:^|[_ .-]|(?<=[0-9]))([a-zA-Z0-9])/g, (_, first: string) => first.toUpperCase())
    .replaceAll(/[^A-Za-z0-9]/g, "");
}

function findRangeFault(start: bigint | undefined, length: bigint | undefined): string | undefined {
  if (start !== undefined && start < 0n) return "start must not be negative";
  return length !== undefined && length <= 0n ? "length must be above zero" : undefined;
}

function substring(
  value: string,
  { start, length, isSafe }: { start: bigint; length: bigint; isSafe: boolean },
): string {
  const fault = findRangeFault(start, length);
  if (fault !== undefined) throw new OttlRunFault(`Substring: ${fault}`);
  const bytes = Buffer.from(value);
  if (start + length > BigInt(bytes.length))
    throw new OttlRunFault(`Substring: bytes ${start} to ${start + length} of ${bytes.length}`);
  let from = Number(start);
  let to = Number(start + length);
  if (isSafe) {
    while (isInsideCharacter(bytes, from)) from++;
    while (isInsideCharacter(bytes, to)) to--;
  }
  return bytes.toString("utf8", from, Math.max(from, to));
}

export function isInsideCharacter(bytes: Uint8Array, at: number): boolean {
  return at < bytes.length && (bytes[at]! & 0xc0) === 0x80;
}

function trim(value: string, cutset: string): string {
  const characters = Array.from(value);
  const cut = new Set(cutset);
  let start = 0;
  let end = characters.length;
  while (start < end && cut.has(characters[start]!)) start++;
  while (end > start && cut.has(characters[end - 1]!)) end--;
  return characters.slice(start, end).join("");
}

function toTemplateValue(value: OttlValue): TemplateValue {
  if (value instanceof OttlTime) return { ns: value.ns, zone: value.zone };
  if (value instanceof OttlDuration) return value.ns;
  if (value instanceof OttlId) return value.hex;
  if (value instanceof OttlParts) throw new OttlRunFault(`${value.name} cannot be formatted`);
  if (value instanceof Uint8Array) return [...value].map(BigInt);
  if (Array.isArray(value)) return value.map(toTemplateValue);
  if (value instanceof Map)
    return new Map([...value].map(([key, item]) => [key, toTemplateValue(item)]));
  return value;
}

function toHex(value: OttlValue): string | null {
  const bytes = Buffer.alloc(8);
  if (typeof value === "bigint") bytes.writeBigInt64BE(value);
  else if (typeof value === "number") bytes.writeDoubleBE(value);
  else if (typeof value === "boolean") return value ? "01" : "00";
  else if (typeof value === "string") return Buffer.from(value).toString("hex");
  else if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  else if (value instanceof OttlId) return value.hex;
  else return null;
  return bytes.toString("hex");
}

function encodeBase64(value: string, variant: (typeof BASE64)[number]): string {
  if (variant === "base64-raw-url") return Buffer.from(value).toString("base64url");
  const encoded = Buffer.from(value).toString("base64");
  if (variant === "base64") return encoded;
  if (variant === "base64-raw") return encoded.replaceAll("=", "");
  return encoded.replaceAll("+", "-").replaceAll("/", "_");
}

function decodeBase64(value: string, variant: (typeof BASE64)[number]): string {
  const isPadded = variant === "base64" || variant === "base64-url";
  const letters = variant.endsWith("url") ? /^[\w-]*={0,2}$/ : /^[A-Za-z0-9+/]*={0,2}$/;
  const isWhole = isPadded
    ? value.length % 4 === 0
    : !value.includes("=") && value.length % 4 !== 1;
  if (!letters.test(value) || !isWhole)
    throw new OttlRunFault(`${JSON.stringify(value.slice(0, 100))} is no ${variant}`);
  return Buffer.from(value, "base64").toString("utf8");
}

function decode(value: OttlValue, encoding: string): string {
  const variant = BASE64.find((known) => known === encoding);
  if (variant !== undefined && typeof value === "string") return decodeBase64(value, variant);
  const isText = typeof value === "string";
  if (!isText && !(value instanceof Uint8Array))
    throw new OttlRunFault(`Decode: expected a string or bytes, got ${typeOf(value)}`);
  const bytes = isText ? Buffer.from(value) : value;
  if (variant !== undefined) return decodeBase64(Buffer.from(bytes).toString("latin1"), variant);
  try {
    return new TextDecoder(encoding === "us-ascii" ? "ascii" : encoding).decode(bytes);
  } catch (error) {
    throw new OttlRunFault(`Decode: unknown encoding ${JSON.stringify(encoding)}`, {
      cause: error,
    });
  }
}
