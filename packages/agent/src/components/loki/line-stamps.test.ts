import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { nodeFileSystem } from "@finch/runtime";
import type { FileSystem } from "@finch/runtime";
import { LineStamps } from "./line-stamps.ts";
import type { LinePiece } from "./line-stamps.ts";

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

/** Lines of a file: as many as are given, from one offset to another. */
const piece = (from: number, to: number, ...lines: string[]): LinePiece => ({
  begin: { identity: "1:1", offset: from, signature: "", signatureBytes: 0 },
  to,
  lines,
});
const five = (from: number, to: number, name = "x") =>
  piece(from, to, ...Array.from({ length: 5 }, (_, n) => `${name}${from}-${n}`));
const firstNs = async (stamps: LineStamps, key: string, lines: LinePiece) =>
  (await stamps.begin(key, lines, NEVER)).firstNs;

describe("times of lines", () => {
  test("are never given twice, whatever the clock does", () =>
    runs(async (open) => {
      const stamps = await open(1000n);
      assert.equal(await firstNs(stamps, "a", five(0, 10)), 1000n);
      assert.equal(await firstNs(stamps, "a", piece(10, 20, "one")), 1005n);
      assert.equal(await firstNs(stamps, "b", five(0, 10)), 1006n);
    }));

  test("are those of the run that was killed, for the same lines", () =>
    runs(async (open) => {
      const killed = await open(1000n);
      await firstNs(killed, "a", five(0, 10));
      await firstNs(killed, "a", five(10, 30));
      const next = await open(9000n);
      const [known, ...others] = next.knownAt("a", 0);
      assert.deepEqual([known?.to, others], [10, []]);
      assert.equal(known!.holds(five(0, 10).lines), true);
      assert.equal(known!.holds(five(0, 10, "y").lines), false);
      assert.equal(known!.holds(five(0, 10).lines.slice(0, 4)), false);
      assert.deepEqual(next.knownAt("a", 5), []);
      assert.deepEqual(next.knownAt("b", 0), []);
      assert.equal(await firstNs(next, "a", five(0, 10)), 1000n);
      assert.deepEqual(next.knownAt("a", 0), []);
      // Killed again before it came further.
      const last = await open(99_000n);
      assert.equal(await firstNs(last, "a", five(0, 10)), 1000n);
      assert.equal(await firstNs(last, "a", five(10, 30)), 1005n);
      assert.equal(await firstNs(last, "a", piece(30, 40, "new")), 99_000n);
    }));

  test("are those of that run wherever its lines stand now, in a copy behind others that stood at the path before", () =>
    runs(async (open) => {
      const killed = await open(1000n);
      await firstNs(killed, "a", five(0, 10, "old"));
      await firstNs(killed, "a", five(0, 10, "new"));
      const next = await open(9000n);
      const inCopy = (lines: LinePiece) => ({
        ...lines,
        begin: { ...lines.begin, identity: "1:2" },
      });
      assert.equal(next.knownAt("a", 0).length, 2);
      assert.equal(await firstNs(next, "a", inCopy(five(0, 10, "new"))), 1005n);
      assert.equal(await firstNs(next, "a", inCopy(five(0, 10, "old"))), 1000n);
    }));

  test("are new where the lines are others, and what else is known stays known", () =>
    runs(async (open) => {
      const killed = await open(1000n);
      await firstNs(killed, "a", five(0, 10));
      await firstNs(killed, "a", five(10, 20));
      const next = await open(9000n);
      assert.equal(await firstNs(next, "a", five(0, 10, "other")), 9000n);
      assert.equal(await firstNs(next, "a", five(0, 12)), 9005n);
      assert.equal(await firstNs(next, "a", five(10, 20)), 1005n);
      assert.equal(next.knownAt("a", 0).length, 1);
      next.caughtUp("a");
      assert.equal(next.knownAt("a", 0).length, 0, "all is read, and those lines did not come");
    }));

  test("tell where the run began that was killed before it saved a position", () =>
    runs(async (open) => {
      const killed = await open(1000n);
      const begin = { identity: "1:1", offset: 7, signature: "abc", signatureBytes: 64 };
      await firstNs(killed, "a", { begin, to: 9, lines: ["1"] });
      await firstNs(killed, "a", piece(9, 11, "2"));
      const next = await open(9000n);
      assert.deepEqual(next.oldest("a"), begin);
      assert.equal(next.oldest("b"), undefined);
    }));

  test("are forgotten once a position behind the lines is saved, and only then", () =>
    runs(async (open, path) => {
      const keys = async () =>
        (await readFile(path, "utf8"))
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => (JSON.parse(line) as [string])[0]);
      const stamps = await open(1000n);
      const a = await stamps.begin("a", piece(0, 10, "1"), NEVER);
      const b = await stamps.begin("b", piece(0, 10, "1"), NEVER);
      a.taken();
      await stamps.forgetAfter(() => {
        b.taken();
        return Promise.resolve();
      });
      assert.deepEqual(await keys(), ["b"]);
      await stamps.begin("c", piece(0, 10, "1"), NEVER);
      await assert.rejects(stamps.forgetAfter(() => Promise.reject(new Error("full"))));
      assert.deepEqual(await keys(), ["b", "c"]);
      await stamps.forgetAfter(SAVE);
      assert.deepEqual(await keys(), ["c"]);
    }));

  test("survive a line that was cut while it was written", () =>
    runs(async (open, path) => {
      const killed = await open(1000n);
      await firstNs(killed, "a", five(0, 10));
      await appendFile(path, '["a",{"identity":"1:1"},10,');
      const next = await open(9000n);
      assert.equal(next.knownAt("a", 0).length, 1);
      await firstNs(next, "a", five(0, 10));
      await firstNs(next, "a", five(10, 20));
      assert.equal((await open(1n)).knownAt("a", 10)[0]?.to, 20);
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
      const both = [firstNs(stamps, "a", five(0, 10)), firstNs(stamps, "b", five(0, 10))];
      assert.deepEqual(await Promise.all(both), [1000n, 1005n]);
      assert.equal(warnings.length, 1);
      const next = await open(9000n);
      assert.equal(await firstNs(next, "a", five(0, 10)), 1000n);
      assert.equal(await firstNs(next, "b", five(0, 10)), 1005n);
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
      await firstNs(stamps, "a", five(0, 10));
      isFull = true;
      await firstNs(stamps, "a", five(10, 20));
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
      await assert.rejects(stamps.begin("a", five(0, 10), stopped), /stopped/);
    }));
});
