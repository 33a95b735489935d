/** Runs every bench at its small size, so that none rots: each must print exactly one JSON line that names itself. No figure is judged. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { listFiles, ROOT } from "./source-files.ts";

const BENCH_MS_MAX = 60_000;

describe("benches", () => {
  const benches = listFiles("packages/*/bench/**/*.bench.ts");
  test("there are some", () => assert.ok(benches.length >= 6, `only ${benches.length} found`));
  for (const path of benches) {
    test(path, () => {
      const run = spawnSync(process.execPath, [join(ROOT, path)], {
        cwd: ROOT,
        encoding: "utf8",
        timeout: BENCH_MS_MAX,
        env: { ...process.env, BENCH_SIZE: "small" },
      });
      assert.equal(run.status, 0, run.stderr);
      const lines = run.stdout.trim().split("\n");
      assert.equal(lines.length, 1, `one line expected, got:\n${run.stdout}`);
      const result = JSON.parse(lines[0]!) as { bench?: unknown };
      assert.equal(typeof result.bench, "string");
    });
  }
});
