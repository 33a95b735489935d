/** Figures of this process for `/metrics`: CPU, memory, file descriptors, event loop. */
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { readdir, readFile } from "node:fs/promises";
import { singleMetric } from "@finch/runtime";
import type { MetricFamily } from "@finch/runtime";

/** Resolution of the event-loop measurement: coarse, for it wakes the process each time. */
const LOOP_RESOLUTION_MS = 100;

/** Starts measuring the event loop; dispose to stop. */
export function startProcessMetrics(): {
  families(): Promise<readonly MetricFamily[]>;
} & Disposable {
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  return {
    families: async () => {
      const cpu = process.cpuUsage();
      const memory = process.memoryUsage();
      const lag = (q: number) =>
        delay.count === 0
          ? 0
          : Math.max(0, delay.percentile(q * 100) / 1e9 - LOOP_RESOLUTION_MS / 1000);
      const lags = (
        [
          ["p50", "half the turns", 0.5],
          ["p99", "99 % of the turns", 0.99],
          ["max", "every turn", 1],
        ] as const
      ).map(([name, share, q]) =>
        singleMetric(
          `finch_event_loop_lag_${name}_seconds`,
          "gauge",
          `The event loop was at most this late in ${share} since the last scrape.`,
          lag(q),
        ),
      );
      delay.reset();
      const cpuSeconds = (cpu.user + cpu.system) / 1e6;
      return [
        singleMetric(
          "process_cpu_seconds_total",
          "counter",
          "User and system CPU time.",
          cpuSeconds,
        ),
        singleMetric("process_resident_memory_bytes", "gauge", "Resident memory.", memory.rss),
        singleMetric(
          "process_start_time_seconds",
          "gauge",
          "Start, in Unix seconds.",
          performance.timeOrigin / 1000,
        ),
        ...(await fileDescriptors()),
        singleMetric("finch_heap_used_bytes", "gauge", "JavaScript heap in use.", memory.heapUsed),
        singleMetric(
          "finch_heap_total_bytes",
          "gauge",
          "JavaScript heap reserved.",
          memory.heapTotal,
        ),
        singleMetric(
          "finch_external_memory_bytes",
          "gauge",
          "Memory of buffers outside the heap.",
          memory.external,
        ),
        ...lags,
      ];
    },
    [Symbol.dispose]: () => {
      delay.disable();
    },
  };
}

/** Only where /proc tells. */
async function fileDescriptors(): Promise<readonly MetricFamily[]> {
  try {
    const [open, limits] = await Promise.all([
      readdir("/proc/self/fd"),
      readFile("/proc/self/limits", "utf8"),
    ]);
    const max = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? "NaN");
    return [
      singleMetric("process_open_fds", "gauge", "Open file descriptors.", open.length),
      singleMetric("process_max_fds", "gauge", "Largest number of open file descriptors.", max),
    ];
  } catch {
    return [];
  }
}
