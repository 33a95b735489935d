/** The faults PromQL can raise, in one place. Positions in messages are `line:column`, columns counted in UTF-8 bytes as Prometheus does. */
import { FinchError } from "@finch/runtime";

export const ERROR_CODES = {
  parse: "promql/parse-error",
  execution: "promql/execution",
  unsupported: "promql/unsupported",
  samples: "promql/too-many-samples",
  memory: "promql/too-much-memory",
  series: "promql/too-many-series",
  busy: "promql/memory-in-use",
  badRange: "promql/bad-range",
  timeout: "promql/timeout",
  canceled: "promql/canceled",
} as const;

/** A stretch of the query text, in UTF-16 code units: `start` inclusive, `end` exclusive. */
export interface Position {
  readonly start: number;
  readonly end: number;
}

/** A fault in the query text. `position` is where an editor should draw the squiggle. */
export class PromqlParseError extends FinchError {
  readonly position: Position;
  /** The message without its `line:column: parse error:` prefix. */
  readonly detail: string;

  constructor(query: string, position: Position, detail: string) {
    super(
      "invalid",
      ERROR_CODES.parse,
      `${formatPosition(query, position.start)}: parse error: ${detail}`,
    );
    this.position = position;
    this.detail = detail;
  }
}

/** The query is well-formed, but its evaluation found something that has no answer (HTTP 422). */
export function executionError(message: string): FinchError {
  return new FinchError("unprocessable", ERROR_CODES.execution, message);
}

/** Something of the language that is not built yet, with the place where the query uses it. */
export function unsupportedError(query: string, position: Position, name: string): FinchError {
  return new FinchError(
    "unsupported",
    ERROR_CODES.unsupported,
    `not supported yet: ${name} at ${formatPosition(query, position.start)}`,
  );
}

/** `line:column` of an offset, both from 1; the column counts UTF-8 bytes. An empty query has no places. */
export function formatPosition(query: string, offset: number): string {
  if (query === "") return "unknown position";
  const before = query.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  const line = before.split("\n").length;
  return `${line}:${utf8Length(before.slice(lineStart)) + 1}`;
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
