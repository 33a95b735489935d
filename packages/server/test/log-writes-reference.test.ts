/** Holds docs/reference/log-writes.md against the routes there are. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DEFAULT_RETENTION } from "@finch/store";
import type { LogStore } from "@finch/store";
import { createLogsApi, DEFAULT_LOGS_LIMITS } from "../src/index.ts";
import { BUILD, fixedClock } from "./serve.ts";

const PAGE = join(import.meta.dirname, "../../../docs/reference/log-writes.md");
const WRITES = /push|otlp/;

test("each route that writes stands on the page", () => {
  const api = createLogsApi({
    // Nothing is asked of it here.
    store: {} as LogStore,
    clock: fixedClock,
    limits: DEFAULT_LOGS_LIMITS,
    build: BUILD,
    retention: DEFAULT_RETENTION,
  });
  const routes = api.routes.flatMap((route) =>
    route.kind === "http" && WRITES.test(route.path)
      ? [`${[...route.methods].toSorted().join(", ")} ${route.path}`]
      : [],
  );
  const told = [
    ...readFileSync(PAGE, "utf8").matchAll(
      /^\| ((?:POST|PUT|DELETE|GET)(?:, (?:POST|PUT|DELETE|GET))* \/\S*)/gm,
    ),
  ].map((match) => match[1]!.replaceAll("\\", ""));
  assert.deepEqual(told.toSorted(), routes.toSorted());
});
