/** What the agent says of itself besides its components' metrics: build, configuration, process. Names as Alloy's, where it has them. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import type { LibraryEnvironment, Source } from "@finch/alloy-syntax";
import { counter, gauge, type Family } from "../unix/family.ts";

/** How loading the configuration went. */
export class ConfigLoads {
  #sha256 = "";
  #isLastSuccessful = false;
  #successMs = 0;
  #failures = 0;

  succeeded(sources: readonly Source[], nowMs: number): void {
    const hash = createHash("sha256");
    for (const source of sources) hash.update(source.text);
    this.#sha256 = hash.digest("hex");
    this.#isLastSuccessful = true;
    this.#successMs = nowMs;
  }

  failed(): void {
    this.#isLastSuccessful = false;
    this.#failures++;
  }

  families(): readonly Family[] {
    return [
      gauge("alloy_config_hash", "Hash of the currently active config file.").add(
        1,
        "sha256",
        this.#sha256,
      ),
      gauge("alloy_config_last_load_successful", "Config loaded successfully.").add(
        Number(this.#isLastSuccessful),
      ),
      gauge(
        "alloy_config_last_load_success_timestamp_seconds",
        "Timestamp of the last successful configuration load.",
      ).add(this.#successMs / 1000),
      counter("alloy_config_load_failures_total", "Configuration load failures.").add(
        this.#failures,
      ),
    ];
  }
}

export function buildFamily({ version, os, arch }: LibraryEnvironment): Family {
  return gauge(
    "alloy_build_info",
    "A metric with a constant '1' value labeled by version, and the operating system and architecture for the build.",
  ).add(1, "goarch", arch, "goos", os, "version", version);
}

/** The process, under the names that Prometheus' clients use and under those of Alloy's dashboards. */
export function processFamilies(nowMs: number): readonly Family[] {
  const { user, system } = process.cpuUsage();
  const memory = process.memoryUsage();
  const cpuSeconds = (user + system) / 1e6;
  const startSeconds = Math.round(nowMs / 10 - process.uptime() * 100) / 100;
  const families = [
    counter(
      "alloy_resources_process_cpu_seconds_total",
      "Total user and system CPU time spent in seconds.",
    ).add(cpuSeconds),
    gauge(
      "alloy_resources_process_resident_memory_bytes",
      "Current resident memory size in bytes.",
    ).add(memory.rss),
    gauge(
      "alloy_resources_process_start_time_seconds",
      "Start time of the process since Unix epoch in seconds.",
    ).add(startSeconds),
    counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.").add(
      cpuSeconds,
    ),
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.").add(memory.rss),
    gauge(
      "process_start_time_seconds",
      "Start time of the process since unix epoch in seconds.",
    ).add(startSeconds),
    gauge("nodejs_heap_size_total_bytes", "Process heap size from Node.js in bytes.").add(
      memory.heapTotal,
    ),
    gauge("nodejs_heap_size_used_bytes", "Process heap size used from Node.js in bytes.").add(
      memory.heapUsed,
    ),
    gauge("nodejs_external_memory_bytes", "Node.js external memory size in bytes.").add(
      memory.external,
    ),
    gauge("nodejs_version_info", "Node.js version info.").add(1, "version", process.version),
  ];
  return [...families, ...linuxFamilies()];
}

/** Only Linux tells these; elsewhere they are left out. */
function linuxFamilies(): readonly Family[] {
  try {
    const virtual = Number(
      /^VmSize:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? Number.NaN,
    );
    const files = readdirSync("/proc/self/fd").length;
    const filesMax = Number(
      /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? Number.NaN,
    );
    const { received, sent } = networkBytes(readFileSync("/proc/net/dev", "utf8"));
    return [
      gauge(
        "alloy_resources_process_virtual_memory_bytes",
        "Current virtual memory size in bytes.",
      ).add(virtual * 1024),
      counter(
        "alloy_resources_machine_rx_bytes_total",
        "Total bytes, host-wide, received across all network interfaces.",
      ).add(received),
      counter(
        "alloy_resources_machine_tx_bytes_total",
        "Total bytes, host-wide, sent across all given network interface.",
      ).add(sent),
      gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.").add(virtual * 1024),
      gauge("process_open_fds", "Number of open file descriptors.").add(files),
      gauge("process_max_fds", "Maximum number of open file descriptors.").add(filesMax),
    ];
  } catch {
    return [];
  }
}

/** Sums of `/proc/net/dev`: bytes received stand first behind an interface's name, bytes sent eighth after those. */
function networkBytes(text: string): { readonly received: number; readonly sent: number } {
  let received = 0;
  let sent = 0;
  for (const line of text.split("\n").slice(2)) {
    const fields = line
      .slice(line.indexOf(":") + 1)
      .trim()
      .split(/\s+/);
    if (fields.length < 9) continue;
    received += Number(fields[0]);
    sent += Number(fields[8]);
  }
  return { received, sent };
}
