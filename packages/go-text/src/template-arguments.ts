/** What a template function is, and how the functions check their arguments: with the words of Go's template engine. */
import { compileRegexp } from "@finch/model";
import type { CompiledRegexp } from "@finch/model";
import { describeError } from "@finch/runtime";
import { COMPILED_MAX } from "./limits.ts";
import { isList, isMap, isTime, TemplateRunFault } from "./template-value.ts";
import type { TemplateValue } from "./template-value.ts";

/** What every function may ask for. Callers whose own functions need more extend it. */
export interface TemplateScope {
  readonly nowNs: () => bigint;
}

/** Throws a {@link TemplateRunFault} when the arguments make no sense. */
export type TemplateFunction<Scope extends TemplateScope = TemplateScope> = (
  args: readonly TemplateValue[],
  scope: Scope,
) => TemplateValue;

export type FunctionTable<Scope extends TemplateScope = TemplateScope> = Readonly<
  Record<string, TemplateFunction<Scope>>
>;

/** A function of texts. */
export function texts(
  count: number,
  apply: (...args: readonly string[]) => TemplateValue,
): TemplateFunction {
  return (args) => {
    checkCount(args, count);
    return apply(...args.map(asText));
  };
}

/** A function that takes so many arguments. */
export function counted<Scope extends TemplateScope>(
  count: number,
  apply: TemplateFunction<Scope>,
): TemplateFunction<Scope> {
  return (args, scope) => {
    checkCount(args, count);
    return apply(args, scope);
  };
}

export function checkCount(args: readonly TemplateValue[], min: number, max = min): void {
  if (args.length >= min && args.length <= max) return;
  const want = max === min ? String(min) : `at least ${min}`;
  throw new TemplateRunFault(`wrong number of args: want ${want} got ${args.length}`);
}

export function asText(value: TemplateValue | undefined): string {
  if (typeof value === "string") return value;
  throw new TemplateRunFault(`wrong type for value; expected string; got ${goType(value)}`);
}

export function asCount(value: TemplateValue | undefined): number {
  if (typeof value === "bigint") return Number(value);
  throw new TemplateRunFault(`wrong type for value; expected int; got ${goType(value)}`);
}

/** The name Go has for the type of a value. */
export function goType(value: TemplateValue | undefined): string {
  if (value === undefined || value === null) return "nil";
  if (typeof value === "number") return "float64";
  if (typeof value === "bigint") return "int64";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "string";
  if (isTime(value)) return "time.Time";
  return isList(value) ? "[]interface {}" : isMap(value) ? "map[string]interface {}" : "object";
}

const regexps = new Map<string, CompiledRegexp>();

/** A pattern, compiled once for all lines. */
export function regexpOf(pattern: string): CompiledRegexp {
  let regexp = regexps.get(pattern);
  if (regexp === undefined) {
    try {
      regexp = compileRegexp(pattern, { anchored: false });
    } catch (error) {
      throw new TemplateRunFault(describeError(error), { cause: error });
    }
    if (regexps.size >= COMPILED_MAX) regexps.clear();
    regexps.set(pattern, regexp);
  }
  return regexp;
}
