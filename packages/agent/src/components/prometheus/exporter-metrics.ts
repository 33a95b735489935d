/** What an exporter says of its build, and of its own process with `include_exporter_metrics`. There is no Go runtime here, so there are no `go_*` families. */
import { readdirSync, readFileSync } from "node:fs";
import type { Clock } from "@finch/runtime";
import { goPlatform } from "../../runtime/environment.ts";
import { counter, gauge, type Family } from "../../unix/family.ts";

/** By which dashboards find those who have an exporter's metrics; what is of a build of it is not among the labels. */
export function exporterBuild(exporter: string): Family {
  const { os, arch } = goPlatform();
  return gauge(
    `${exporter}_build_info`,
    "A metric with a constant '1' value labeled by the operating system and architecture for the build.",
  ).add(1, "goarch", arch, "goos", os);
}

export function exporterMetrics(clock: Clock, scrapes: number): readonly Family[] {
  const { user, system } = process.cpuUsage();
  const requests = counter(
    "promhttp_metric_handler_requests_total",
    "Total number of scrapes by HTTP status code.",
  );
  return [
    counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.").add(
      (user + system) / 1e6,
    ),
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.").add(
      process.memoryUsage.rss(),
    ),
    gauge(
      "process_start_time_seconds",
      "Start time of the process since unix epoch in seconds.",
    ).add(Math.round(clock.nowMs() / 10 - process.uptime() * 100) / 100),
    gauge(
      "promhttp_metric_handler_requests_in_flight",
      "Current number of scrapes being served.",
    ).add(1),
    requests.add(scrapes, "code", "200"),
    ...processFiles(),
  ];
}

/** Only Linux tells these; elsewhere they are left out. */
function processFiles(): readonly Family[] {
  try {
    const open = readdirSync("/proc/self/fd").length;
    const maximum = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    const virtual = /^VmSize:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    const families = [gauge("process_open_fds", "Number of open file descriptors.").add(open)];
    if (maximum !== undefined)
      families.push(
        gauge("process_max_fds", "Maximum number of open file descriptors.").add(Number(maximum)),
      );
    if (virtual !== undefined)
      families.push(
        gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.").add(
          Number(virtual) * 1024,
        ),
      );
    return families;
  } catch {
    return [];
  }
}
