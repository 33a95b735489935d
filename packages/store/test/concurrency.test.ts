/** Appends, seals, selections and expiries at once: every selection sees each row that was acknowledged before it began, once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { openLogStore } from "../src/log-store.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import {
  logBatch,
  NOW_MS,
  readEntries,
  readSamples,
  sampleBatch,
  storeOptions,
} from "./store-fixtures.ts";

const WRITERS = 4;
const ROUNDS = 300;

/** Runs writers beside a reader and a sealer until the writers are done; returns what was acknowledged. */
async function race(actions: {
  readonly append: (writer: number, round: number) => Promise<readonly string[]>;
  readonly read: () => Promise<Iterable<string>>;
  readonly maintain: () => Promise<void>;
}): Promise<Set<string>> {
  const acknowledged = new Set<string>();
  let isDone = false;
  let reads = 0;
  const write = async (writer: number) => {
    for (let round = 0; round < ROUNDS; round++) {
      for (const row of await actions.append(writer, round)) acknowledged.add(row);
      // The disk in memory is done within the turn; a real one lets others run.
      await setImmediate();
    }
  };
  const loop = async (body: () => Promise<void>) => {
    while (!isDone) {
      await body();
      await setImmediate();
    }
  };
  const others = [
    loop(actions.maintain),
    loop(async () => {
      const before = [...acknowledged];
      const found = new Set(await actions.read());
      for (const row of before) assert.ok(found.has(row), `lost ${row}`);
      reads++;
    }),
  ];
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer))).finally(() => {
    isDone = true;
  });
  await Promise.all(others);
  assert.ok(reads > 3, `only ${reads} selections`);
  return acknowledged;
}

test("metrics", async () => {
  const options = storeOptions(new FaultyFileSystem());
  await using store = await openMetricStore(options);
  const acknowledged = await race({
    async append(writer, round) {
      const samples = [0, 1, 2].map((i) => ({
        series: `w${writer}_${(round + i) % 7}`,
        t: NOW_MS - 100_000 + ((round * 37) % ROUNDS) * 100 + i,
        v: round,
      }));
      const { accepted } = await store.append(sampleBatch(samples));
      assert.equal(accepted, 3);
      return samples.map(({ series, t }) => `${series}@${t}`);
    },
    read: async () => (await readSamples(store)).keys(),
    maintain: async () => {
      await store.flush();
      await store.expire();
    },
  });
  assert.ok(store.statistics().blocks > 2);
  assert.deepEqual(new Set((await readSamples(store)).keys()), acknowledged);
});

test("logs", async () => {
  const options = storeOptions(new FaultyFileSystem());
  await using store = await openLogStore(options);
  const acknowledged = await race({
    async append(writer, round) {
      const entries = [0, 1, 2].map((i) => ({
        stream: `s${(writer + i) % 3}`,
        ns: BigInt(NOW_MS - 1000 + ((round * 37) % ROUNDS)) * 1_000_000n,
        line: `${writer} ${round} ${i}`,
      }));
      const { accepted } = await store.append(logBatch(entries));
      assert.equal(accepted, 3);
      return entries.map(({ stream, ns, line }) => `${stream}@${ns} ${line}`);
    },
    read: () => readEntries(store, { direction: "backward" }),
    maintain: async () => {
      await store.flush();
      await store.expire();
    },
  });
  assert.ok(store.statistics().blocks > 2);
  const found = await readEntries(store);
  assert.equal(new Set(found).size, found.length);
  assert.deepEqual(new Set(found), acknowledged);
});
