/** What the control plane says about itself, beside its refusals. */
import { singleMetric } from "@finch/runtime";
import type { MetricFamily } from "@finch/runtime";
import type { Backups } from "./backups.ts";
import type { ControlDatabase } from "./database.ts";

export function controlFamilies(
  database: ControlDatabase,
  backups: Backups,
): readonly MetricFamily[] {
  const agents = database.prepare("SELECT count(*) AS count FROM agents").get()?.["count"];
  return [
    singleMetric("finch_control_agents", "gauge", "Agents that are registered.", Number(agents)),
    singleMetric(
      "finch_control_backup_timestamp_seconds",
      "gauge",
      "When finch.db was copied last; 0 when it never was.",
      (backups.newestMs() ?? 0) / 1000,
    ),
  ];
}
