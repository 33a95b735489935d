/** The reference of the metrics API lists every route there is, and none that is not. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@finch/runtime";
import type { Route } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";
import { createMetricsApi, DEFAULT_METRICS_LIMITS } from "../src/index.ts";
import { fixedClock, surroundings } from "./serve.ts";

const PAGE = join(import.meta.dirname, "../../../docs/reference/metrics-api.md");
/** What writes has a page of its own. */
const WRITES = /write|push|otlp|influx|import|pushgateway|\/metrics\/job/;

/** `GET, POST /api/v1/query`. */
function describe(route: Route): string {
  const methods = route.kind === "http" ? route.methods : ["WebSocket"];
  return `${[...methods].toSorted().join(", ")} ${route.path}`;
}

test("each route stands on the page", () => {
  const api = createMetricsApi({
    // Nothing is asked of it here.
    store: {} as MetricStore,
    clock: fixedClock,
    log: silentLogger,
    limits: DEFAULT_METRICS_LIMITS,
    ...surroundings(),
  });
  const routes = [...api.routes, ...api.mimirRoutes]
    .filter(({ path }) => !path.startsWith("/prometheus/") && !WRITES.test(path))
    .map(describe);
  const told = [
    ...readFileSync(PAGE, "utf8").matchAll(
      /^\| ((?:GET|POST|PUT|DELETE|WebSocket)(?:, (?:GET|POST|PUT|DELETE))* \/\S*)/gm,
    ),
  ].map((match) => match[1]!);
  assert.deepEqual(told.toSorted(), [...new Set(routes)].toSorted());
});
