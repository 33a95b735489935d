/**
 * Power cuts and disk faults at every operation of a life with seals, deletes, cleans and merges. After each, what was acknowledged and not deleted
 * is there exactly once, what was deleted stays away, and the store goes on working.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMatcher } from "@finch/model";
import type { MetricStore } from "../src/api.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { FaultyFileSystem, PowerCut } from "./faulty-file-system.ts";
import type { Survival } from "./faulty-file-system.ts";
import { createRandom, NOW_MS, readSamples, sampleBatch, storeOptions } from "./store-fixtures.ts";
import type { PlainSample } from "./store-fixtures.ts";

const SURVIVALS: readonly Survival[] = ["nothing", "everything", "some"];

/** What must be true whatever happened: samples as `series@t=value`. */
interface Books {
  readonly there: Set<string>;
  readonly gone: Set<string>;
}

function nameOf({ series, t, v }: PlainSample): string {
  return `${series}@${t}=${v}`;
}

async function read(store: MetricStore): Promise<string[]> {
  return Array.from(await readSamples(store), ([key, value]) => `${key}=${value}`);
}

/** A life of one store on a disk that may fail. */
class Life {
  readonly books: Books = { there: new Set(), gone: new Set() };
  readonly #fileSystem: FaultyFileSystem;
  readonly #mayFail: boolean;
  #store: MetricStore | undefined;

  constructor(fileSystem: FaultyFileSystem, { mayFail }: { readonly mayFail: boolean }) {
    this.#fileSystem = fileSystem;
    this.#mayFail = mayFail;
  }

  async live(): Promise<void> {
    await this.#open();
    for (let n = 0; n < 4; n++) {
      await this.#append(n, NOW_MS - 100_000 + 1000 * n);
      await this.#attempt((store) => store.flush());
    }
    const isDeleted = await this.#delete("a", NOW_MS - 99_000, NOW_MS - 98_000);
    // The time of what was deleted, with another value.
    if (isDeleted) await this.#append(10, NOW_MS - 99_000);
    await this.#attempt((store) => store.compact());
    await this.#delete("late", -Infinity, Infinity);
    await Promise.all([
      this.#append(11, NOW_MS - 90_000),
      this.#attempt((store) => store.compact()),
    ]);
    await this.#attempt((store) => store.cleanTombstones());
    await this.#reopen();
    await this.#append(12, NOW_MS - 80_000);
    await this.#delete("only_0", -Infinity, NOW_MS);
    await Promise.all([
      this.#attempt((store) => store.cleanTombstones()),
      this.#append(13, NOW_MS - 70_000),
    ]);
    await this.#append(19, NOW_MS - 30_000);
    await this.#append(20, NOW_MS - 20_000);
  }

  async #attempt(step: (store: MetricStore) => Promise<unknown>): Promise<void> {
    try {
      await step(this.#store!);
    } catch (error) {
      if (this.#fileSystem.isOff) throw new PowerCut();
      if (!this.#mayFail) throw error;
    }
  }

  async #open(): Promise<void> {
    for (let tries = 0; this.#store === undefined && tries < 8; tries++)
      await this.#attempt(async () => void (this.#store = await openFor(this.#fileSystem)));
  }

  async #reopen(): Promise<void> {
    await this.#attempt(async (store) => store[Symbol.asyncDispose]());
    this.#store = undefined;
    await this.#open();
  }

  async #append(row: number, t: number): Promise<void> {
    const samples = [
      { series: "a", t, v: row },
      { series: `only_${row}`, t, v: row },
      { series: "late", t: t - 50_000 + row, v: row },
    ];
    await this.#attempt(async (store) => {
      await store.append(sampleBatch(samples));
      for (const sample of samples) this.books.there.add(nameOf(sample));
    });
  }

  async #delete(series: string, startMs: number, endMs: number): Promise<boolean> {
    const matchers = [createMatcher("__name__", "=", series)];
    const meant: string[] = [];
    for (const name of this.books.there) {
      const [, found, t] = /^(.+)@(-?\d+)=/.exec(name)!;
      if (found === series && Number(t) >= startMs && Number(t) <= endMs) meant.push(name);
    }
    for (const name of meant) this.books.there.delete(name);
    let isDone = false;
    await this.#attempt(async (store) => {
      await store.deleteSeries({ matchers, startMs, endMs });
      for (const name of meant) this.books.gone.add(name);
      isDone = true;
    });
    return isDone;
  }
}

function openFor(fileSystem: FaultyFileSystem): Promise<MetricStore> {
  return openMetricStore(storeOptions(fileSystem));
}

async function check(fileSystem: FaultyFileSystem, { there, gone }: Books): Promise<void> {
  const expect = async (store: MetricStore, when: string): Promise<readonly string[]> => {
    const found = new Set(await read(store));
    for (const name of there)
      assert.ok(found.has(name), `${when}: lost ${name}; there are ${[...found].join(", ")}`);
    for (const name of gone) assert.ok(!found.has(name), `${when}: ${name} is back`);
    return [...found].sort();
  };
  let last: readonly string[];
  {
    await using store = await openFor(fileSystem);
    const first = await expect(store, "after the fault");
    await store.compact();
    await store.cleanTombstones();
    assert.deepEqual(await expect(store, "after a merge"), first);
    const sample = { series: "z", t: NOW_MS - 10_000, v: 99 };
    await store.append(sampleBatch([sample]));
    await store.flush();
    there.add(nameOf(sample));
    last = await expect(store, "after a seal");
  }
  await using store = await openFor(fileSystem);
  assert.deepEqual(await expect(store, "after another start"), last);
}

/** Of the faults, every second operation meets one: `compaction.test.ts` has a shorter life with all of them. */
const FAULTS = [
  ["ENOSPC", 1],
  ["ENOSPC", 6],
  ["EIO", 1],
] as const;

describe("a power cut at every operation, and what of the unsynced changes survives in turn", () => {
  for (const [offset, survival] of SURVIVALS.entries()) {
    test(survival, async () => {
      let cuts = 0;
      for (let n = 1 + offset; ; n += SURVIVALS.length, cuts++) {
        const fileSystem = new FaultyFileSystem();
        fileSystem.cutPowerAt(n);
        const life = new Life(fileSystem, { mayFail: false });
        const isCut = await life.live().then(
          () => false,
          (error: unknown) => {
            if (fileSystem.isOff) return true;
            throw error;
          },
        );
        if (!isCut) break;
        fileSystem.crash(survival, createRandom(n));
        await check(fileSystem, life.books).catch((error: unknown) => {
          throw new Error(`power cut at operation ${n}`, { cause: error });
        });
      }
      assert.ok(cuts > 70, `only ${cuts} operations were cut`);
    });
  }
});

describe("the disk refuses operations from the n-th on", () => {
  for (const [offset, [code, count]] of FAULTS.entries()) {
    test(`${code} for ${count}`, async () => {
      let isReached = true;
      for (let n = 1 + offset; isReached; n += 2 * FAULTS.length) {
        const fileSystem = new FaultyFileSystem();
        fileSystem.failAt(n, count, code);
        const life = new Life(fileSystem, { mayFail: true });
        await life.live();
        isReached = fileSystem.hasFailed;
        if (isReached) assert.ok(life.books.there.size > 0);
        fileSystem.crash("nothing", createRandom(n));
        await check(fileSystem, life.books).catch((error: unknown) => {
          throw new Error(`${code} at operation ${n}`, { cause: error });
        });
      }
    });
  }
});
