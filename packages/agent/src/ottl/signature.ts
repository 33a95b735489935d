/**
 * How functions of OTTL are declared: parameters by name, in order, with the type each is converted to. What is written as a constant is converted,
 * and so checked, once, when the statement is read; the rest for every record.
 */
import { compileRegexp, type CompiledRegexp } from "@finch/model";
import { OttlRunFault } from "./fault.ts";
import { compileGlob, type Glob } from "./glob.ts";
import type { ContextName, Subject, Target } from "./subject.ts";
import { OttlDuration, OttlTime, toText, typeOf, type OttlMap, type OttlValue } from "./values.ts";

/** A converter handed over by its name. */
export type TextFunction = (text: string) => OttlValue;

/** `value`: anything; `target`: a path; `function`: the name of a converter. */
export interface Parameter<Type = unknown> {
  readonly takes: "value" | "target" | "function";
  readonly isOptional: boolean;
  /** Of `value`: checks and converts. Throws an OttlRunFault. */
  readonly convert: (value: OttlValue) => Type;
}

export type Parameters = Readonly<Record<string, Parameter>>;

export type ArgumentsOf<Declared extends Parameters> = {
  readonly [Name in keyof Declared]: Declared[Name] extends Parameter<infer Type> ? Type : never;
};

export interface OttlFunction {
  readonly name: string;
  readonly parameters: Parameters;
  /** Where it may be used; anywhere when undefined. */
  readonly contexts: readonly ContextName[] | undefined;
  readonly run: (args: never, subject: Subject) => OttlValue;
  /** What is wrong with arguments as far as they are constants. */
  readonly check: ((args: never) => string | undefined) | undefined;
}

interface Extra<Declared extends Parameters> {
  readonly contexts?: readonly ContextName[];
  readonly check?: (args: Partial<ArgumentsOf<Declared>>) => string | undefined;
}

/** Names of converters begin with a capital, those of editors with a small letter. An editor answers null. */
export function defineFunction<const Declared extends Parameters>(
  name: string,
  parameters: Declared,
  run: (args: ArgumentsOf<Declared>, subject: Subject) => OttlValue,
  { contexts, check }: Extra<Declared> = {},
): OttlFunction {
  return { name, parameters, run: run as OttlFunction["run"], contexts, check };
}

function valueParameter<Type>(convert: (value: OttlValue) => Type): Parameter<Type> {
  return { takes: "value", isOptional: false, convert };
}

function expecting<Type>(
  what: string,
  is: (value: OttlValue) => value is OttlValue & Type,
): Parameter<Type> {
  return valueParameter((value) => {
    if (is(value)) return value;
    throw new OttlRunFault(`expected ${what}, got ${typeOf(value)}`);
  });
}

/** The parameter, or undefined when the argument is not written. */
export function optional<Type>(parameter: Parameter<Type>): Parameter<Type | undefined> {
  return { ...parameter, isOptional: true };
}

export const anyValue = valueParameter((value) => value);
export const text = expecting<string>("a string", (value) => typeof value === "string");
export const integer = expecting<bigint>("an int", (value) => typeof value === "bigint");
export const boolean = expecting<boolean>("a bool", (value) => typeof value === "boolean");
export const time = expecting<OttlTime>("a time", (value) => value instanceof OttlTime);
export const duration = expecting<OttlDuration>(
  "a duration",
  (value) => value instanceof OttlDuration,
);
export const map = expecting<OttlMap>("a map", (value) => value instanceof Map);
export const list = expecting<OttlValue[]>("a list", (value) => Array.isArray(value));

/** Any value as text; null where there is none. */
export const looseText = valueParameter(toText);

export const double = valueParameter((value): number => {
  if (typeof value === "number" || typeof value === "bigint") return Number(value);
  throw new OttlRunFault(`expected a number, got ${typeOf(value)}`);
});

export const textList = valueParameter((value): readonly string[] => {
  if (!Array.isArray(value)) throw new OttlRunFault(`expected a list, got ${typeOf(value)}`);
  return value.map((item) => text.convert(item));
});

/** A string that must be one of `words`. */
export function oneOf<const Word extends string>(words: readonly Word[]): Parameter<Word> {
  return valueParameter((value) => {
    const word = words.find((known) => known === value);
    if (word !== undefined) return word;
    const got = typeof value === "string" ? JSON.stringify(value) : typeOf(value);
    throw new OttlRunFault(`expected ${words.map((known) => `"${known}"`).join(", ")}, got ${got}`);
  });
}

/** Patterns that come with the data are remembered: most often they are few. */
const PATTERNS_MAX = 100;

function remembered<Compiled>(
  compile: (pattern: string) => Compiled,
): (pattern: string) => Compiled {
  const known = new Map<string, Compiled>();
  return (pattern) => {
    const found = known.get(pattern);
    if (found !== undefined) return found;
    const compiled = compile(pattern);
    if (known.size >= PATTERNS_MAX) known.clear();
    known.set(pattern, compiled);
    return compiled;
  };
}

const regexpOf = remembered((pattern) => {
  try {
    return compileRegexp(pattern, { anchored: false });
  } catch (error) {
    throw new OttlRunFault(error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
});
const globOf = remembered(compileGlob);

/** An RE2 pattern, found anywhere in a text unless it says otherwise. */
export const pattern = valueParameter((value): CompiledRegexp => regexpOf(text.convert(value)));

/** A pattern of Go's `filepath.Match`: the whole text. */
export const glob = valueParameter((value): Glob => globOf(text.convert(value)));

function unconverted(): never {
  throw new OttlRunFault("this argument is not a value");
}

/** A path that is read and written. */
export const target: Parameter<Target> = {
  takes: "target",
  isOptional: false,
  convert: unconverted,
};

export const textFunction: Parameter<TextFunction> = {
  takes: "function",
  isOptional: false,
  convert: unconverted,
};

/** The map a path names, live. */
export function mapAt(at: Target, subject: Subject): OttlMap {
  return map.convert(at.get(subject));
}
