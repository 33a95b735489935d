import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { nodeFileSystem } from "@finch/runtime";
import type { FileSystem } from "@finch/runtime";
import { LineStamps } from "./line-stamps.ts";

const SAVE = () => Promise.resolve();
const NEVER = new AbortController().signal;

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
    const stamps = await LineStamps.open({
      directory,
      fileSystem,
      log,
      nowNs: () => nowNs,
      sleep: async (_, signal) => {
        await setImmediate();
        signal.throwIfAborted();
      },
    });
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
      assert.equal(await stamps.begin("a", range(0, 10), 5, NEVER), 1000n);
      assert.equal(await stamps.begin("a", range(10, 20), 1, NEVER), 1005n);
      assert.equal(await stamps.begin("b", range(0, 10), 3, NEVER), 1006n);
    }));

  test("are those of the run that was killed, for the same lines of the same file", () =>
    runs(async (open) => {
      const killed = await open(1000n);
      await killed.begin("a", range(0, 10), 5, NEVER);
      await killed.begin("a", range(10, 30), 5, NEVER);
      const next = await open(9000n);
      assert.equal(next.endOf("a", "1:1", 0), 10);
      assert.equal(next.endOf("a", "1:1", 5), undefined);
      assert.equal(next.endOf("a", "1:2", 0), undefined);
      assert.equal(next.endOf("b", "1:1", 0), undefined);
      assert.equal(await next.begin("a", range(0, 10), 5, NEVER), 1000n);
      // Killed again before it came further.
      const last = await open(99_000n);
      assert.equal(await last.begin("a", range(0, 10), 5, NEVER), 1000n);
      assert.equal(await last.begin("a", range(10, 30), 5, NEVER), 1005n);
      assert.equal(await last.begin("a", range(30, 40), 1, NEVER), 99_000n);
    }));

  test("are new where the lines are others", () =>
    runs(async (open) => {
      const killed = await open(1000n);
      await killed.begin("a", range(0, 10), 5, NEVER);
      await killed.begin("a", range(10, 20), 5, NEVER);
      await killed.begin("a", range(0, 10, "1:2"), 5, NEVER);
      const next = await open(9000n);
      assert.equal(await next.begin("a", range(0, 12), 5, NEVER), 9000n);
      assert.equal(next.endOf("a", "1:1", 10), undefined, "nothing else of it fits");
      assert.equal(
        await next.begin("a", range(0, 10, "1:2"), 5, NEVER),
        1000n + 10n,
        "of another file it does",
      );
    }));

  test("are forgotten once a position behind the lines is saved, and only then", () =>
    runs(async (open, path) => {
      const stamps = await open(1000n);
      await stamps.begin("a", range(0, 10), 1, NEVER);
      await stamps.begin("b", range(0, 10), 1, NEVER);
      stamps.taken("a", range(0, 10));
      await stamps.forgetAfter(() => {
        stamps.taken("b", range(0, 10));
        return Promise.resolve();
      });
      assert.equal(await readFile(path, "utf8"), '["b","1:1",0,10,1,"1001"]\n');
      await stamps.begin("c", range(0, 10), 1, NEVER);
      await assert.rejects(stamps.forgetAfter(() => Promise.reject(new Error("full"))));
      assert.equal((await readFile(path, "utf8")).split("\n").length, 3);
      await stamps.forgetAfter(SAVE);
      assert.match(await readFile(path, "utf8"), /^\["c".*\n$/);
    }));

  test("survive a line that was cut while it was written", () =>
    runs(async (open, path) => {
      const killed = await open(1000n);
      await killed.begin("a", range(0, 10), 5, NEVER);
      await appendFile(path, '["a","1:1",10,');
      const next = await open(9000n);
      assert.equal(next.endOf("a", "1:1", 0), 10);
      await next.begin("a", range(0, 10), 5, NEVER);
      await next.begin("a", range(10, 20), 5, NEVER);
      assert.equal((await open(1n)).endOf("a", "1:1", 10), 20);
    }));

  test("wait for a disk that is full, which is said once, and are stored before they are given", () =>
    runs(async (open, _, warnings) => {
      let refusals = 5;
      const full: FileSystem = {
        ...nodeFileSystem,
        open: (path, mode) =>
          refusals-- > 0
            ? Promise.reject(new Error("no space left"))
            : nodeFileSystem.open(path, mode),
      };
      const stamps = await open(1000n, full);
      const both = [
        stamps.begin("a", range(0, 10), 5, NEVER),
        stamps.begin("b", range(0, 10), 5, NEVER),
      ];
      assert.deepEqual(await Promise.all(both), [1000n, 1005n]);
      assert.equal(warnings.length, 1);
      const next = await open(9000n);
      assert.equal(await next.begin("a", range(0, 10), 5, NEVER), 1000n);
      assert.equal(await next.begin("b", range(0, 10), 5, NEVER), 1005n);
    }));

  test("are stored once more where a file that is open can take no more", () =>
    runs(async (open, path) => {
      let isFull = false;
      const full: FileSystem = {
        ...nodeFileSystem,
        open: async (name, mode) => {
          const file = await nodeFileSystem.open(name, mode);
          return new Proxy(file, {
            get: (target, key) =>
              key === "write" && isFull
                ? () => ((isFull = false), Promise.reject(new Error("no space left")))
                : typeof target[key as "write"] === "function"
                  ? target[key as "write"].bind(target)
                  : target[key as "write"],
          });
        },
      };
      const stamps = await open(1000n, full);
      await stamps.begin("a", range(0, 10), 5, NEVER);
      isFull = true;
      await stamps.begin("a", range(10, 20), 5, NEVER);
      assert.equal((await readFile(path, "utf8")).split("\n").length, 3);
    }));

  test("a stop ends the wait", () =>
    runs(async (open) => {
      const full: FileSystem = {
        ...nodeFileSystem,
        open: () => Promise.reject(new Error("no space left")),
      };
      const stamps = await open(1000n, full);
      const stopped = AbortSignal.abort(new Error("stopped"));
      await assert.rejects(stamps.begin("a", range(0, 10), 5, stopped), /stopped/);
    }));
});
