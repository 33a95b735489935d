/** What the status pages of the metrics API tell of this process: its settings, where and since when it runs. */
import { availableParallelism, hostname } from "node:os";
import { formatDuration } from "@finch/model";
import type { ServerStatus } from "@finch/server";
import type { FinchConfig } from "./config-options.ts";
import { flagOf } from "./config-options.ts";

export function describeServer(
  config: FinchConfig,
  about: Pick<ServerStatus, "startedMs" | "memoryLimitBytes" | "seriesMax" | "services">,
): ServerStatus {
  const { metricsMs, diskShare } = config.retention;
  const kept = formatDuration(metricsMs);
  return {
    ...about,
    configYaml: writeYaml(config.settings),
    flags: {
      "web.enable-admin-api": String(config.adminApi),
      ...Object.fromEntries(
        Object.entries(config.settings).map(([key, text]) => [flagOf(key).slice(2), text]),
      ),
      ...prometheusFlags(config, kept),
    },
    workingDirectory: process.cwd(),
    hostname: hostname(),
    cpus: availableParallelism(),
    retentionMs: metricsMs,
    retention: `${kept} or ${Math.round(diskShare * 100)}% of the disk`,
    activeResources: () => process.getActiveResourcesInfo().length,
  };
}

/** Flags of Prometheus that clients look for, where Finch has the same. */
function prometheusFlags(
  { query }: FinchConfig,
  retention: string,
): Readonly<Record<string, string>> {
  return {
    "query.lookback-delta": formatDuration(query.lookbackMs),
    "query.max-samples": String(query.samplesMax),
    "query.timeout": formatDuration(query.timeoutMs),
    "storage.tsdb.retention.time": retention,
    "web.enable-remote-write-receiver": "true",
  };
}

/** Settings by their keys with dots, as nested YAML. */
function writeYaml(settings: Readonly<Record<string, string>>): string {
  let text = "";
  let group = "";
  for (const [key, value] of Object.entries(settings)) {
    const [first = "", second] = key.split(".");
    if (second === undefined) text += `${first}: ${quote(value)}\n`;
    else {
      if (group !== first) text += `${first}:\n`;
      text += `  ${second}: ${quote(value)}\n`;
    }
    group = second === undefined ? "" : first;
  }
  return text;
}

function quote(value: string): string {
  return /^[A-Za-z0-9./][A-Za-z0-9./_-]*$/.test(value) ? value : JSON.stringify(value);
}
