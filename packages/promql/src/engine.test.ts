import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { FinchError, systemClock } from "@finch/runtime";
import { createEngine } from "./engine.ts";
import { createMemorySource } from "./memory-source.ts";

const series = [0, 1, 2].map((i) => ({
  labels: Labels.fromObject({ __name__: "requests_total", instance: `${i}` }),
  timestampsMs: Float64Array.from({ length: 100 }, (_, n) => n * 15_000),
  values: Float64Array.from({ length: 100 }, (_, n) => n * 15 * (i + 1)),
}));
const source = createMemorySource(series);
const engine = createEngine({ clock: systemClock });

void test("a range query answers a matrix sorted by labels", async () => {
  const result = await engine.rangeQuery({
    source,
    query: "rate(requests_total[1m])",
    startMs: 0,
    endMs: 600_000,
    stepMs: 60_000,
  });
  assert.deepEqual(
    result.series.map(({ labels, timestampsMs, values }) => [
      labels.toString(),
      timestampsMs[0],
      values.length,
      Math.round(values[3]! * 1e9) / 1e9,
    ]),
    [
      ['{instance="0"}', 60_000, 10, 1],
      ['{instance="1"}', 60_000, 10, 2],
      ['{instance="2"}', 60_000, 10, 3],
    ],
  );
  assert.deepEqual(result.warnings, []);
  assert.equal(result.statistics.series, 3);
});

void test("an aborted query is canceled", async () => {
  const signal = AbortSignal.abort(new Error("gone"));
  const query = { source, query: "sum(requests_total)", timeMs: 60_000, signal };
  await assert.rejects(engine.instantQuery(query), { kind: "canceled", code: "promql/canceled" });
});

void test("a query over too many samples is refused", async () => {
  const small = createEngine({ clock: systemClock, limits: { samplesMax: 10 } });
  await assert.rejects(
    small.instantQuery({ source, query: "rate(requests_total[5m])", timeMs: 600_000 }),
    {
      kind: "unprocessable",
      message: /too many samples/,
    },
  );
});

void test("experimental functions stand behind a switch", async () => {
  const query = { source, query: "1 + mad_over_time(requests_total[5m])", timeMs: 600_000 };
  await assert.rejects(engine.instantQuery(query), {
    message: '1:5: parse error: function "mad_over_time" is not enabled',
  });
  await createEngine({ clock: systemClock, experimentalFunctions: true }).instantQuery(query);
});

void test("an instant query of a range vector answers raw samples", async () => {
  const result = await engine.instantQuery({
    source,
    query: 'requests_total{instance="1"}[30s]',
    timeMs: 60_000,
  });
  assert.equal(result.type, "matrix");
  assert.deepEqual(
    result.type === "matrix" && [...result.series[0]!.timestampsMs],
    [45_000, 60_000],
  );
});

void test("a query lets others run between slices of work", async () => {
  let nowMs = 0;
  // Every look at the clock finds a slice used up.
  const clock = { ...systemClock, monotonicMs: () => (nowMs += 20) };
  let others = 0;
  let isDone = false;
  const other = () => {
    others++;
    if (!isDone) setImmediate(other);
  };
  setImmediate(other);
  await createEngine({ clock }).instantQuery({
    source,
    query: "sum(rate(requests_total[5m]) + rate(requests_total[1m]))",
    timeMs: 600_000,
  });
  isDone = true;
  assert.ok(others >= 6, `others ran ${others} times`);
});

void test("a query that takes too long is stopped", async () => {
  const never = {
    async *select({ signal }: { readonly signal: AbortSignal }) {
      await new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }),
      );
      yield [];
    },
  };
  const hurried = createEngine({ clock: systemClock, limits: { timeoutMs: 1 } });
  await assert.rejects(hurried.instantQuery({ source: never, query: "up", timeMs: 0 }), {
    kind: "timeout",
    code: "promql/timeout",
  });
});

void test("a range query needs an order of time and a step", async () => {
  const range = { source, query: "1", startMs: 10, endMs: 0, stepMs: 1 };
  await assert.rejects(engine.rangeQuery(range), { code: "promql/bad-range" });
  await assert.rejects(engine.rangeQuery({ ...range, endMs: 10, stepMs: 0 }), {
    code: "promql/bad-range",
  });
  await assert.rejects(engine.rangeQuery({ ...range, endMs: 1e12 }), {
    code: "promql/bad-range",
    message: /use a larger step/,
  });
});

void test("metric names go at once unless removal is delayed", async () => {
  const query = { source, query: "sum by (__name__) (rate(requests_total[5m]))", timeMs: 600_000 };
  const now = await engine.instantQuery(query);
  assert.deepEqual(now.type === "vector" && now.labels.map(String), ["{}"]);
  const both = {
    ...query,
    query: 'label_replace(rate(requests_total{instance="1"}[5m]), "was", "$1", "__name__", "(.*)")',
  };
  const late = await createEngine({ clock: systemClock, delayedNameRemoval: true }).instantQuery(
    both,
  );
  assert.deepEqual(late.type === "vector" && late.labels.map(String), [
    '{instance="1", was="requests_total"}',
  ]);
});

void test("trees as deep as the parser takes are evaluated", async () => {
  const query = Array.from({ length: 500 }, () => "requests_total").join(" or ");
  const result = await engine.instantQuery({ source, query, timeMs: 600_000 });
  assert.equal(result.type === "vector" && result.labels.length, 3);
  for (const [head, tail] of [
    ["-(", ")"],
    ["abs(", ")"],
    ["sum by (instance) (", ")"],
    ["1 + (", ")"],
  ] as const) {
    const nested = `${head.repeat(240)}requests_total${tail.repeat(240)}`;
    const deep = await engine.instantQuery({ source, query: nested, timeMs: 600_000 });
    assert.equal(deep.type === "vector" && deep.labels.length, 3, head);
  }
});

