/**
 * Power cuts and disk faults at every operation of a life with seals, deletes, cleans and merges. After each, what was acknowledged and not deleted
 * is there exactly once, what was deleted stays away, and the store goes on working.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMatcher } from "@finch/model";
import type { MetricStore } from "../src/api.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { cutPowerEverywhere, refuseEverywhere, SURVIVALS } from "./fault-sweep.ts";
import type { Sweep } from "./fault-sweep.ts";
import { PowerCut } from "./faulty-file-system.ts";
import type { FaultyFileSystem } from "./faulty-file-system.ts";
import { NOW_MS, readSamples, sampleBatch, storeOptions } from "./store-fixtures.ts";
import type { PlainSample } from "./store-fixtures.ts";

/** What must be true whatever happened: samples as `series@t=value`. */
interface Books {
  readonly there: Set<string>;
  readonly gone: Set<string>;
  sent: number;
}

function nameOf({ series, t, v }: PlainSample): string {
  return `${series}@${t}=${v}`;
}

async function read(store: MetricStore): Promise<string[]> {
  return Array.from(await readSamples(store), ([key, value]) => `${key}=${value}`);
}

/** One store on a disk that may fail, and what it was told. */
class Life {
  readonly #fileSystem: FaultyFileSystem;
  readonly #books: Books;
  readonly #mayFail: boolean;
  #store: MetricStore | undefined;

  constructor(
    fileSystem: FaultyFileSystem,
    books: Books,
    { mayFail }: { readonly mayFail: boolean },
  ) {
    this.#fileSystem = fileSystem;
    this.#books = books;
    this.#mayFail = mayFail;
  }

  async attempt(step: (store: MetricStore) => Promise<unknown>): Promise<void> {
    try {
      await step(this.#store!);
    } catch (error) {
      if (this.#fileSystem.isOff) throw new PowerCut();
      if (!this.#mayFail) throw error;
    }
  }

  async open(): Promise<void> {
    for (let tries = 0; this.#store === undefined && tries < 8; tries++)
      await this.attempt(async () => void (this.#store = await openFor(this.#fileSystem)));
  }

  async reopen(): Promise<void> {
    await this.attempt(async (store) => store[Symbol.asyncDispose]());
    this.#store = undefined;
    await this.open();
  }

  async append(samples: readonly PlainSample[]): Promise<void> {
    this.#books.sent += samples.length;
    await this.attempt(async (store) => {
      await store.append(sampleBatch(samples));
      for (const sample of samples) this.#books.there.add(nameOf(sample));
    });
  }

  async delete(series: string, startMs: number, endMs: number): Promise<boolean> {
    const matchers = [createMatcher("__name__", "=", series)];
    const meant: string[] = [];
    for (const name of this.#books.there) {
      const [, found, t] = /^(.+)@(-?\d+)=/.exec(name)!;
      if (found === series && Number(t) >= startMs && Number(t) <= endMs) meant.push(name);
    }
    for (const name of meant) this.#books.there.delete(name);
    let isDone = false;
    await this.attempt(async (store) => {
      await store.deleteSeries({ matchers, startMs, endMs });
      for (const name of meant) this.#books.gone.add(name);
      isDone = true;
    });
    return isDone;
  }
}

function openFor(fileSystem: FaultyFileSystem): Promise<MetricStore> {
  return openMetricStore(storeOptions(fileSystem));
}

async function check(fileSystem: FaultyFileSystem, { there, gone, sent }: Books): Promise<void> {
  const expect = async (store: MetricStore, when: string): Promise<readonly string[]> => {
    const inBlocks = store.blocks().reduce((sum, { samples }) => sum + samples, 0);
    assert.ok(inBlocks <= sent + 1, `${when}: no sample is in two blocks`);
    assert.deepEqual(store.statistics().quarantined, [], when);
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

/** Deletes a part of what is there, and ends with data in memory. */
async function liveShort(life: Life): Promise<void> {
  await life.open();
  for (let row = 0; row < 6; row++) {
    await life.append([
      { series: "a", t: NOW_MS - 1000 + row, v: row },
      { series: row % 2 === 0 ? "even" : "odd", t: NOW_MS - 2000 + row, v: row },
    ]);
    if (row !== 4) await life.attempt((store) => store.flush());
    if (row === 2) await life.delete("even", NOW_MS - 2000, NOW_MS - 1997);
  }
  await life.attempt((store) => store.compact());
  await life.attempt((store) => store.cleanTombstones());
  await life.attempt(async (store) => store[Symbol.asyncDispose]());
}

/** Waits for both, also when one fails: nothing of a life may go on after its power cut. */
async function together(...work: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(work);
  await Promise.all(work);
}

/** Deletes and takes the same times again, merges and cleans under appends, starts again in between. */
async function liveLong(life: Life): Promise<void> {
  const append = (row: number, t: number) =>
    life.append([
      { series: "a", t, v: row },
      { series: `only_${row}`, t, v: row },
      { series: "late", t: t - 50_000 + row, v: row },
    ]);
  await life.open();
  for (let n = 0; n < 4; n++) {
    await append(n, NOW_MS - 100_000 + 1000 * n);
    await life.attempt((store) => store.flush());
  }
  const isDeleted = await life.delete("a", NOW_MS - 99_000, NOW_MS - 98_000);
  // The time of what was deleted, with another value.
  if (isDeleted) await append(10, NOW_MS - 99_000);
  await life.attempt((store) => store.compact());
  await life.delete("late", -Infinity, Infinity);
  await together(
    append(11, NOW_MS - 90_000),
    life.attempt((store) => store.compact()),
  );
  await life.attempt((store) => store.cleanTombstones());
  await life.reopen();
  await append(12, NOW_MS - 80_000);
  await life.delete("only_0", -Infinity, NOW_MS);
  await together(
    life.attempt((store) => store.cleanTombstones()),
    append(13, NOW_MS - 70_000),
  );
  await append(19, NOW_MS - 30_000);
  await append(20, NOW_MS - 20_000);
}

const LIVES = [
  { name: "a short life", live: liveShort, faults: 2, cutsMin: 100 },
  // Faults take turns: all of them at all of its operations would take minutes.
  { name: "a long life", live: liveLong, faults: 3, cutsMin: 70 },
] as const;

const FAULTS = [
  { code: "ENOSPC", count: 1 },
  { code: "EIO", count: 1 },
  { code: "ENOSPC", count: 6 },
] as const;

for (const { name, live, faults, cutsMin } of LIVES) {
  const isLong = live === liveLong;
  const sweep: Sweep<Books> = {
    createBooks: () => ({ there: new Set(), gone: new Set(), sent: 0 }),
    live: async (fileSystem, books, options) => {
      await live(new Life(fileSystem, books, options));
      assert.ok(books.there.size > 0, "the store did not recover");
    },
    check,
  };

  describe(`${name}: power cut at every operation`, () => {
    for (const [offset, survival] of SURVIVALS.entries()) {
      test(`unsynced changes that survive: ${survival}`, async () => {
        const every = { first: 1 + offset, step: SURVIVALS.length };
        const cuts = await cutPowerEverywhere(sweep, survival, isLong ? every : {});
        assert.ok(cuts > cutsMin, `only ${cuts} operations were cut`);
      });
    }
  });

  describe(`${name}: the disk refuses operations from the n-th on`, () => {
    for (const [offset, fault] of FAULTS.slice(0, faults).entries()) {
      const every = { first: 1 + offset, step: 2 * FAULTS.length };
      test(`${fault.code} for ${fault.count}`, () =>
        refuseEverywhere(sweep, fault, isLong ? every : {}));
    }
  });
}
