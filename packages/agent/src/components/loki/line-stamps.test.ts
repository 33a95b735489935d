import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { nodeFileSystem } from "@finch/runtime";
import type { FileSystem } from "@finch/runtime";
import { LineStamps } from "./line-stamps.ts";

const SAVE = () => Promise.resolve();

/** Opens as many runs as the test wants, each killed by the next. */
async function runs(
  body: (
    open: (nowNs: bigint, fileSystem?: FileSystem) => Promise<LineStamps>,
    path: string,
    warnings: string[],
  ) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "finch-line-stamps-"));
  const opened: LineStamps[] = [];
  const warnings: string[] = [];
  const log = { warn: (text: string) => void warnings.push(text) } as never;
  const open = async (nowNs: bigint, fileSystem = nodeFileSystem) => {
    const stamps = await LineStamps.open({ directory, fileSystem, log, nowNs: () => nowNs });
    opened.push(stamps);
    return stamps;
  };
  try {
    await body(open, join(directory, "line-stamps.jsonl"), warnings);
  } finally {
    for (const stamps of opened) await stamps[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  }
}

const range = (from: number, to: number, identity = "1:1") => ({ identity, from, to });

describe("times of lines", () => {
  test("are never given twice, whatever the clock does", () =>
    runs(async (open) => {
      const stamps = await open(1000n);
      assert.equal(await stamps.begin("a", range(0, 10), 5), 1000n);
      assert.equal(await stamps.begin("a", range(10, 20), 1), 1005n);
      assert.equal(await stamps.begin("b", range(0, 10), 3), 1006n);
    }));

  test("are those of the run that was killed, for the same lines of the same file", () =>
    runs(async (open) => {
      const killed = await open(1000n);
      await killed.begin("a", range(0, 10), 5);
      await killed.begin("a", range(10, 30), 5);
      const next = await open(9000n);
      assert.equal(next.endOf("a", "1:1", 0), 10);
      assert.equal(next.endOf("a", "1:1", 5), undefined);
      assert.equal(next.endOf("a", "1:2", 0), undefined);
      assert.equal(next.endOf("b", "1:1", 0), undefined);
      assert.equal(await next.begin("a", range(0, 10), 5), 1000n);
      // Killed again before it came further.
      const last = await open(99_000n);
      assert.equal(await last.begin("a", range(0, 10), 5), 1000n);
      assert.equal(await last.begin("a", range(10, 30), 5), 1005n);
      assert.equal(await last.begin("a", range(30, 40), 1), 99_000n);
    }));

  test("are new where the lines are others", () =>
    runs(async (open) => {
      const killed = await open(1000n);
      await killed.begin("a", range(0, 10), 5);
      await killed.begin("a", range(10, 20), 5);
      await killed.begin("a", range(0, 10, "1:2"), 5);
      const next = await open(9000n);
      assert.equal(await next.begin("a", range(0, 12), 5), 9000n);
      assert.equal(next.endOf("a", "1:1", 10), undefined, "nothing else of it fits");
      assert.equal(
        await next.begin("a", range(0, 10, "1:2"), 5),
        1000n + 10n,
        "of another file it does",
      );
    }));

  test("are forgotten once a position behind the lines is saved, and only then", () =>
    runs(async (open, path) => {
      const stamps = await open(1000n);
      await stamps.begin("a", range(0, 10), 1);
      await stamps.begin("b", range(0, 10), 1);
      stamps.taken("a", range(0, 10));
      await stamps.forgetAfter(() => {
        stamps.taken("b", range(0, 10));
        return Promise.resolve();
      });
      assert.equal(await readFile(path, "utf8"), '["b","1:1",0,10,1,"1001"]\n');
      await stamps.begin("c", range(0, 10), 1);
      await assert.rejects(stamps.forgetAfter(() => Promise.reject(new Error("full"))));
      assert.equal((await readFile(path, "utf8")).split("\n").length, 3);
      await stamps.forgetAfter(SAVE);
      assert.match(await readFile(path, "utf8"), /^\["c".*\n$/);
    }));

  test("survive a line that was cut while it was written", () =>
    runs(async (open, path) => {
      const killed = await open(1000n);
      await killed.begin("a", range(0, 10), 5);
      await appendFile(path, '["a","1:1",10,');
      const next = await open(9000n);
      assert.equal(next.endOf("a", "1:1", 0), 10);
      await next.begin("a", range(0, 10), 5);
      await next.begin("a", range(10, 20), 5);
      assert.equal((await open(1n)).endOf("a", "1:1", 10), 20);
    }));

  test("are given while they cannot be stored, and that is said once", () =>
    runs(async (open, _, warnings) => {
      const full: FileSystem = {
        ...nodeFileSystem,
        open: () => Promise.reject(new Error("no space left")),
      };
      const stamps = await open(1000n, full);
      assert.equal(await stamps.begin("a", range(0, 10), 5), 1000n);
      stamps.taken("a", range(0, 10));
      await stamps.forgetAfter(SAVE);
      assert.equal(warnings.length, 1);
    }));
});