for (const [name, call, more] of [
  ["label_replace", "label_replace(", ', "instance", "$1$1", "instance", "(.*)")'],
  ["label_join", "label_join(", ', "instance", "x", "instance", "instance")'],
] as const) {
  void test(`${name} cannot double a value until memory is full`, async () => {
    const query = `${call.repeat(40)}requests_total${more.repeat(40)}`;
    await assert.rejects(engine.instantQuery({ source, query, timeMs: 600_000 }), {
      kind: "unprocessable",
      message: /65536 characters at most/,
    });
  });
}

void test("what an expression holds is given back when the one around it has its value", async () => {
  const samplesOf = async (query: string) => {
    const range = { startMs: 0, endMs: 600_000, stepMs: 60_000 };
    return (await engine.rangeQuery({ source, query, ...range })).statistics.samplesPeak;
  };
  const once = await samplesOf("abs(requests_total)");
  const chain = await samplesOf(`${"abs(".repeat(20)}requests_total${")".repeat(20)}`);
  const sums = await samplesOf(Array.from({ length: 20 }, () => "sum(requests_total)").join(" + "));
  assert.equal(chain, once);
  assert.ok(sums < 2 * once, `${sums} of ${once}`);
});

void test("a query is refused what is more than its memory", async () => {
  const limits = { memoryBytesMax: 100_000 };
  const small = createEngine({ clock: systemClock, limits });
  const range = { startMs: 0, endMs: 600_000, source };
  const query = "sum(vector(1)) or requests_total";
  assert.equal((await small.rangeQuery({ ...range, query, stepMs: 60_000 })).series.length, 4);
  await assert.rejects(small.rangeQuery({ ...range, query, stepMs: 100 }), {
    kind: "unprocessable",
    code: "promql/too-much-memory",
    message: /more than 0.1 MiB of memory/,
  });
});

void test("queries at once share memory, and give it back", async () => {
  const shared = createEngine({ clock: systemClock, limits: { memoryTogetherBytesMax: 10_000 } });
  const query = { source, query: "rate(requests_total[5m])", timeMs: 600_000 };
  const answers = await Promise.allSettled(
    Array.from({ length: 8 }, () => shared.instantQuery(query)),
  );
  const refused = answers.filter((answer) => answer.status === "rejected");
  assert.ok(refused.length > 0 && refused.length < 8, `${refused.length} of 8 refused`);
  for (const { reason } of refused) {
    assert.ok(reason instanceof FinchError);
    assert.deepEqual([reason.kind, reason.retryAfterSeconds], ["unavailable", 2]);
  }
  for (let i = 0; i < 20; i++) await shared.instantQuery(query);
  const again = await Promise.allSettled(
    Array.from({ length: 8 }, () => shared.instantQuery(query)),
  );
  assert.ok(again.some(({ status }) => status === "fulfilled"));
});

const irregular = createMemorySource([
  {
    labels: Labels.fromObject({ __name__: "m" }),
    timestampsMs: Float64Array.of(0, 10_000, 20_000, 30_000, 40_000, 50_000),
    values: Float64Array.of(1, 2, 3, 4, 5, 1),
  },
]);
/** Points of extended selectors, with the figures of Prometheus' engine tests where the samples are the same. */
const EXTENDED: readonly (readonly [string, number, readonly (readonly [number, number])[]])[] = [
  [
    "m[10s] smoothed",
    10,
    [
      [0, 1],
      [10, 2],
    ],
  ],
  [
    "m[10s] smoothed",
    15,
    [
      [5, 1.5],
      [10, 2],
      [15, 2.5],
    ],
  ],
  [
    "m[10s] smoothed",
    5,
    [
      [-5, 1],
      [0, 1],
      [5, 1.5],
    ],
  ],
  [
    "m[10s] smoothed",
    45,
    [
      [35, 4.5],
      [40, 5],
      [45, 3],
    ],
  ],
  [
    "m[10s] smoothed",
    55,
    [
      [45, 3],
      [50, 1],
      [55, 1],
    ],
  ],
  [
    "m[10s] smoothed",
    -5,
    [
      [-15, 1],
      [-5, 1],
    ],
  ],
  [
    "m[10s] anchored",
    15,
    [
      [5, 1],
      [10, 2],
      [15, 2],
    ],
  ],
  [
    "m[10s] anchored",
    5,
    [
      [-5, 1],
      [0, 1],
      [5, 1],
    ],
  ],
  [
    "m[10s] anchored",
    45,
    [
      [35, 4],
      [40, 5],
      [45, 5],
    ],
  ],
  [
    "m[10s] anchored offset 5s",
    15,
    [
      [0, 1],
      [10, 2],
    ],
  ],
  ["m[10s] anchored", 70, []],
];

for (const [query, seconds, points] of EXTENDED)
  void test(`${query} at ${seconds} s answers the edges of its range`, async () => {
    const on = createEngine({ clock: systemClock, experimentalFunctions: true });
    const result = await on.instantQuery({ source: irregular, query, timeMs: seconds * 1000 });
    assert.equal(result.type, "matrix");
    const found = result.series.flatMap(({ timestampsMs, values }) =>
      Array.from(values, (value, i) => [timestampsMs[i]! / 1000, value]),
    );
    assert.deepEqual(found, points);
  });
