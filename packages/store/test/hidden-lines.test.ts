/** Log lines that are deleted or kept less long than others: out of every page, for heads and blocks that overlap, across restarts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMatcher } from "@finch/model";
import type { LogStore, StoreOptions } from "../src/api.ts";
import { openLogStore } from "../src/log-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { compileSelection } from "./line-selection.ts";
import {
  createRandom,
  createTestClock,
  logBatch,
  NOW_MS,
  readEntries,
  storeOptions,
} from "./store-fixtures.ts";
import type { PlainEntry } from "./store-fixtures.ts";

const NOW_NS = BigInt(NOW_MS) * 1_000_000n;
const FOREVER = { startNs: -(2n ** 62n), endNs: 2n ** 62n };

function options(fileSystem: FaultyFileSystem): StoreOptions {
  return { ...storeOptions(fileSystem), compileSelection };
}

const at = (stream: string, agoNs: bigint, line: string): PlainEntry => ({
  stream,
  ns: NOW_NS - agoNs,
  line,
});

async function linesOf(store: LogStore): Promise<string[]> {
  return (await readEntries(store)).map((entry) => entry.replace(/^(\S+)@\d+ (\S+).*$/, "$1 $2"));
}

describe("deletes of lines", () => {
  test("are exact to the nanosecond at both ends", async () => {
    await using store = await openLogStore(options(new FaultyFileSystem()));
    await store.append(logBatch([1n, 2n, 3n, 4n, 5n].map((ago) => at("a", ago, `l${ago}`))));
    const range = { startNs: NOW_NS - 4n, endNs: NOW_NS - 2n };
    await store.deleteLines({ query: "a", ...range });
    assert.deepEqual(await linesOf(store), ["a l5", "a l1"]);
  });

  test("take lines out of each block by itself: an equal line that came later stays", async () => {
    await using store = await openLogStore(options(new FaultyFileSystem()));
    await store.append(logBatch([at("a", 30n, "x1"), at("a", 20n, "y2"), at("a", 10n, "x3")]));
    await store.deleteLines({ query: "a x", ...FOREVER });
    assert.deepEqual(await linesOf(store), ["a y2"]);
    await store.append(logBatch([at("a", 10n, "x3"), at("a", 15n, "x4"), at("a", 20n, "y2")]));
    assert.deepEqual(await linesOf(store), ["a y2", "a x4", "a x3"]);
    await store.flush();
    assert.deepEqual(await linesOf(store), ["a y2", "a x4", "a x3"]);
    await store.deleteLines({ query: "a x4", ...FOREVER });
    assert.deepEqual(await linesOf(store), ["a y2", "a x3"]);
  });

  test("are known after a restart, and whether they are carried out", async () => {
    const fileSystem = new FaultyFileSystem();
    {
      await using store = await openLogStore(options(fileSystem));
      await store.append(logBatch([at("a", 30n, "x1"), at("b", 20n, "x2")]));
      await store.deleteLines({ query: "a x", startNs: 5n, endNs: NOW_NS });
    }
    fileSystem.crash("nothing", createRandom(1));
    await using store = await openLogStore(options(fileSystem));
    assert.deepEqual(await linesOf(store), ["b x2"]);
    const received = {
      id: 1,
      query: "a x",
      startNs: 5n,
      endNs: NOW_NS,
      createdMs: NOW_MS,
      status: "received",
    };
    assert.deepEqual(store.lineDeletes(), [received]);
    await store.carryOutDeletes();
    assert.deepEqual(store.lineDeletes(), [{ ...received, status: "processed" }]);
    await using reopened = await openLogStore(options(fileSystem));
    assert.deepEqual(reopened.lineDeletes(), [{ ...received, status: "processed" }]);
    await assert.rejects(reopened.cancelDelete(1, { force: true }), /already processed/);
    await assert.rejects(
      reopened.cancelDelete(2, { force: true }),
      /could not find delete request/,
    );
  });

  test("a store that cannot read their queries is not opened, rather than show the lines", async () => {
    const fileSystem = new FaultyFileSystem();
    {
      await using store = await openLogStore(options(fileSystem));
      await store.append(logBatch([at("a", 30n, "x1")]));
      await store.deleteLines({ query: "a x", ...FOREVER });
    }
    await assert.rejects(openLogStore(storeOptions(fileSystem)), {
      code: "store/no-selections",
      message: /deletes\.json: lines are deleted by queries/,
    });
    const failing = () => {
      throw new RangeError("what is this");
    };
    await assert.rejects(openLogStore({ ...storeOptions(fileSystem), compileSelection: failing }), {
      message: /"a x"/,
    });
    await using store = await openLogStore(options(fileSystem));
    assert.deepEqual(await linesOf(store), []);
  });

  test("among overlapping blocks and late lines hide what filtering everything hides", async () => {
    const random = createRandom(11);
    const store = await openLogStore(options(new FaultyFileSystem()));
    await using _ = store;
    let model: PlainEntry[] = [];
    for (let round = 0; round < 12; round++) {
      const entries = Array.from({ length: 60 }, (_, i) =>
        at(
          random() < 0.5 ? "a" : "b",
          BigInt(Math.floor(random() * 2000)),
          `${"xyz"[Math.floor(random() * 3)]}${round}-${i}`,
        ),
      );
      await store.append(logBatch(entries));
      model.push(...entries);
      if (round % 3 === 1) await store.flush();
      if (round % 2 === 0) continue;
      const stream = random() < 0.5 ? "a" : "b";
      const text = "xyz"[Math.floor(random() * 3)]!;
      const startNs = NOW_NS - BigInt(Math.floor(random() * 2000));
      const endNs = startNs + BigInt(Math.floor(random() * 900));
      await store.deleteLines({ query: `${stream} ${text}`, startNs, endNs });
      model = model.filter(
        ({ stream: of, ns, line }) =>
          of !== stream || ns < startNs || ns > endNs || !line.includes(text),
      );
      const expected = model.map(({ stream: of, line }) => `${of} ${line}`).toSorted();
      assert.deepEqual((await linesOf(store)).toSorted(), expected, `round ${round}`);
      if (round % 4 !== 3) continue;
      await store.carryOutDeletes();
      assert.equal(store.statistics().pendingDeletes, 0);
      assert.deepEqual((await linesOf(store)).toSorted(), expected, `round ${round}, carried out`);
    }
    assert.ok(model.length > 300 && model.length < 720, String(model.length));
  });
});

describe("carrying out deletes", () => {
  test("takes lines, and labels of streams without any left, off the disk; other blocks stay as they are", async () => {
    const fileSystem = new FaultyFileSystem();
    await using store = await openLogStore(options(fileSystem));
    await store.append(logBatch([at("a", 30n, "x1"), at("gone", 20n, "x2"), at("a", 10n, "y3")]));
    await store.flush();
    await store.append(logBatch([at("a", 9n, "y4")]));
    await store.flush();
    await store.deleteLines({ query: "a x", ...FOREVER });
    await store.deleteLines({ query: "gone", ...FOREVER });
    await store.carryOutDeletes();
    assert.deepEqual(await linesOf(store), ["a y3", "a y4"]);
    const scope = { matchers: [], startMs: -8e15, endMs: 8e15 };
    assert.deepEqual(await store.labelValues("app", scope), ["a"]);
    // The second block was looked at and not written anew.
    assert.deepEqual(await fileSystem.list("/data/signal/blocks"), ["0000000002", "0000000003"]);
    assert.equal(store.statistics().compactionsTotal, 1);
  });

  test("happens a day later by itself, and then they cannot be taken back", async () => {
    const clock = createTestClock();
    const settings = storeOptions(new FaultyFileSystem(), { clock });
    await using store = await openLogStore({ ...settings, compileSelection });
    await store.append(logBatch([at("a", 30n, "x1"), at("a", 10n, "y2")]));
    const { id } = await store.deleteLines({ query: "a x", ...FOREVER });
    await store.compact();
    assert.equal(store.lineDeletes()[0]!.status, "received");
    await store.cancelDelete(id, { force: false });
    assert.deepEqual(await linesOf(store), ["a x1", "a y2"]);
    const second = await store.deleteLines({ query: "a x", ...FOREVER });
    clock.now += 24 * 3_600_000;
    await store.compact();
    assert.equal(store.lineDeletes()[0]!.status, "processed");
    await assert.rejects(store.cancelDelete(second.id, { force: true }), {
      code: "store/delete-begun",
    });
    assert.deepEqual(await linesOf(store), ["a y2"]);
  });

  test("of all lines leaves a block without any, and later lines are there", async () => {
    const fileSystem = new FaultyFileSystem();
    {
      await using store = await openLogStore(options(fileSystem));
      await store.append(logBatch([at("a", 30n, "x1"), at("b", 30n, "x1")]));
      await store.deleteLines({ query: "a", ...FOREVER });
      await store.deleteLines({ query: "b x", ...FOREVER });
      await store.carryOutDeletes();
      await store.append(logBatch([at("a", 30n, "x1")]));
      assert.deepEqual(await linesOf(store), ["a x1"]);
    }
    await using store = await openLogStore(options(fileSystem));
    assert.deepEqual(await linesOf(store), ["a x1"]);
  });
});

describe("retention rules of streams", () => {
  test("hide lines in heads and blocks as soon as they are too old", async () => {
    const clock = createTestClock();
    const fileSystem = new FaultyFileSystem();
    const rules = [{ matchers: [createMatcher("app", "=", "a")], maxAgeMs: 60_000 }];
    const settings = storeOptions(fileSystem, { clock });
    await using store = await openLogStore({
      ...settings,
      retention: { ...settings.retention, rules },
    });
    const seconds = (count: number) => BigInt(count) * 1_000_000_000n;
    await store.append(logBatch([at("a", seconds(50), "a1"), at("b", seconds(50), "b1")]));
    await store.flush();
    await store.append(logBatch([at("a", seconds(40), "a2"), at("a", seconds(10), "a3")]));
    assert.deepEqual(await linesOf(store), ["a a1", "b b1", "a a2", "a a3"]);
    clock.now += 15_000;
    assert.deepEqual(await linesOf(store), ["b b1", "a a2", "a a3"]);
    clock.now += 10_000;
    assert.deepEqual(await linesOf(store), ["b b1", "a a3"]);
    clock.now += 60_000;
    assert.deepEqual(await linesOf(store), ["b b1"]);
    await store.flush();
    await store.compact();
    const scope = { matchers: [], startMs: -8e15, endMs: 8e15 };
    assert.deepEqual(await store.labelValues("app", scope), ["b"]);
    assert.deepEqual(await linesOf(store), ["b b1"]);
  });
});
