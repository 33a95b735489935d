/** SIGKILL of a real process on a real disk, several times over the same directory: every row it printed as acknowledged is there, once. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createMatcher } from "@finch/model";
import { nodeFileSystem } from "@finch/runtime";
import { lockDirectory, openLogStore, openMetricStore } from "../src/index.ts";
import { readEntries, readSamples, storeOptions } from "./store-fixtures.ts";

const CHILD = fileURLToPath(new URL("./kill-child.ts", import.meta.url));
const KILLS = [3, 150, 401];

/** Runs the child until it has acknowledged `rows` rows, kills it, and returns the last row it printed. */
async function runAndKill(root: string, first: number, rows: number): Promise<number> {
  const child = spawn(process.execPath, [CHILD, root, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let last = first - 1;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (last >= first + rows) child.kill("SIGKILL");
  }
  assert.deepEqual(await exited, [null, "SIGKILL"]);
  return last;
}

test("killed again and again, nothing acknowledged is lost and nothing is there twice", async () => {
  const root = await mkdtemp(join(tmpdir(), "finch-kill-"));
  try {
    const acknowledged: [number, number][] = [];
    for (const rows of KILLS) {
      const first = 10_000 * (acknowledged.length + 1);
      acknowledged.push([first, await runAndKill(root, first, rows)]);
    }
    await using lock = await lockDirectory(root);
    assert.ok(lock);
    await using metrics = await openMetricStore(
      storeOptions(nodeFileSystem, { directory: join(root, "metrics") }),
    );
    await using logs = await openLogStore(
      storeOptions(nodeFileSystem, { directory: join(root, "logs") }),
    );
    assert.ok(
      metrics.statistics().blocks > 0 || logs.statistics().blocks > 0,
      "nothing was sealed meanwhile",
    );
    assert.ok(logs.statistics().blocks > 0, "no logs were sealed");
    await logs.compact();
    const rowsOfSeries = new Set(
      (await readSamples(metrics, [createMatcher("__name__", "=", "s7")])).values(),
    );
    const lines = (await readEntries(logs)).map((entry) => Number(/row (\d+)/.exec(entry)![1]));
    assert.equal(new Set(lines).size, lines.length);
    const rowsOfLogs = new Set(lines);
    for (const [first, last] of acknowledged) {
      for (let row = first; row <= last; row++)
        assert.ok(rowsOfSeries.has(row) && rowsOfLogs.has(row), `row ${row} is lost`);
    }
  } finally {
    await rm(root, { recursive: true });
  }
});
