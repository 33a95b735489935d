/** Which option of the configuration set a limit that a query met: the last words of its fault. */
import { FinchError } from "@finch/runtime";

/** Options by the codes of faults. */
const OPTIONS: Readonly<Record<string, string>> = {
  "promql/too-many-samples": "query.samples_max",
  "promql/too-much-memory": "query.memory_per_query",
  "promql/memory-in-use": "query.memory",
  "promql/too-many-series": "query.series_max",
  "server/query-heap": "memory_limit",
  "server/query-timeout": "query.timeout",
  "server/result-too-large": "query.result_max",
  "server/too-many-queries": "query.queue_max",
};

/** The fault with the name of the option, where there is one. */
export function withRemedy(fault: unknown): unknown {
  if (!(fault instanceof FinchError)) return fault;
  const option = OPTIONS[fault.code];
  if (option === undefined) return fault;
  const { kind, code, message, retryAfterSeconds } = fault;
  return new FinchError(kind, code, `${message}; the limit is set by ${option}`, {
    cause: fault,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}
