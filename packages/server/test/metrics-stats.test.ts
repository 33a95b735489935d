/** `stats` of queries, over real HTTP. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encode, openApi, WRITE_HEADERS } from "./metrics-harness.ts";
import { NOW_MS } from "./serve.ts";

interface Answer {
  readonly data: {
    readonly result: readonly unknown[];
    readonly stats?: {
      readonly timings: Readonly<Record<string, number>>;
      readonly samples: Readonly<Record<string, unknown>>;
    };
  };
}

test("stats tell times and samples when asked for, of each step with `all`", async () => {
  await using api = await openApi();
  const up = { __name__: "up" };
  await api.post(
    "/api/v1/write",
    encode([
      [up, 30, 1],
      [up, 15, 1],
      [up, 0, 1],
    ]),
    WRITE_HEADERS,
  );
  const now = NOW_MS / 1000;
  const range = { start: String(now - 15), end: String(now), step: "15" };
  const ask = async (parameters: Record<string, string>) => {
    const path = "start" in parameters ? "/api/v1/query_range" : "/api/v1/query";
    const { text } = await api.get(path, parameters);
    return (JSON.parse(text) as Answer).data;
  };
  assert.equal((await ask({ query: "up" })).stats, undefined);
  assert.equal((await ask({ query: "up", stats: "" })).stats, undefined);
  const { result, stats } = await ask({ query: "count_over_time(up[1m])", stats: "1" });
  assert.equal(result.length, 1);
  assert.deepEqual(stats!.samples, { totalQueryableSamples: 3, samplesRead: 3, peakSamples: 4 });
  const names =
    "evalTotalTime resultSortTime queryPreparationTime innerEvalTime execQueueTime execTotalTime";
  assert.deepEqual(Object.keys(stats!.timings), names.split(" "));
  for (const seconds of Object.values(stats!.timings)) assert.ok(seconds >= 0 && seconds < 60);
  const each = await ask({ query: "count_over_time(up[1m])", stats: "all", ...range });
  assert.deepEqual(each.stats!.samples, {
    totalQueryableSamplesPerStep: [
      [now - 15, 2],
      [now, 3],
    ],
    totalQueryableSamples: 5,
    samplesReadPerStep: [
      [now - 15, 2],
      [now, 1],
    ],
    samplesRead: 3,
    peakSamples: 5,
  });
});
