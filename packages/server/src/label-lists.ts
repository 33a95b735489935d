/** Reads names, values or series for several selectors of one request: under the gate and the time limit of queries, in turns with other work. */
import { setImmediate } from "node:timers/promises";
import { FinchError } from "@finch/runtime";
import { withTimeout } from "./query-gate.ts";
import type { QueryGate } from "./query-gate.ts";

/** Selectors (`match[]`) of one request. Each is a search of the label index; without a bound one request keeps the process busy for minutes. */
const SELECTORS_MAX = 1000;

export interface LabelReads {
  readonly gate: QueryGate;
  readonly timeoutMs: number;
  /** Of the request. */
  readonly signal: AbortSignal;
}

/** The selectors given, each once; refuses more than the limit. */
export function distinctSelectors(texts: readonly string[]): readonly string[] {
  const distinct = [...new Set(texts)];
  if (distinct.length <= SELECTORS_MAX) return distinct;
  throw new FinchError(
    "invalid",
    "server/too-many-selectors",
    `too many match[] selectors: ${distinct.length}, limit ${SELECTORS_MAX}; join them with =~ or ask several times`,
  );
}

/** What `read` answers for each scope, one after the other; the caller keeps what it needs of each. */
export async function* readLists<Scope, List>(
  { gate, timeoutMs, signal }: LabelReads,
  scopes: readonly Scope[],
  read: (scope: Scope) => Promise<List>,
): AsyncGenerator<List> {
  using limited = withTimeout(signal, timeoutMs, "query timed out");
  using _place = await gate.enter(limited.signal);
  for (const scope of scopes) {
    yield await read(scope);
    await setImmediate();
    limited.signal.throwIfAborted();
  }
}

/** Lists of texts as one, sorted, each text once. */
export async function uniteLists(
  lists: AsyncIterable<readonly string[]>,
): Promise<readonly string[]> {
  const all = new Set<string>();
  for await (const list of lists) for (const text of list) all.add(text);
  return [...all].toSorted();
}
