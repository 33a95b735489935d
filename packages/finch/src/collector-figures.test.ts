import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { createMemorySource } from "@finch/promql";
import { systemClock } from "@finch/runtime";
import { createReadFigures } from "./collector-figures.ts";

const NOW_MS = 1_793_491_200_000;

/** A counter that grows by `perSecond`, or a gauge that stays when it is 0, over the last five minutes. */
function series(name: string, labels: Record<string, string>, perSecond: number, start = 0) {
  const timestampsMs = Float64Array.from({ length: 21 }, (_, at) => NOW_MS - (20 - at) * 15_000);
  const values = timestampsMs.map((_, at) => start + at * 15 * perSecond);
  return { labels: Labels.fromObject({ __name__: name, ...labels }), timestampsMs, values };
}

const source = createMemorySource([
  series("prometheus_remote_storage_samples_total", { rid: "rid:1", url: "a" }, 60),
  series("prometheus_remote_storage_samples_total", { rid: "rid:1", url: "b" }, 20),
  series("prometheus_remote_storage_samples_failed_total", { rid: "rid:1" }, 15),
  series("loki_write_sent_entries_total", { host: "web-1" }, 20),
  series("loki_write_dropped_entries_total", { host: "web-1", reason: "x" }, 5),
  series(
    "alloy_component_controller_running_components",
    { rid: "rid:1", health_type: "unhealthy" },
    0,
    2,
  ),
  series(
    "alloy_component_controller_running_components",
    { rid: "rid:1", health_type: "healthy" },
    0,
    9,
  ),
  series("prometheus_remote_storage_samples_total", { rid: "rid:idle" }, 0),
  series("prometheus_remote_storage_samples_total", { host: "stranger" }, 7),
  series("prometheus_remote_storage_samples_total", { job: "nobody" }, 7),
]);

test("figures are those of the agent by its resource id, or by its host", async () => {
  const read = createReadFigures(source, {
    clock: { ...systemClock, nowMs: () => NOW_MS },
    agentOfHost: (host) => (host === "web-1" ? "rid:1" : undefined),
  });
  const found = await read(new AbortController().signal);
  assert.deepEqual([...found.keys()].toSorted(), ["rid:1", "rid:idle"]);
  const { samplesPerSecond, linesPerSecond, errorShare, unhealthyComponents } = found.get("rid:1")!;
  const rounded = [samplesPerSecond, linesPerSecond, unhealthyComponents].map((value) =>
    Math.round(value! * 1e6),
  );
  assert.deepEqual(rounded, [80e6, 20e6, 2e6]);
  // 15 samples and 5 lines of 120 a second.
  assert.ok(Math.abs(errorShare! - 20 / 120) < 1e-9);
  assert.deepEqual(found.get("rid:idle"), {
    samplesPerSecond: 0,
    linesPerSecond: undefined,
    errorShare: 0,
    unhealthyComponents: undefined,
  });
});
