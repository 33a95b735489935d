/** Checks and converts the arguments of library functions. */
import { toArray, toText, ValueFault } from "./values.ts";
import type { Value } from "./values.ts";

export type LibraryFunction = (args: readonly Value[]) => Value;

/** Refuses a call with the wrong number of arguments. */
export function expectCount(args: readonly Value[], min: number, max = min): void {
  if (args.length >= min && args.length <= max) return;
  const wanted = max === Infinity ? `at least ${min}` : String(max);
  throw new ValueFault(
    `expected ${wanted} argument${wanted === "1" ? "" : "s"}, got ${args.length}`,
  );
}

/** Argument `index` converted by `convert`; a misfit names the argument. */
export function argument<Result>(
  args: readonly Value[],
  index: number,
  convert: (value: Value) => Result,
): Result {
  try {
    return convert(args[index]!);
  } catch (error) {
    if (!(error instanceof ValueFault)) throw error;
    throw new ValueFault(`argument ${index + 1}: ${error.message}`, { argument: index });
  }
}

export function textArgument(args: readonly Value[], index: number): string {
  return argument(args, index, toText);
}

export function textsArgument(args: readonly Value[], index: number): readonly string[] {
  return argument(args, index, (value) => toArray(value).map(toText));
}
