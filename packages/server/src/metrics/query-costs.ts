/** What queries cost when they ran last, so that a dashboard's large query is known for one when it is asked again. */
import type { QueryJob } from "./query-protocol.ts";

/** Queries remembered; the one not asked for longest goes first. */
const QUERIES_MAX = 2000;
/** Longer texts are not remembered. Without it a few megabyte queries would stay. */
const QUERY_LENGTH_MAX = 2048;

/** Where a query is evaluated: on the main thread, with the workers for quick ones, with those for large ones. */
export type QuerySize = "small" | "quick" | "large";

export interface QueryCost {
  readonly size: QuerySize;
  readonly evaluateMs: number;
}

export class QueryCosts {
  readonly #costs = new Map<string, QueryCost>();

  of(job: QueryJob): QueryCost | undefined {
    return this.#costs.get(keyOf(job));
  }

  note(job: QueryJob, cost: QueryCost): void {
    if (job.query.length > QUERY_LENGTH_MAX) return;
    const key = keyOf(job);
    this.#costs.delete(key);
    this.#costs.set(key, cost);
    if (this.#costs.size <= QUERIES_MAX) return;
    for (const oldest of this.#costs.keys()) {
      this.#costs.delete(oldest);
      break;
    }
  }
}

/** The same text over a range and at a resolution of the same order. */
function keyOf(job: QueryJob): string {
  const rangeMs = job.endMs - job.startMs;
  const range = Math.round(Math.log2(rangeMs + 1));
  const steps = Math.round(Math.log2(rangeMs / Math.max(1, job.stepMs) + 1));
  return `${range} ${steps} ${job.query}`;
}
