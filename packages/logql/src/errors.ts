/** The faults LogQL raises. Codes are stable; messages follow Loki's wording, because people and dashboards search for them. */
import { FinchError } from "@finch/runtime";

/** A place in a query: 1-based line and column (in UTF-16 units), or 0:0 for a fault of the query as a whole. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export const NOWHERE: Position = { line: 0, column: 0 };

/** `logql/parse`: the query is not LogQL, or is refused by a rule that needs no data. */
export function parseFault(message: string, at: Position = NOWHERE): FinchError {
  const place = at.line === 0 ? "" : `at line ${at.line}, col ${at.column}`;
  return new FinchError("invalid", "logql/parse", `parse error ${place}: ${message}`, {
    fields: { line: at.line, column: at.column },
  });
}

/** `logql/unsupported`: valid LogQL that cannot be evaluated yet. */
export function unsupportedFault(name: string, at: Position): FinchError {
  return new FinchError(
    "unsupported",
    "logql/unsupported",
    `not supported yet: ${name} at ${at.line}:${at.column}`,
  );
}

/** `logql/execution`: the data does not allow what the query asks (many-to-many matches and the like). */
export function executionFault(message: string): FinchError {
  return new FinchError("invalid", "logql/execution", message);
}

/** `logql/pipeline`: a line failed in the pipeline of a metric query, which makes every number doubtful. */
export function pipelineFault(error: string, series: string): FinchError {
  return new FinchError(
    "invalid",
    "logql/pipeline",
    `pipeline error: '${error}' for series: '${series}'.\n` +
      `Use a label filter to intentionally skip this error. (e.g | __error__!="${error}").\n` +
      `To skip all potential errors you can match empty errors.(e.g __error__="")\n` +
      `The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__="" )\n`,
  );
}

export function isPipelineFault(error: unknown): boolean {
  return error instanceof FinchError && error.code === "logql/pipeline";
}

/** `logql/limit`: the query asks for more than a limit allows; narrowing it helps, waiting does not. */
export function limitFault(message: string): FinchError {
  return new FinchError("invalid", "logql/limit", message);
}
