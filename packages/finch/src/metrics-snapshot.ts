/** Copies the metric store below the data directory, for the admin API. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "@finch/runtime";
import type { AdminActions } from "@finch/server";
import { snapshotStore } from "@finch/store";
import type { MetricStore } from "@finch/store";

export function createAdminActions(parts: {
  readonly store: MetricStore;
  readonly clock: Clock;
  /** The data directory. */
  readonly directory: string;
  readonly metricsDirectory: string;
}): AdminActions {
  const { store, clock, directory, metricsDirectory } = parts;
  return {
    snapshot: async ({ skipHead }) => {
      if (!skipHead) await store.flush();
      const name = nameOf(clock.nowMs());
      await snapshotStore(metricsDirectory, join(directory, "snapshots", name, "metrics"));
      return name;
    },
  };
}

/** Time and chance, as Prometheus names its snapshots: `20261120T000000Z-0123456789abcdef`. */
function nameOf(nowMs: number): string {
  const time = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  return `${time.replaceAll(/[-:]/g, "")}-${randomBytes(8).toString("hex")}`;
}
