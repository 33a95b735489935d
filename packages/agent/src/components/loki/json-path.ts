/**
 * The part of JMESPath that log pipelines use: names, quoted names, `.` between them and `[n]`. Anything else is refused by name, so that
 * no expression quietly means something different.
 */
import { FinchError } from "@finch/runtime";

export type JsonPath = readonly (string | number)[];

const STEP = /^(?:([A-Za-z_][A-Za-z0-9_]*)|"((?:[^"\\]|\\.)*)"|\[(-?\d+)\])/;

/** Parses an expression such as `a.b[0]."c d"`; throws a FinchError `agent/unsupported-jmespath` for the rest of the language. */
export function parseJsonPath(expression: string): JsonPath {
  const path: (string | number)[] = [];
  let rest = expression.trim();
  while (rest !== "" || path.length === 0) {
    const match = STEP.exec(rest);
    if (match === null || (match[3] === undefined && path.length > 0 && !expression.includes(".")))
      throw unsupported(expression);
    path.push(
      match[1] ??
        (match[3] === undefined ? (JSON.parse(`"${match[2]!}"`) as string) : Number(match[3])),
    );
    rest = rest.slice(match[0].length);
    if (rest.startsWith(".") && rest.length > 1) rest = rest.slice(1);
    else if (rest !== "" && !rest.startsWith("[")) throw unsupported(expression);
  }
  return path;
}

/** What stands at the path, or null where nothing does, as JMESPath has it. */
export function readJsonPath(value: unknown, path: JsonPath): unknown {
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

function unsupported(expression: string): FinchError {
  return new FinchError(
    "unsupported",
    "agent/unsupported-jmespath",
    `not supported yet: JMESPath expression ${JSON.stringify(expression)}; names joined by dots and [n] are`,
  );
}
