/** `promtool push metrics`, Prometheus' own sender of single files, against Finch. Skipped where promtool is not installed or cannot push yet. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import { PROMTOOL, runProgram } from "./real-programs.ts";

const METRICS = `# HELP pushed_total Things pushed.
# TYPE pushed_total counter
pushed_total{kind="a"} 3
pushed_total{kind="b"} 4
# HELP pushed_seconds How long it took.
# TYPE pushed_seconds histogram
pushed_seconds_bucket{le="0.1"} 1
pushed_seconds_bucket{le="+Inf"} 2
pushed_seconds_sum 0.7
pushed_seconds_count 2
`;

/** Why it cannot be run, or false. */
function reasonToSkip(): string | false {
  if (!existsSync(PROMTOOL)) return `${PROMTOOL} is not installed`;
  const help = spawnSync(PROMTOOL, ["push", "metrics", "--help"]);
  return help.status === 0 ? false : "this promtool cannot push";
}

test("what promtool pushes is there", { skip: reasonToSkip(), timeout: 60_000 }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "finch-promtool-"));
  t.after(() => rm(directory, { recursive: true }));
  await writeIdleAgent(join(directory, "finch"));
  await using finch = await startFinch(join(directory, "finch"), await freePorts());
  const url = finch.prometheusUrl;
  const file = join(directory, "metrics.txt");
  await writeFile(file, METRICS);
  const pushed = await runProgram(PROMTOOL, [
    "push",
    "metrics",
    "--label=job=tool",
    `${url}/api/v1/write`,
    file,
  ]);
  assert.equal(pushed.code, 0, pushed.stderr);
  const values = async (query: string) => {
    const parameters = new URLSearchParams({ query });
    const reply = await fetch(`${url}/api/v1/query?${parameters.toString()}`);
    const { data } = (await reply.json()) as { data: { result: { value: [number, string] }[] } };
    return data.result.map(({ value }) => value[1]);
  };
  assert.deepEqual(await values('sort(pushed_total{job="tool"})'), ["3", "4"]);
  assert.deepEqual(await values("histogram_quantile(0.25, pushed_seconds_bucket)"), ["0.05"]);
  assert.deepEqual(await values("pushed_seconds_sum"), ["0.7"]);
});
