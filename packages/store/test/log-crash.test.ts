/**
 * Power cuts and disk faults at every operation of a life in which lines are appended, deleted by a query and taken off the disk, and of one with merges. After
 * each, what was acknowledged and not deleted is there once, what was deleted stays away, and the store goes on working.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { LogStore } from "../src/api.ts";
import { openLogStore } from "../src/log-store.ts";
import { cutPowerEverywhere, refuseEverywhere, SURVIVALS } from "./fault-sweep.ts";
import type { Sweep } from "./fault-sweep.ts";
import { PowerCut } from "./faulty-file-system.ts";
import type { FaultyFileSystem } from "./faulty-file-system.ts";
import { compileSelection } from "./line-selection.ts";
import { logBatch, NOW_MS, readEntries, storeOptions } from "./store-fixtures.ts";

const NOW_NS = BigInt(NOW_MS) * 1_000_000n;
const FOREVER = { startNs: 0n, endNs: NOW_NS };

/** Lines by what must be true of them; those of which an operation failed half way may be either. */
interface Books {
  readonly there: Set<string>;
  readonly gone: Set<string>;
}

function openFor(fileSystem: FaultyFileSystem): Promise<LogStore> {
  return openLogStore({ ...storeOptions(fileSystem), compileSelection });
}

async function linesOf(store: LogStore): Promise<string[]> {
  return (await readEntries(store)).map((entry) => entry.split(" ")[1]!);
}

interface Life {
  readonly attempt: (step: (store: LogStore) => Promise<unknown>) => Promise<boolean>;
  readonly append: (lines: readonly string[]) => Promise<void>;
  readonly remove: (query: string) => Promise<void>;
}

/** A store on a disk that may fail, and what it was told. */
async function begin(
  fileSystem: FaultyFileSystem,
  { there, gone }: Books,
  { mayFail }: { readonly mayFail: boolean },
): Promise<Life> {
  let store: LogStore | undefined;
  const attempt = async (step: (store: LogStore) => Promise<unknown>): Promise<boolean> => {
    try {
      await step(store!);
      return true;
    } catch (error) {
      if (fileSystem.isOff) throw new PowerCut();
      if (!mayFail) throw error;
      return false;
    }
  };
  const append = async (lines: readonly string[]) => {
    const entries = lines.map((line, i) => ({
      stream: line.startsWith("b") ? "b" : "a",
      ns: NOW_NS - 1000n + BigInt(i),
      line,
    }));
    if (await attempt((open) => open.append(logBatch(entries))))
      for (const line of lines) there.add(line);
  };
  const remove = async (query: string) => {
    const [stream, text = ""] = query.split(" ");
    const meant = [...there].filter((line) => line.startsWith(stream!) && line.includes(text));
    for (const line of meant) there.delete(line);
    if (await attempt((open) => open.deleteLines({ query, ...FOREVER })))
      for (const line of meant) gone.add(line);
  };
  for (let tries = 0; store === undefined && tries < 8; tries++)
    await attempt(async () => void (store = await openFor(fileSystem)));
  return { attempt, append, remove };
}

async function liveWithDeletes({ attempt, append, remove }: Life): Promise<void> {
  await append(["a-x1", "a-y2", "b-x3"]);
  await attempt((open) => open.flush());
  await append(["a-x4", "b-y5"]);
  await remove("a x");
  await append(["a-x6", "b-y7"]);
  await attempt((open) => open.carryOutDeletes());
  await remove("b");
  await append(["b-x8"]);
  await attempt((open) => open.carryOutDeletes());
  await append(["a-y9"]);
  await attempt(async (open) => open[Symbol.asyncDispose]());
}

/** Merges twice: lines of one time, so that pages overlap, and of which some are deleted. */
async function liveWithMerges({ attempt, append, remove }: Life): Promise<void> {
  for (let n = 0; n < 5; n++) {
    await append([`a-x${n}`, `b-y${n}`, `a-z${n}`]);
    await attempt((open) => open.flush());
    if (n === 2) await remove("a x1");
  }
  await append(["a-x6"]);
  await attempt((open) => open.compact());
  await remove("b");
  for (let n = 10; n < 14; n++) {
    await append([`a-x${n}`, `b-y${n}`]);
    await attempt((open) => open.flush());
  }
  const merged = attempt((open) => open.compact());
  const appended = append(["a-y99"]);
  await Promise.allSettled([merged, appended]);
  await Promise.all([merged, appended]);
  await attempt(async (open) => open[Symbol.asyncDispose]());
}

async function check(fileSystem: FaultyFileSystem, { there, gone }: Books): Promise<void> {
  const expect = async (store: LogStore, when: string): Promise<readonly string[]> => {
    assert.deepEqual(store.statistics().quarantined, [], when);
    const lines = await linesOf(store);
    assert.equal(new Set(lines).size, lines.length, `${when}: ${lines.join()}`);
    for (const line of there) assert.ok(lines.includes(line), `${when}: lost ${line}`);
    for (const line of gone) assert.ok(!lines.includes(line), `${when}: ${line} is back`);
    return lines.toSorted();
  };
  let last: readonly string[];
  {
    await using store = await openFor(fileSystem);
    const first = await expect(store, "after the fault");
    await store.carryOutDeletes();
    assert.deepEqual(await expect(store, "carried out"), first);
    await store.compact();
    assert.deepEqual(await expect(store, "merged"), first);
    await store.append(logBatch([{ stream: "a", ns: NOW_NS, line: "a-x99" }]));
    there.add("a-x99");
    last = await expect(store, "after an append");
  }
  await using store = await openFor(fileSystem);
  assert.deepEqual(await expect(store, "after another start"), last);
}

const LIVES = [
  { name: "deletes of lines", live: liveWithDeletes, step: 3, cutsMin: 25 },
  { name: "merges of logs", live: liveWithMerges, step: 8, cutsMin: 25 },
] as const;

for (const { name, live, step, cutsMin } of LIVES) {
  const sweep: Sweep<Books> = {
    createBooks: () => ({ there: new Set(), gone: new Set() }),
    live: async (fileSystem, books, options) => {
      await live(await begin(fileSystem, books, options));
      assert.ok(books.there.size > 0, "the store did not recover");
    },
    check,
  };

  describe(`${name}: power cut at every operation`, () => {
    for (const [offset, survival] of SURVIVALS.entries()) {
      test(`unsynced changes that survive: ${survival}`, async () => {
        const every = { first: 1 + offset, step };
        const cuts = await cutPowerEverywhere(sweep, survival, every);
        assert.ok(cuts > cutsMin, `only ${cuts} operations were cut`);
      });
    }
  });

  describe(`${name}: the disk refuses operations from the n-th on`, () => {
    for (const fault of [
      { code: "ENOSPC", count: 1 },
      { code: "EIO", count: 4 },
    ])
      test(`${fault.code} for ${fault.count}`, () =>
        refuseEverywhere(sweep, fault, { first: 1, step: step + 1 }));
  });
}
