/** `/loki/api/v1/patterns` over HTTP: its answer, and that a pattern filter finds what a pattern counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NOW_NS, ns, openApi, push, rangeData } from "./logs-api.ts";
import type { LogsApiUnderTest } from "./logs-api.ts";
import { NOW_MS } from "./serve.ts";

interface Answer {
  readonly status: string;
  readonly data: readonly {
    readonly pattern: string;
    readonly level: string;
    readonly samples: readonly (readonly [number, number])[];
  }[];
  readonly warnings?: readonly string[];
}

async function patterns(
  api: LogsApiUnderTest,
  parameters: Record<string, string>,
): Promise<Answer> {
  const answer = await api.get("/loki/api/v1/patterns", parameters);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text) as Answer;
}

test("patterns by level and step", async () => {
  await using api = await openApi("disk");
  const line = (agoSeconds: number, text: string, level: string) =>
    [ns(agoSeconds), text, { detected_level: level }] as [string, string, Record<string, string>];
  await push(
    api,
    [
      { job: "a" },
      [
        line(120, "served /a in 5ms", "info"),
        line(119, "served /b in 17ms", "info"),
        line(59, "served /b in 20ms", "info"),
        line(58, "cannot reach 10.0.0.1", "error"),
        line(57, "cannot reach 10.0.0.2", "error"),
      ],
    ],
    [{ job: "b" }, [line(50, "other", "info")]],
  );
  const at = NOW_MS / 1000;
  const ask = { query: '{job="a"}', step: "60", start: ns(120), end: ns(0) };
  const expected = {
    status: "success",
    data: [
      {
        pattern: "served <_> in <_>",
        level: "info",
        samples: [
          [at - 120, 2],
          [at - 60, 1],
        ],
      },
      { pattern: "cannot reach <_>", level: "error", samples: [[at - 60, 2]] },
    ],
  };
  assert.deepEqual(await patterns(api, ask), expected);
  await api.store.flush();
  assert.deepEqual(await patterns(api, ask), expected);
  assert.deepEqual(await patterns(api, { ...ask, query: '{job="a"} |= "17ms"' }), {
    status: "success",
    data: [{ pattern: "served /b in 17ms", level: "info", samples: [[at - 120, 1]] }],
  });
  assert.deepEqual(await patterns(api, { ...ask, query: '{job="none"}' }), {
    status: "success",
    data: [],
  });
});

test("what takes too long ends with the patterns so far, and says so", async () => {
  await using api = await openApi("disk", { patternsTimeMs: -1 });
  await push(api, [{ job: "new" }, [[ns(10), "new"]]], [{ job: "old" }, [[ns(3000), "old"]]]);
  assert.deepEqual(await patterns(api, { query: '{job=~".+"} |~ "new|old"', step: "60" }), {
    status: "success",
    data: [{ pattern: "new", level: "unknown", samples: [[NOW_MS / 1000 - 60, 1]] }],
    warnings: [
      "only lines since 2026-11-19T23:59:50Z were looked at: ask for less time or fewer streams",
    ],
  });
});

test("patterns too rare to be kept are counted together", async () => {
  await using api = await openApi("disk");
  const words = "abcdefghijklmnopqrst";
  const lines = words
    .split("")
    .flatMap((a, i) => [`${a}${a} = ${words[19 - i]!}${a}!`, "usual line"]);
  await push(api, [{ job: "a" }, lines.map((line, i) => [ns(40 - i), line] as const)]);
  await api.store.flush();
  const { data, warnings } = await patterns(api, { query: '{job="a"}', step: "60" });
  assert.equal(data.length, 8);
  assert.equal(data[0]!.pattern, "usual line");
  assert.deepEqual(warnings, ["13 more lines have patterns too rare to be listed"]);
});

/** Lines of many makings; none is found by the pattern of another. */
const MAKERS: readonly ((random: () => number) => string)[] = [
  (random) => `GET /item/${below(random, 500)} took ${below(random, 90)}ms`,
  (random) => `session ${"abcdef"[below(random, 6)]!}${below(random, 9)} of <b>bob</b> is over`,
  (random) => `{"n":${below(random, 9)},"msg":"queue ${below(random, 40)} is slow","ok":true}`,
  (random) => `{"path":"/p/${below(random, 300)}","status":${200 + below(random, 5)}}`,
  (random) =>
    `id=${below(random, 1e6)} msg="sent ${below(random, 99)} bytes" to=h${below(random, 3)}`,
  (random) => `id=${below(random, 1e6)} size=${below(random, 99)} kind=k${below(random, 7)}`,
  (random) =>
    `größe ${below(random, 50)}: ünder ${"xyz"[below(random, 3)]!}ä limit\n\tat line ${below(random, 9)}`,
];

/** A linear congruential generator: the same lines in every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

function below(random: () => number, limit: number): number {
  return Math.floor(random() * limit);
}

test("a pattern filter finds as many lines as a pattern counts, all of them found by one", async () => {
  await using api = await openApi("disk");
  const random = createRandom(11);
  for (let round = 0; round < 6; round++) {
    const values = Array.from({ length: 500 }, (_, i) => {
      const line = MAKERS[below(random, MAKERS.length)]!(random);
      return [String(NOW_NS - BigInt(3_000_000 - round * 500_000 - i * 1000) * 1_000_000n), line];
    }) as [string, string][];
    await push(api, [{ job: "a" }, values]);
    if (round % 2 === 1) await api.store.flush();
  }
  const { data, warnings } = await patterns(api, { query: '{job="a"}', step: "60" });
  assert.equal(warnings, undefined);
  assert.equal(data.length, MAKERS.length, data.map(({ pattern }) => pattern).join("\n"));
  let counted = 0;
  for (const { pattern, samples } of data) {
    const total = samples.reduce((sum, [, count]) => sum + count, 0);
    const query = `sum(count_over_time({job="a"} |> ${JSON.stringify(pattern)} [1h]))`;
    const { result } = (await rangeData(api, { query, start: String(NOW_NS) })) as {
      result: readonly { readonly values: readonly (readonly [number, string])[] }[];
    };
    assert.equal(Number(result[0]!.values[0]![1]), total, pattern);
    counted += total;
  }
  assert.equal(counted, 3000);
});
