/** Runs the benches of `bench/` at their smallest size, so that none rots. No figure is judged; peers take part where they are installed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../tools/source-files.ts";

const BENCH_MS_MAX = 120_000;

async function run(script: string, ...flags: readonly string[]): Promise<readonly unknown[]> {
  const cache = await mkdtemp(join(tmpdir(), "finch-bench-"));
  try {
    const args = [join(ROOT, "bench", script), `--cache=${cache}`, "--json", ...flags];
    const ended = spawnSync(process.execPath, args, { encoding: "utf8", timeout: BENCH_MS_MAX });
    assert.equal(ended.status, 0, ended.stderr);
    return ended.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
  } finally {
    await rm(cache, { recursive: true });
  }
}

test("metrics-peers: the smallest traffic, Finch alone", { timeout: BENCH_MS_MAX }, async () => {
  const flags = ["--series=1000", "--hours=0.02", "--only=finch", "--no-new-series", "--quick"];
  const [result] = (await run("metrics-peers.ts", ...flags)) as [
    {
      bench: string;
      traffic: { samples: number };
      servers: readonly {
        server: string;
        diskBytes: number;
        queries: readonly { points: number }[];
      }[];
    },
  ];
  assert.equal(result.bench, "metrics-peers");
  assert.equal(result.traffic.samples, 5000);
  const [finch, ...others] = result.servers;
  assert.deepEqual([finch!.server, others.length], ["finch", 0]);
  assert.ok(finch!.diskBytes > 0);
  assert.equal(finch!.queries.length, 11);
});

test("metrics-scale: every part, small", { timeout: BENCH_MS_MAX }, async () => {
  const sizes = [
    "--series=1000",
    "--hours=2",
    "--churn=1000",
    "--block-series=1000",
    "--gigabytes=0.001",
    "--days=0.01",
  ];
  const results = (await run("metrics-scale.ts", ...sizes)) as readonly {
    bench: string;
    targets: readonly { value: number }[];
  }[];
  const parts = ["active", "churn", "open", "week"];
  assert.deepEqual(
    results.map(({ bench }) => bench),
    parts.map((part) => `metrics-scale ${part}`),
  );
  for (const { targets } of results) assert.equal(typeof targets[0]!.value, "number");
});

test("metrics-death-list: bad patterns, small", { timeout: BENCH_MS_MAX }, async () => {
  const [result] = (await run(
    "metrics-death-list.ts",
    "--series=1000",
    "--calm=1",
    "--only=pattern",
  )) as [{ bench: string; outcomes: readonly { name: string; status: number }[] }];
  assert.equal(result.bench, "metrics-death-list");
  assert.ok(result.outcomes.length > 5);
  for (const { name, status } of result.outcomes) assert.ok(status > 0, `${name} has no answer`);
});

test("logs-peers: a small corpus, Finch alone", { timeout: BENCH_MS_MAX }, async () => {
  const [result] = (await run(
    "logs-peers.ts",
    "--lines=5000",
    "--only=finch,finch-http",
    "--quick",
  )) as [
    {
      bench: string;
      corpus: { entries: number };
      ingest: Readonly<Record<string, { cpuSeconds: number }>>;
      coldReads: number;
      questions: readonly { name: string; answers: { finch: { times: number } } }[];
    },
  ];
  assert.equal(result.bench, "logs-peers");
  assert.equal(result.corpus.entries, 5000);
  assert.deepEqual(Object.keys(result.ingest), ["finch-http", "finch"]);
  assert.ok(result.coldReads > 0);
  assert.ok(result.questions.length > 10);
  for (const { name, answers } of result.questions) assert.equal(answers.finch.times, 1, name);
});

test("logs-scale: every part, small", { timeout: BENCH_MS_MAX }, async () => {
  const sizes = ["--lines=5000", "--gb-per-day=0.0005", "--values=5000"];
  const results = (await run("logs-scale.ts", ...sizes)) as readonly {
    bench: string;
    targets: readonly { what: string; value: number }[];
  }[];
  assert.deepEqual(
    results.map(({ bench }) => bench),
    ["logs-scale week", "logs-scale storm"],
  );
  const lost = results[1]!.targets.find(({ what }) => what === "lines not found");
  assert.equal(lost?.value, 0);
});

test(
  "gateway-agents: a small fleet, and a secret changed twice",
  { timeout: BENCH_MS_MAX },
  async () => {
    const flags = ["--agents=10", "--minutes=0.1", "--interval=1"];
    const [result] = (await run("gateway-agents.ts", ...flags)) as [Record<string, number>];
    const { agents, requests, refused, linesSent, linesLost, samplesLost } = result;
    assert.deepEqual(
      { agents, refused, linesLost, samplesLost },
      { agents: 10, refused: 0, linesLost: 0, samplesLost: 0 },
    );
    assert.ok(requests! >= 40 && linesSent! >= 200, JSON.stringify(result));
    assert.equal(result["refusedWithoutOverlap"], 10);
  },
);
