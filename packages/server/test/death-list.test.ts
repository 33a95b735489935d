/** Each query of the death list answers within its limits, while a dashboard and writes go on; nothing is left behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { DEFAULT_METRICS_LIMITS, DEFAULT_QUERY_LIMITS } from "../src/metrics/limits.ts";
import { askFor, DEATH_LIST, fillStore, FORM_HEADERS } from "./death-list.ts";
import { encode, WRITE_HEADERS } from "./metrics-harness.ts";
import { serveMetrics } from "./metrics-api.ts";
import { NOW_MS } from "./serve.ts";

const MIB = 1024 * 1024;
const PANELS = 10;

test("the death list", async () => {
  await using api = await serveMetrics({
    limits: {
      ...DEFAULT_METRICS_LIMITS,
      queryTimeoutMs: 60_000,
      query: {
        ...DEFAULT_QUERY_LIMITS,
        workerHeapBytesMax: 96 * MIB,
        engine: {
          ...DEFAULT_QUERY_LIMITS.engine,
          samplesMax: 3_000_000,
          memoryBytesMax: 48 * MIB,
          memoryTogetherBytesMax: 64 * MIB,
        },
      },
    },
  });
  await fillStore(api, 1500);
  for (const one of DEATH_LIST) {
    const [path, form] = askFor(one, "1s");
    const others = otherWork(api);
    const { status, text } = await api.post(path, form, FORM_HEADERS);
    const answer = JSON.parse(text) as { status: string; errorType?: string; error?: string };
    if (status === 200) assert.equal(answer.status, "success", one.name);
    else {
      assert.ok([400, 422, 503].includes(status), `${one.name}: ${status} ${text.slice(0, 300)}`);
      assert.equal(answer.status, "error", one.name);
      assert.ok(answer.error!.length > 0 && answer.error!.length < 2000, one.name);
    }
    await others;
  }
  // The last one may still be stopping.
  while (figure(api, "finch_metrics_queries_running") > 0) await setImmediate();
  assert.equal(figure(api, "finch_metrics_query_memory_bytes"), 0);
});

function figure({ api }: Awaited<ReturnType<typeof serveMetrics>>, name: string): number {
  return api.families().find((family) => family.name === name)!.samples[0]!.value;
}

/** A dashboard and a write, which succeed. */
async function otherWork(api: Awaited<ReturnType<typeof serveMetrics>>): Promise<void> {
  const panels = Array.from({ length: PANELS }, (_, panel) =>
    api.get("/api/v1/query_range", {
      query: `sum by(job)(rate(small{job="job-${panel % 10}"}[5m])) + ${panel}`,
      start: String(NOW_MS / 1000 - 3600),
      end: String(NOW_MS / 1000),
      step: "15",
    }),
  );
  const written = await api.post(
    "/api/v1/write",
    encode([[{ __name__: "written" }, 0, 1]]),
    WRITE_HEADERS,
  );
  assert.equal(written.status, 204);
  for (const { status, text } of await Promise.all(panels)) assert.equal(status, 200, text);
}
