import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { nodeFileSystem, silentLogger } from "@finch/runtime";
import type { FileSystem } from "@finch/runtime";
import { openDurableQueue } from "./durable-queue.ts";
import type { DurableQueue } from "./durable-queue.ts";

const NEVER = new AbortController().signal;

async function inDirectory(
  run: (
    open: (senders?: readonly string[], bytesMax?: number) => Promise<DurableQueue>,
    directory: string,
  ) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "finch-queue-"));
  try {
    const open = (senders: readonly string[] = ["a"], bytesMax = 1 << 20) =>
      openDurableQueue({
        directory,
        fileSystem: nodeFileSystem,
        log: silentLogger,
        bytesMax,
        senders,
      });
    await run(open, directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

const record = (text: string) => new TextEncoder().encode(text);
const texts = (records: readonly Uint8Array[]) =>
  records.map((bytes) => new TextDecoder().decode(bytes));
const take = (queue: DurableQueue, sender = "a", bytesMax = 1 << 20) =>
  queue.take(sender, { bytesMax, waitMs: 1, signal: NEVER });

describe("durable queue", () => {
  test("what was pushed is taken in order, again until it is committed", () =>
    inDirectory(async (open) => {
      await using queue = await open();
      await queue.push(record("1"), NEVER);
      await queue.push(record("2"), NEVER);
      assert.deepEqual(texts((await take(queue)).records), ["1", "2"]);
      const batch = await take(queue);
      assert.deepEqual(texts(batch.records), ["1", "2"]);
      await queue.commit("a", batch.next);
      await queue.push(record("3"), NEVER);
      assert.deepEqual(texts((await take(queue)).records), ["3"]);
    }));
  test("a restart goes on with what was not committed", () =>
    inDirectory(async (open) => {
      {
        await using queue = await open();
        await queue.push(record("1"), NEVER);
        await queue.commit("a", (await take(queue)).next);
        await queue.push(record("2"), NEVER);
      }
      await using queue = await open();
      assert.deepEqual(texts((await take(queue)).records), ["2"]);
    }));
  test("take waits for a push", () =>
    inDirectory(async (open) => {
      await using queue = await open();
      const taken = take(queue);
      await queue.push(record("late"), NEVER);
      assert.deepEqual(texts((await taken).records), ["late"]);
    }));
  test("take ends with the signal's reason", () =>
    inDirectory(async (open) => {
      await using queue = await open();
      const controller = new AbortController();
      const taken = queue.take("a", { bytesMax: 1, waitMs: 1, signal: controller.signal });
      controller.abort(new Error("stop"));
      await assert.rejects(taken, /stop/);
    }));
  test("a batch is bounded, and holds one record at least", () =>
    inDirectory(async (open) => {
      await using queue = await open();
      for (const text of ["aaaa", "bbbb", "cccc"]) await queue.push(record(text), NEVER);
      assert.deepEqual(texts((await take(queue, "a", 8)).records), ["aaaa", "bbbb"]);
      assert.deepEqual(texts((await take(queue, "a", 1)).records), ["aaaa"]);
    }));
  test("a full queue makes push wait until the slowest sender has room", () =>
    inDirectory(async (open) => {
      await using queue = await open(["a", "b"], 256 << 10);
      const big = new Uint8Array(60 << 10);
      for (let i = 0; i < 4; i++) await queue.push(big, NEVER);
      let pushed = false;
      const waiting = queue.push(big, NEVER).then(() => (pushed = true));
      const forA = await take(queue, "a");
      await queue.commit("a", forA.next);
      assert.equal(pushed, false);
      await queue.commit("b", forA.next);
      await waiting;
      assert.equal(pushed, true);
      assert.ok(queue.bytes() <= 256 << 10);
    }));
  test("a sender that alone fills the queue holds the others back, and says so after a restart too", () =>
    inDirectory(async (open) => {
      const big = new Uint8Array(60 << 10);
      {
        await using queue = await open(["alive", "dead"], 512 << 10);
        for (let i = 0; i < 8; i++) {
          assert.equal(queue.holdsOthersBack("dead"), false);
          await queue.push(big, NEVER);
          await queue.commit("alive", (await take(queue, "alive")).next);
        }
        assert.equal(queue.holdsOthersBack("dead"), true);
        assert.equal(queue.holdsOthersBack("alive"), false);
      }
      await using queue = await open(["alive", "dead"], 512 << 10);
      assert.equal(queue.holdsOthersBack("dead"), true);
      await queue.commit("dead", (await take(queue, "dead", 400 << 10)).next);
      assert.equal(queue.holdsOthersBack("dead"), false);
    }));
  test("a sender on its own never does", () =>
    inDirectory(async (open) => {
      await using queue = await open(["a"], 256 << 10);
      for (let i = 0; i < 4; i++) await queue.push(new Uint8Array(60 << 10), NEVER);
      assert.equal(queue.holdsOthersBack("a"), false);
    }));
  test("a damaged record alone is left out", () =>
    inDirectory(async (open, directory) => {
      await using queue = await open();
      for (const text of ["before", "damaged", "behind"]) await queue.push(record(text), NEVER);
      await flip(directory, "damaged");
      const first = await take(queue);
      assert.deepEqual(texts(first.records), ["before", "behind"]);
      await queue.commit("a", first.next);
      await queue.push(record("later"), NEVER);
      assert.deepEqual(texts((await take(queue)).records), ["later"]);
    }));
  test("a queue damaged while it was closed goes on with what is intact", () =>
    inDirectory(async (open, directory) => {
      {
        await using queue = await open();
        await queue.push(record("1"), NEVER);
        await queue.commit("a", (await take(queue)).next);
        await queue.push(record("damaged"), NEVER);
        await queue.push(record("2"), NEVER);
      }
      await flip(directory, "damaged");
      await using queue = await open();
      await queue.push(record("3"), NEVER);
      assert.deepEqual(texts((await take(queue)).records), ["2", "3"]);
    }));
  test("a batch that no more fits into does not wait for more", { timeout: 10_000 }, () =>
    inDirectory(async (open) => {
      await using queue = await open();
      for (const text of ["12345", "67890"]) await queue.push(record(text), NEVER);
      const batch = await queue.take("a", { bytesMax: 8, waitMs: 3_600_000, signal: NEVER });
      assert.deepEqual(texts(batch.records), ["12345"]);
    }),
  );
  test("what is pushed at once keeps its order, whatever is waited for; one that gives up is passed over", () =>
    inDirectory(async (_, directory) => {
      const asked: PromiseWithResolvers<void>[] = [];
      const fileSystem: FileSystem = {
        ...nodeFileSystem,
        space: async () => {
          asked.push(Promise.withResolvers());
          await asked.at(-1)!.promise;
          return { totalBytes: 1 << 30, freeBytes: 1 << 27 };
        },
      };
      const options = { directory, log: silentLogger, bytesMax: 1 << 20, senders: ["a"] };
      await using queue = await openDurableQueue({ ...options, fileSystem });
      const gone = new AbortController();
      const first = queue.push(record("1"), NEVER);
      const second = queue.push(record("2"), gone.signal);
      const third = queue.push(record("3"), NEVER);
      gone.abort(new Error("stopped"));
      await assert.rejects(second, /stopped/);
      while (asked.length === 0) await setImmediate();
      const others = [queue.push(record("4"), NEVER), queue.push(record("5"), NEVER)];
      const all = Promise.all([first, third, ...others]);
      // Each answer lets the next one ask.
      for (let n = 0; n < 4; n++) {
        while (asked.length === n) await setImmediate();
        assert.equal(asked.length, n + 1);
        asked[n]!.resolve();
      }
      await all;
      assert.deepEqual(texts((await take(queue)).records), ["1", "3", "4", "5"]);
    }));
  test("a disk that is nearly full takes no more, so that what is sent can still go off it", () =>
    inDirectory(async (_, directory) => {
      let freeBytes = 100 << 20;
      const fileSystem: FileSystem = {
        ...nodeFileSystem,
        space: () => Promise.resolve({ totalBytes: 1 << 30, freeBytes }),
      };
      const options = { directory, log: silentLogger, bytesMax: 1 << 20, senders: ["a"] };
      await using queue = await openDurableQueue({ ...options, fileSystem });
      await queue.push(record("1"), NEVER);
      freeBytes = 16 << 20;
      await assert.rejects(queue.push(record("2"), NEVER), /16777216 bytes free.*free some space/);
      await queue.commit("a", (await take(queue)).next);
      freeBytes = 17 << 20;
      await queue.push(record("3"), NEVER);
      assert.deepEqual(texts((await take(queue)).records), ["3"]);
    }));
  test("a disk with ample room is looked at once a second, one that fills before each record", () =>
    inDirectory(async (_, directory) => {
      let looks = 0;
      let freeBytes = 1 << 30;
      const fileSystem: FileSystem = {
        ...nodeFileSystem,
        space: () => {
          looks++;
          return Promise.resolve({ totalBytes: 2 ** 31, freeBytes });
        },
      };
      const options = { directory, log: silentLogger, bytesMax: 1 << 26, senders: ["a"] };
      await using queue = await openDurableQueue({ ...options, fileSystem });
      const start = performance.now();
      for (const text of ["1", "2", "3"]) await queue.push(record(text), NEVER);
      if (performance.now() - start < 1000) assert.equal(looks, 1);
      freeBytes = 1 << 27;
      while (looks < 3) await queue.push(record("4"), NEVER);
      looks = 0;
      for (const text of ["5", "6", "7"]) await queue.push(record(text), NEVER);
      assert.equal(looks, 3);
    }));
  test("where positions cannot be saved for want of room, what is sent makes it", () =>
    inDirectory(async (open, directory) => {
      let isFull = false;
      const fileSystem: FileSystem = {
        ...nodeFileSystem,
        // Full until the first segment is gone.
        open: async (path, mode) => {
          const isThere = (await readdir(join(directory, "wal"))).includes("0000000001.wal");
          if (isFull && mode === "log" && path.includes("positions") && isThere)
            throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
          return nodeFileSystem.open(path, mode);
        },
      };
      const options = { directory, log: silentLogger, bytesMax: 1 << 20, senders: ["a"] };
      await using killed = await openDurableQueue({ ...options, fileSystem });
      for (let n = 0; n < 6; n++) await killed.push(new Uint8Array(100 << 10).fill(n), NEVER);
      isFull = true;
      const first = await take(killed, "a", 1);
      await assert.rejects(killed.commit("a", first.next), /no space left/);
      const rest = await take(killed, "a", 350 << 10);
      await killed.commit("a", rest.next);
      isFull = false;
      // As if it were killed here: what its stop saves comes when the other one has been looked at.
      await using queue = await open();
      assert.deepEqual(
        (await take(queue, "a")).records.map((bytes) => bytes[0]),
        [4, 5],
      );
    }));
});

/** Changes a byte of `text` in the newest segment that holds it. */
async function flip(directory: string, text: string): Promise<void> {
  for (const name of await readdir(join(directory, "wal"))) {
    const path = join(directory, "wal", name);
    const bytes = await readFile(path);
    const at = bytes.indexOf(text);
    if (at === -1) continue;
    bytes[at] = bytes[at]! ^ 1;
    await writeFile(path, bytes);
  }
}
