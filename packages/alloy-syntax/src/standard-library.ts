/** The standard library: functions and constants by name, `string.join` inside `string` and so on, with the deprecated global names. */
import { ARRAY_FUNCTIONS } from "./library-array.ts";
import { ENCODING_FUNCTIONS } from "./library-encoding.ts";
import { STRING_FUNCTIONS } from "./library-string.ts";
import type { LibraryFunction } from "./library-arguments.ts";
import { FunctionValue, isZero, Secret, toSecret, ValueFault } from "./values.ts";
import type { ObjectValue, Value } from "./values.ts";

/** What the library knows of the world it runs in. */
export interface LibraryEnvironment {
  /** Text of an environment variable, undefined when it is not set. */
  env(name: string): string | undefined;
  readonly hostname: string;
  /** In Go's words: `linux`, `darwin`, `windows`. */
  readonly os: string;
  /** In Go's words: `amd64`, `arm64`. */
  readonly arch: string;
  readonly version: string;
}

/** Functions that need the stability level `experimental`. */
export const EXPERIMENTAL_FUNCTIONS: ReadonlySet<string> = new Set([
  "array.combine_maps",
  "array.group_by",
]);

/** Deprecated global names and what they stand for. */
export const DEPRECATED_FUNCTIONS: Readonly<Record<string, string>> = {
  env: "sys.env",
  nonsensitive: "convert.nonsensitive",
  concat: "array.concat",
  json_decode: "encoding.from_json",
  yaml_decode: "encoding.from_yaml",
  base64_decode: "encoding.from_base64",
  format: "string.format",
  join: "string.join",
  replace: "string.replace",
  split: "string.split",
  to_lower: "string.to_lower",
  to_upper: "string.to_upper",
  trim: "string.trim",
  trim_prefix: "string.trim_prefix",
  trim_suffix: "string.trim_suffix",
  trim_space: "string.trim_space",
};

/** The library as top-level names. */
export function createStandardLibrary(environment: LibraryEnvironment): ObjectValue {
  const functions: Readonly<Record<string, LibraryFunction>> = {
    ...STRING_FUNCTIONS,
    ...ARRAY_FUNCTIONS,
    ...ENCODING_FUNCTIONS,
    ...generalFunctions(environment),
  };
  const constants = new Map<string, Value>(
    Object.entries({
      hostname: environment.hostname,
      os: environment.os,
      arch: environment.arch,
      version: environment.version,
    }),
  );
  const library = new Map<string, Value>([["constants", constants]]);
  const add = (name: string, call: LibraryFunction) => {
    const value = new FunctionValue(name, call);
    const [group, member] = name.split(".") as [string, string | undefined];
    if (member === undefined) {
      library.set(name, value);
      return;
    }
    const members = (library.get(group) ?? new Map<string, Value>()) as Map<string, Value>;
    library.set(group, members.set(member, value));
  };
  for (const [name, call] of Object.entries(functions)) add(name, call);
  for (const [alias, name] of Object.entries(DEPRECATED_FUNCTIONS)) add(alias, functions[name]!);
  return library;
}

function generalFunctions(
  environment: LibraryEnvironment,
): Readonly<Record<string, LibraryFunction>> {
  return {
    "sys.env": (args) => {
      const [name] = args;
      if (args.length !== 1 || typeof name !== "string")
        throw new ValueFault("expected the name of one environment variable");
      return environment.env(name) ?? "";
    },
    coalesce: (args) => args.find((value) => !isZero(value)) ?? args.at(-1) ?? null,
    "convert.nonsensitive": (args) => {
      const [secret] = args;
      if (args.length !== 1 || !(secret instanceof Secret || typeof secret === "string"))
        throw new ValueFault("expected one secret");
      return toSecret(secret).reveal();
    },
  };
}
