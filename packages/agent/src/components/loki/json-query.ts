/**
 * JMESPath (the community's specification, as Alloy has it) on values of JSON. Names and places, as pipelines mostly use, are followed here; the rest
 * of the language is a library's, loaded when an expression needs it.
 */
import { createRequire } from "node:module";
import type * as JmesPath from "@jmespath-community/jmespath";
import { describeError, FinchError } from "@finch/runtime";

/** What an expression gives of a value; null where there is nothing. */
export type JsonQuery = (value: unknown) => unknown;

/** Names, quoted names, `.` between them, and `[n]`. */
const PATH =
  /^(?:[A-Za-z_]\w*|"(?:[^"\\]|\\.)*")(?:\.(?:[A-Za-z_]\w*|"(?:[^"\\]|\\.)*")|\[-?\d+\])*$/;
const STEP = /\.?(?:([A-Za-z_]\w*)|("(?:[^"\\]|\\.)*")|\[(-?\d+)\])/g;

/** Throws a FinchError `agent/bad-jmespath` that says what is wrong with the expression. */
export function compileJsonQuery(expression: string): JsonQuery {
  const text = expression.trim();
  if (PATH.test(text)) {
    const path = [...text.matchAll(STEP)].map(
      ([, name, quoted, place]) =>
        name ?? (quoted === undefined ? Number(place) : (JSON.parse(quoted) as string)),
    );
    return (value) => follow(value, path);
  }
  const { compile, TreeInterpreter } = createRequire(import.meta.url)(
    "@jmespath-community/jmespath",
  ) as typeof JmesPath;
  try {
    const compiled = compile(text);
    return (value) =>
      searchOrNull(() => TreeInterpreter.search(compiled, value as JmesPath.JSONValue));
  } catch (cause) {
    throw new FinchError(
      "invalid",
      "agent/bad-jmespath",
      `${JSON.stringify(expression)} is not a JMESPath expression: ${describeError(cause)}`,
    );
  }
}

/** A function that is given what it does not take fails for this value alone. */
function searchOrNull(search: () => unknown): unknown {
  try {
    return search() ?? null;
  } catch {
    return null;
  }
}

function follow(value: unknown, path: readonly (string | number)[]): unknown {
  let at = value;
  for (const step of path) {
    if (typeof step === "number") at = Array.isArray(at) ? at.at(step) : undefined;
    else
      at =
        typeof at === "object" && at !== null && !Array.isArray(at) && Object.hasOwn(at, step)
          ? (at as Record<string, unknown>)[step]
          : undefined;
    if (at === undefined || at === null) return null;
  }
  return at;
}
