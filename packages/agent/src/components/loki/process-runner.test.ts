import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { silentLogger, systemClock } from "@finch/runtime";
import { PipelineRunner } from "./process-runner.ts";
import { buildPipeline } from "./process.ts";

const NEVER = new AbortController().signal;

/** A runner of one stage with a clock that sleeps pass at once. */
function limited(stage: { readonly name: string; readonly values: object }) {
  let nowMs = 0;
  const told: string[] = [];
  const clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    sleep: async (ms: number, signal: AbortSignal) => {
      signal.throwIfAborted();
      nowMs += ms;
      await Promise.resolve();
    },
  };
  const nothing = { add: () => {}, set: () => {} };
  const pipeline = buildPipeline([stage], {
    clock,
    metrics: {
      counter: () => nothing,
      gauge: () => nothing,
      histogram: () => ({ observe: () => {} }),
    },
    dropped: () => told.push("dropped"),
  });
  const runner = new PipelineRunner(pipeline, {
    clock,
    log: silentLogger,
    forward: async (entries) => void told.push(`${entries.length} at ${Math.round(nowMs)} ms`),
  });
  const append = (count: number, signal = NEVER) =>
    runner.append(
      Array.from({ length: count }, (_, n) => ({
        labels: Labels.fromObject({ app: n % 2 === 0 ? "even" : "odd" }),
        timestampNs: BigInt(n),
        line: String(n),
        structuredMetadata: Labels.EMPTY,
      })),
      signal,
    );
  return { append, told, pass: (ms: number) => (nowMs += ms) };
}

const LIMIT = {
  rate: 100,
  burst: 10,
  drop: false,
  by_label_name: "",
  max_distinct_labels: 10_000,
};

test("a limit that drops nothing slows its sources to the rate, beyond a burst", async () => {
  const { append, told, pass } = limited({ name: "limit", values: LIMIT });
  await append(10);
  await append(138);
  pass(60_000);
  await append(12);
  assert.deepEqual(told, ["10 at 0 ms", "128 at 1280 ms", "10 at 1380 ms", "12 at 61400 ms"]);
});

test("a limit within a match slows what passes the match", async () => {
  const values = {
    selector: '{app="odd"}',
    action: "keep",
    drop_counter_reason: "match_stage",
    pipeline_name: "",
    stage: [{ name: "limit", values: LIMIT }],
  };
  const { append, told } = limited({ name: "match", values });
  await append(60);
  assert.deepEqual(told, ["60 at 200 ms"]);
});

test("a stop ends the wait, and the source keeps what was not handed on", async () => {
  const { append, told } = limited({ name: "limit", values: LIMIT });
  await assert.rejects(append(20, AbortSignal.abort(new Error("stopped"))), /stopped/);
  assert.deepEqual(told, []);
});

test("rates that let nothing through, and labels without dropping, are refused", () => {
  assert.throws(() => limited({ name: "limit", values: { ...LIMIT, rate: 0 } }), /rate must be/);
  assert.throws(
    () => limited({ name: "limit", values: { ...LIMIT, by_label_name: "app" } }),
    /by_label_name needs drop = true/,
  );
});
