/** YAML text to values, as Go's yaml.v3 reads it: the first document, merge keys, times as texts of RFC 3339. */
import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import { NESTING_MAX } from "./limits.ts";
import { ValueFault } from "./values.ts";
import type { Value } from "./values.ts";

/** Aliases that are resolved. Without it a few lines of aliases of aliases fill the memory. */
const ALIASES_MAX = 1000;

let loaded: typeof Yaml | undefined;

/** The parser is large and few configurations need it, so it is loaded when one does. */
function loadYaml(): typeof Yaml {
  loaded ??= createRequire(import.meta.url)("yaml") as typeof Yaml;
  return loaded;
}

const TIME =
  /^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:(?:[Tt]| +)([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$/;

/** As a time prints itself in Go. */
function formatTime(text: string): string {
  const parts = TIME.exec(text);
  if (parts === null) return text;
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone] = parts;
  const two = (part: string) => part.padStart(2, "0");
  const trimmed = fraction.replace(/\.?0+$/, "");
  const offset = zone === undefined || zone === "+00:00" ? "Z" : zone;
  return `${year}-${two(month!)}-${two(day!)}T${two(hour)}:${two(minute)}:${two(second)}${trimmed}${offset}`;
}

const TIME_TAG = {
  tag: "tag:yaml.org,2002:timestamp",
  default: true,
  test: TIME,
  resolve: formatTime,
} satisfies Yaml.ScalarTag;

/** Whole numbers become whole numbers, as literals do. */
export function fromYaml(text: string): Value {
  const { parseAllDocuments } = loadYaml();
  const documents = parseAllDocuments(text, {
    intAsBigInt: true,
    merge: true,
    logLevel: "silent",
    customTags: [TIME_TAG],
  });
  const document: Yaml.Document | undefined = documents[0];
  if (document === undefined) return null;
  const [error] = document.errors;
  if (error !== undefined)
    throw new ValueFault(`not valid YAML: ${error.message.split("\n")[0]!.replace(/:$/, "")}`, {
      argument: 0,
    });
  try {
    return toValue(document.toJS({ mapAsMap: true, maxAliasCount: ALIASES_MAX }), 0);
  } catch (cause) {
    if (cause instanceof ValueFault) throw cause;
    throw new ValueFault(`not valid YAML: ${(cause as Error).message}`, { argument: 0 });
  }
}

function toValue(parsed: unknown, depth: number): Value {
  if (depth > NESTING_MAX)
    throw new ValueFault(`YAML is nested deeper than ${NESTING_MAX}`, { argument: 0 });
  if (Array.isArray(parsed)) return parsed.map((element) => toValue(element, depth + 1));
  if (!(parsed instanceof Map)) return parsed as Value;
  const fields = new Map<string, Value>();
  for (const [key, value] of parsed as ReadonlyMap<unknown, unknown>) {
    if (typeof key !== "string")
      throw new ValueFault(`the key ${String(key)} is not a string; write it in quotes`, {
        argument: 0,
      });
    fields.set(key, toValue(value, depth + 1));
  }
  return fields;
}
