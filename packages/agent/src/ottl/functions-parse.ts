/** Converters that take text apart. */
import type { AnyValue } from "@finch/wire";
import { OttlRunFault } from "./fault.ts";
import { parseCsvRow } from "./csv-row.ts";
import {
  anyValue,
  defineFunction,
  map,
  oneOf,
  optional,
  pattern,
  text,
  type OttlFunction,
} from "./signature.ts";
import { typeOf, type OttlMap, type OttlValue } from "./values.ts";

export const PARSE_FUNCTIONS: readonly OttlFunction[] = [
  defineFunction("ParseJSON", { target: text }, ({ target }) => parseJson(target)),
  defineFunction(
    "ParseKeyValue",
    { target: text, delimiter: optional(text), pair_delimiter: optional(text) },
    ({ target, delimiter, pair_delimiter }) =>
      parsePairs(target, delimiter || "=", pair_delimiter || " "),
    {
      check: ({ delimiter, pair_delimiter }) =>
        (delimiter || "=") === (pair_delimiter || " ")
          ? "delimiter and pair_delimiter are the same"
          : undefined,
    },
  ),
  defineFunction(
    "ParseCSV",
    {
      target: text,
      headers: text,
      delimiter: optional(text),
      header_delimiter: optional(text),
      mode: optional(oneOf(["strict", "lazyQuotes", "ignoreQuotes"])),
    },
    ({ target, headers, delimiter = ",", header_delimiter = delimiter, mode = "strict" }) =>
      parseCsv(target, headers.split(header_delimiter), { delimiter, mode }),
    {
      check: ({ delimiter = ",", header_delimiter = "," }) =>
        Array.from(delimiter).length === 1 && Array.from(header_delimiter).length === 1
          ? undefined
          : "a delimiter is one character",
    },
  ),
  defineFunction(
    "ExtractPatterns",
    { target: text, pattern },
    ({ target, pattern: found }) => {
      const groups = found.exec(target);
      const extracted: OttlMap = new Map();
      if (groups === undefined) return extracted;
      for (const [i, name] of found.groupNames.entries())
        if (name !== "") extracted.set(name, groups[i] ?? "");
      return extracted;
    },
    {
      check: ({ pattern: found }) =>
        found === undefined || found.groupNames.some((name) => name !== "")
          ? undefined
          : "the pattern needs a named group, as in (?P<name>…)",
    },
  ),
  defineFunction(
    "ParseSeverity",
    { target: anyValue, severity_mapping: map },
    ({ target, severity_mapping }) => parseSeverity(target, severity_mapping),
  ),
  defineFunction("URL", { url_string: text }, ({ url_string }) => parseUrl(url_string)),
];

