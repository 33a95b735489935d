/** The reference of the logs API lists every route there is for reading, and none that is not. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Route } from "@finch/runtime/http";
import { DEFAULT_RETENTION } from "@finch/store";
import type { LogStore } from "@finch/store";
import { createLogsApi, DEFAULT_LOGS_LIMITS } from "../src/index.ts";
import { BUILD, fixedClock } from "./serve.ts";

const PAGE = join(import.meta.dirname, "../../../docs/reference/logs-api.md");
/** What reads or deletes; other paths write. */
const READS = /^\/(?:loki\/api\/v1\/(?!push)|api\/prom\/(?!push)|config\/|prometheus\/|ready)/;

/** `GET, POST /loki/api/v1/query`. */
function describe(route: Route): string {
  const methods = route.kind === "http" ? route.methods : ["WebSocket"];
  return `${[...methods].toSorted().join(", ")} ${route.path}`;
}

test("each route stands on the page", () => {
  const api = createLogsApi({
    // Nothing is asked of it here.
    store: {} as LogStore,
    clock: fixedClock,
    limits: DEFAULT_LOGS_LIMITS,
    build: BUILD,
    retention: DEFAULT_RETENTION,
  });
  const routes = api.routes.filter(({ path }) => READS.test(path)).map(describe);
  const told = [
    ...readFileSync(PAGE, "utf8").matchAll(
      /^\| ((?:GET|POST|PUT|DELETE|WebSocket)(?:, (?:GET|POST|PUT|DELETE))* \/\S*)/gm,
    ),
  ].map((match) => match[1]!);
  assert.deepEqual(told.toSorted(), routes.toSorted());
});
