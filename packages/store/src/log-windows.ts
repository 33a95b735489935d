/**
 * Cuts the time of a selection that comes in order into windows that are planned one after the other: the newest lines of a month, or the oldest, are then found
 * without a look at the blocks of the rest of it, and what a plan holds in memory is that of a window.
 */
import type { LogSelect } from "./api.ts";
import { largerNs, smallerNs } from "./nanoseconds.ts";

const NS_PER_MS = 1_000_000n;

/** From when to when a block or a head has entries, both included; of fractions of a millisecond nothing is known. An empty head has no end that is a number. */
export interface TimeSpan {
  readonly minMs: number;
  readonly maxMs: number;
}

/** The part of a selection with `startNs <= time < endNs`. */
export interface TimeWindow {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/** Blocks and heads of the first window. Each next one has twice as many, so that what finds nothing looks at few blocks twice. */
const FIRST_WINDOW_SPANS = 2;

/** Windows in the order of the selection; together they are its range. A selection in any order has one. */
export function* windowsOf(
  spans: readonly TimeSpan[],
  { startNs, endNs, direction }: Pick<LogSelect, "startNs" | "endNs" | "direction">,
): Generator<TimeWindow> {
  const rest = { startNs, endNs };
  if (direction !== "any") {
    const isBackward = direction === "backward";
    const edges = spans
      .filter(({ maxMs }) => Number.isFinite(maxMs))
      .map((span) => (isBackward ? behind(span) : before(span)));
    edges.sort((a, b) => (a < b === isBackward ? 1 : -1));
    for (let taken = FIRST_WINDOW_SPANS; taken < edges.length; taken *= 2) {
      // No span that is not taken has an entry on the near side of it.
      const edge = largerNs(rest.startNs, smallerNs(rest.endNs, edges[taken]!));
      if (isBackward) {
        if (edge < rest.endNs) yield { startNs: edge, endNs: rest.endNs };
        rest.endNs = edge;
      } else {
        if (edge > rest.startNs) yield { startNs: rest.startNs, endNs: edge };
        rest.startNs = edge;
      }
    }
  }
  if (rest.startNs < rest.endNs) yield rest;
}

/** Whether a span may have entries of a window. */
export function touches(span: TimeSpan, { startNs, endNs }: TimeWindow): boolean {
  return Number.isFinite(span.maxMs) && before(span) < endNs && behind(span) > startNs;
}

/** Not behind any entry of a span. */
function before({ minMs }: TimeSpan): bigint {
  return BigInt(minMs - 1) * NS_PER_MS;
}

/** Behind all entries of a span. */
function behind({ maxMs }: TimeSpan): bigint {
  return BigInt(maxMs + 1) * NS_PER_MS;
}