/** Objects and lists, with all numbers as doubles. */
function parseJson(target: string): OttlValue {
  let parsed: unknown;
  try {
    parsed = JSON.parse(target);
  } catch (error) {
    throw new OttlRunFault(`ParseJSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof parsed !== "object" || parsed === null)
    throw new OttlRunFault("ParseJSON: the text is neither an object nor a list");
  return fromJson(parsed);
}

function fromJson(parsed: unknown): AnyValue {
  if (Array.isArray(parsed)) return parsed.map(fromJson);
  if (typeof parsed === "object" && parsed !== null)
    return new Map(Object.entries(parsed).map(([key, value]) => [key, fromJson(value)]));
  return parsed as string | number | boolean | null;
}

function parsePairs(target: string, delimiter: string, pairDelimiter: string): OttlMap {
  if (target === "") throw new OttlRunFault("ParseKeyValue: the text is empty");
  const parsed: OttlMap = new Map();
  for (const pair of splitQuoted(target, pairDelimiter)) {
    const at = pair.indexOf(delimiter);
    if (at < 0)
      throw new OttlRunFault(
        `ParseKeyValue: no ${JSON.stringify(delimiter)} in ${JSON.stringify(pair)}`,
      );
    parsed.set(pair.slice(0, at).trim(), pair.slice(at + delimiter.length).trim());
  }
  return parsed;
}

/** Parts between delimiters that stand outside of quotes, which are taken off. Empty parts do not count. */
function splitQuoted(target: string, delimiter: string): string[] {
  const parts: string[] = [];
  let part = "";
  let quote = "";
  for (let i = 0; i < target.length; i++) {
    const character = target[i]!;
    if (quote === "" && target.startsWith(delimiter, i)) {
      if (part !== "") parts.push(part);
      part = "";
      i += delimiter.length - 1;
    } else if (quote === "" && (character === '"' || character === "'")) quote = character;
    else if (character === quote) quote = "";
    else part += character;
  }
  if (quote !== "") throw new OttlRunFault("ParseKeyValue: a quote is not closed");
  if (part !== "") parts.push(part);
  return parts;
}

function parseCsv(
  target: string,
  headers: readonly string[],
  { delimiter, mode }: { delimiter: string; mode: "strict" | "lazyQuotes" | "ignoreQuotes" },
): OttlMap {
  const row = target.replaceAll(/^[\r\n]+|[\r\n]+$/g, "");
  const fields =
    mode === "ignoreQuotes"
      ? row.split(delimiter)
      : parseCsvRow(row, { delimiter, isLazy: mode === "lazyQuotes" });
  if (fields.length !== headers.length)
    throw new OttlRunFault(`ParseCSV: ${fields.length} fields for ${headers.length} headers`);
  return new Map(headers.map((header, i) => [header, fields[i]!]));
}

const STATUS_RANGES = /^([2-5])xx$/;

function parseSeverity(target: OttlValue, mapping: OttlMap): string {
  if (typeof target !== "string" && typeof target !== "bigint")
    throw new OttlRunFault(`ParseSeverity takes a string or an int, not ${typeOf(target)}`);
  for (const [level, criteria] of mapping) {
    if (!Array.isArray(criteria))
      throw new OttlRunFault(`ParseSeverity: ${level} has ${typeOf(criteria)}, not a list`);
    if (criteria.some((one) => meets(target, one))) return level;
  }
  throw new OttlRunFault(`ParseSeverity: no level for ${JSON.stringify(String(target))}`);
}

/** `{"equals": ["inf"]}`, `{"range": {"min": 200, "max": 299}}`, `{"range": "2xx"}`; a string by itself is one that is equal. */
function meets(target: string | bigint, criterion: AnyValue): boolean {
  if (typeof criterion === "string") return criterion === target;
  if (!(criterion instanceof Map))
    throw new OttlRunFault(`ParseSeverity: ${typeOf(criterion)} is neither a string nor a map`);
  const equal = criterion.get("equals");
  if (Array.isArray(equal) && equal.includes(target)) return true;
  const range = criterion.get("range");
  if (range === undefined || typeof target !== "bigint") return false;
  const [min, max] = boundsOf(range);
  return min <= target && target <= max;
}

function boundsOf(range: AnyValue): [bigint, bigint] {
  if (typeof range === "string") {
    const hundreds = STATUS_RANGES.exec(range)?.[1];
    if (hundreds !== undefined) return [BigInt(hundreds) * 100n, BigInt(hundreds) * 100n + 99n];
  }
  const min = range instanceof Map ? range.get("min") : undefined;
  const max = range instanceof Map ? range.get("max") : undefined;
  if (typeof min === "bigint" && typeof max === "bigint") return [min, max];
  throw new OttlRunFault('ParseSeverity: a range is {"min": 200, "max": 299} or "2xx"');
}

/** RFC 3986, appendix B. */
const URL_PARTS =
  /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;

function parseUrl(original: string): OttlMap {
  const [, scheme = "", authority = "", path = "", query = "", fragment = ""] =
    URL_PARTS.exec(original)!;
  const at = authority.lastIndexOf("@");
  const userInfo = authority.slice(0, Math.max(at, 0));
  const [, host = "", port] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority.slice(at + 1)) ?? [];
  if (scheme === "" || (authority !== "" && host === ""))
    throw new OttlRunFault(`URL: ${JSON.stringify(original.slice(0, 200))} is no URL`);
  const made: OttlMap = new Map<string, AnyValue>([
    ["url.original", original],
    ["url.domain", host.replaceAll(/^\[|\]$/g, "")],
    ["url.scheme", scheme.toLowerCase()],
    ["url.path", decodePercent(path)],
  ]);
  const extension = /\.([^./]+)$/.exec(path)?.[1];
  if (extension !== undefined) made.set("url.extension", extension);
  if (port !== undefined && port !== "") made.set("url.port", BigInt(port));
  if (query !== "") made.set("url.query", query);
  if (fragment !== "") made.set("url.fragment", decodePercent(fragment));
  if (userInfo !== "") setUser(made, userInfo);
  return made;
}

function setUser(made: OttlMap, userInfo: string): void {
  const [name = "", ...password] = userInfo.split(":");
  made.set("url.user_info", userInfo);
  if (name !== "") made.set("url.username", decodePercent(name));
  if (password.length > 0) made.set("url.password", decodePercent(password.join(":")));
}

function decodePercent(written: string): string {
  try {
    return decodeURIComponent(written);
  } catch (error) {
    throw new OttlRunFault(`URL: wrong escape in ${JSON.stringify(written)}`, { cause: error });
  }
}
