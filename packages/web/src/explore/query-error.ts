/** Errors of the query languages made readable: the place apart from the reason. Pure. */

/** Line and column count from 1; absent when the server named no place. */
export interface QueryFault {
  readonly reason: string;
  readonly line?: number;
  readonly column?: number;
}

const PREFIXES = [
  /^invalid parameter "query":\s*/i,
  /^(\d+:\d+:\s*)?parse error( at line \d+, col \d+)?\s*:?\s*/i,
  /^\d+:\d+:\s*/,
];

export function readFault(message: string): QueryFault {
  const place =
    /\bline (\d+),? col(?:umn)? (\d+)/i.exec(message) ??
    /(?:^|[\s("])(\d+):(\d+)(?=[\s).,"]|:(?!\d)|$)/.exec(message);
  let reason = message.trim();
  for (const prefix of PREFIXES) reason = reason.replace(prefix, "");
  reason = (reason === "" ? message.trim() : reason).replace(/\$end\b/g, "end of the query");
  const sentence = reason.charAt(0).toUpperCase() + reason.slice(1);
  const ended = /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
  if (place === null) return { reason: ended };
  return { reason: ended, line: Number(place[1]), column: Number(place[2]) };
}

/** The characters of the query that a fault points at: from its place to the end of the word there. */
export function faultSpan(query: string, fault: QueryFault): { from: number; to: number } {
  if (fault.line === undefined || fault.column === undefined) return { from: 0, to: query.length };
  const lines = query.split("\n");
  let offset = 0;
  for (let index = 0; index < Math.min(fault.line - 1, lines.length); index++)
    offset += lines[index]!.length + 1;
  const from = Math.max(0, Math.min(offset + fault.column - 1, query.length));
  const word = /^[\w:]+|^\s*\S/.exec(query.slice(from));
  const to = Math.min(query.length, from + Math.max(1, word?.[0].length ?? 1));
  // At the very end nothing is left to underline: the last character stands for it.
  return from === to ? { from: Math.max(0, from - 1), to } : { from, to };
}
