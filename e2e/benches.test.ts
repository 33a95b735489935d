/** Runs the benches of `bench/` at their smallest size, so that none rots. No figure is judged; peers take part where they are installed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../tools/source-files.ts";

const BENCH_MS_MAX = 120_000;

async function run(script: string, ...flags: readonly string[]): Promise<unknown> {
  const cache = await mkdtemp(join(tmpdir(), "finch-bench-"));
  try {
    const args = [join(ROOT, "bench", script), `--cache=${cache}`, "--json", ...flags];
    const ended = spawnSync(process.execPath, args, { encoding: "utf8", timeout: BENCH_MS_MAX });
    assert.equal(ended.status, 0, ended.stderr);
    const lines = ended.stdout.trim().split("\n");
    assert.equal(lines.length, 1, `one line expected, got:\n${ended.stdout}`);
    return JSON.parse(lines[0]!);
  } finally {
    await rm(cache, { recursive: true });
  }
}

test("metrics-peers: the smallest traffic, Finch alone", { timeout: BENCH_MS_MAX }, async () => {
  const flags = ["--series=1000", "--hours=0.02", "--only=finch", "--no-new-series", "--quick"];
  const result = (await run("metrics-peers.ts", ...flags)) as {
    bench: string;
    traffic: { samples: number };
    servers: readonly {
      server: string;
      diskBytes: number;
      queries: readonly { points: number }[];
    }[];
  };
  assert.equal(result.bench, "metrics-peers");
  assert.equal(result.traffic.samples, 5000);
  const [finch, ...others] = result.servers;
  assert.deepEqual([finch!.server, others.length], ["finch", 0]);
  assert.ok(finch!.diskBytes > 0);
  assert.equal(finch!.queries.length, 11);
});
