/** The limits that options of PromQL queries become within the memory there is. */
import { availableParallelism } from "node:os";
import { DEFAULT_METRICS_LIMITS } from "@finch/server";
import type { MetricsLimits } from "@finch/server";
import type { MemoryBudget } from "./memory-budget.ts";
import { WORKERS_MAX } from "./query-options.ts";
import type { QueryConfig } from "./query-options.ts";

const MIB = 1024 * 1024;
/** A worker takes some 20 MB before it has done anything. */
const WORKERS_MEMORY_MIN = 384 * MIB;

/** Limits of the metrics API: what the configuration says, the rest from the memory there is. */
export function queryLimits(
  config: QueryConfig,
  budget: MemoryBudget,
): Pick<MetricsLimits, "pointsPerSeriesMax" | "queryTimeoutMs" | "lookbackMs" | "query"> {
  const { query } = DEFAULT_METRICS_LIMITS;
  const hasRoom = budget.totalBytes >= WORKERS_MEMORY_MIN;
  const processors = Math.min(WORKERS_MAX, Math.max(2, availableParallelism() - 1));
  const workersMax = config.workers ?? (hasRoom ? processors : 1);
  const together = config.memoryBytes ?? budget.queryBytesMax;
  return {
    pointsPerSeriesMax: config.pointsMax,
    queryTimeoutMs: config.timeoutMs,
    lookbackMs: config.lookbackMs,
    query: {
      ...query,
      workersMax,
      workerHeapBytesMax: Math.max(48 * MIB, Math.floor(budget.queryHeapBytesMax / workersMax)),
      waitingMax: config.queueMax,
      lengthMax: config.lengthMax,
      resultBytesMax: config.resultBytesMax,
      engine: {
        ...query.engine,
        samplesMax: config.samplesMax,
        seriesMax: config.seriesMax,
        timeoutMs: config.timeoutMs,
        memoryTogetherBytesMax: together,
        memoryBytesMax: config.memoryPerQueryBytes ?? Math.floor(together / 2),
      },
    },
  };
}
