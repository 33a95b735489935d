/** Holds docs/reference/metric-writes.md against the routes there are. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@finch/runtime";
import type { MetricStore } from "@finch/store";
import { createMetricsApi, DEFAULT_METRICS_LIMITS } from "../src/index.ts";
import { fixedClock, surroundings } from "./serve.ts";

const PAGE = join(import.meta.dirname, "../../../docs/reference/metric-writes.md");
const WRITES = /write|push|otlp|influx|import|\/metrics\/job/;

test("each route that writes stands on the page", async () => {
  await using api = createMetricsApi({
    // Nothing is asked of it here.
    store: {} as MetricStore,
    clock: fixedClock,
    log: silentLogger,
    limits: DEFAULT_METRICS_LIMITS,
    ...surroundings(),
  });
  const routes = api.routes.flatMap((route) =>
    route.kind === "http" && WRITES.test(route.path) && !route.path.startsWith("/prometheus/")
      ? [`${[...route.methods].toSorted().join(", ")} ${route.path}`]
      : [],
  );
  const told = [
    ...readFileSync(PAGE, "utf8").matchAll(
      /^\| ((?:POST|PUT|DELETE)(?:, (?:POST|PUT|DELETE))* \/\S*)/gm,
    ),
  ].map((match) => match[1]!.replaceAll("\\", ""));
  assert.deepEqual(told.toSorted(), routes.toSorted());
});
