/** Patterns that are kept with the pages of logs: the same in the head, in blocks, after merges and a restart; what is hidden does not count. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createMatcher } from "@finch/model";
import type { LogStore, PatternRequest } from "../src/api.ts";
import { openLogStore } from "../src/log-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { compileSelection } from "./line-selection.ts";
import { createTestClock, logBatch, NOW_MS, storeOptions } from "./store-fixtures.ts";
import type { PlainEntry } from "./store-fixtures.ts";

const SECOND_NS = 1_000_000_000n;
const HOUR = 3600;
/** Two days before now, at a full hour. */
const BASE_S = Math.floor(NOW_MS / 1000 / HOUR) * HOUR - 48 * HOUR;

const LINES = [
  (n: number) => `GET /item/${n} took ${n % 7}ms`,
  (n: number) => `user ${n} logged in from 10.0.0.${n % 250}`,
  (n: number) => `{"level":"warn","n":${n},"msg":"queue of ${n % 5} items is slow"}`,
  (n: number) => `level=info id=${n} msg="job done" took=${n % 9}s`,
] as const;

const PATTERNS = [
  "GET <_> took <_>",
  "user <_> logged in from <_>",
  "<_>queue of <_> items is slow<_>",
  'level=info id=<_> msg="job done" took=<_>',
];

/** A line each second, in turns. */
function entriesOf(fromSeconds: number, count: number, padding = ""): PlainEntry[] {
  return Array.from({ length: count }, (_, i) => {
    const n = fromSeconds - BASE_S + i;
    return {
      stream: "a",
      ns: BigInt(fromSeconds + i) * SECOND_NS,
      line: LINES[n % LINES.length]!(n + 10_000) + padding,
      metadata: { detected_level: n % 8 === 2 ? "warn" : "info" },
    };
  });
}

async function patternsOf(store: LogStore, options: Partial<PatternRequest> = {}) {
  const { patterns, others, sinceNs } = await store.patterns({
    matchers: [createMatcher("app", "=", "a")],
    startNs: -(2n ** 62n),
    endNs: 2n ** 62n,
    stepSeconds: HOUR,
    isLate: () => false,
    signal: new AbortController().signal,
    ...options,
  });
  assert.equal(sinceNs, undefined);
  return { patterns, others };
}

/** Lines by pattern and hour, of all levels. */
async function countsOf(store: LogStore, options: Partial<PatternRequest> = {}) {
  const { patterns, others } = await patternsOf(store, options);
  assert.equal(others, 0);
  const counts = new Map<string, number>();
  for (const { pattern, samples } of patterns)
    for (const [step, count] of samples) {
      const key = `${pattern} ${(step - BASE_S) / HOUR}`;
      counts.set(key, (counts.get(key) ?? 0) + count);
    }
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function expectedCounts(hours: readonly number[], perHour = 900): Record<string, number> {
  return Object.fromEntries(
    PATTERNS.flatMap((pattern) => hours.map((hour) => [`${pattern} ${hour}`, perHour] as const))
      .map(([key, count]) => [key, count] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

test("patterns are the same in the head, in blocks, merged and after a restart", async () => {
  const fileSystem = new FaultyFileSystem();
  const clock = createTestClock();
  const options = { ...storeOptions(fileSystem, { clock }), compileSelection };
  const hours = [0, 1, 2, 3, 4];
  const expected = expectedCounts(hours);
  {
    await using store = await openLogStore(options);
    for (const hour of hours) await store.append(logBatch(entriesOf(BASE_S + hour * HOUR, HOUR)));
    assert.deepEqual(await countsOf(store), expected, "open pages");
  }
  {
    await using store = await openLogStore(options);
    assert.deepEqual(await countsOf(store), expected, "after a restart");
    await store.flush();
    assert.deepEqual(await countsOf(store), expected, "in a block");
    const levels = (await patternsOf(store)).patterns.filter(({ level }) => level === "warn");
    assert.deepEqual(
      levels.map(({ pattern, total }) => [pattern, total]),
      [["<_>queue of <_> items is slow<_>", 2250]],
    );
    for (const hour of [5, 6, 7, 8]) {
      await store.append(logBatch(entriesOf(BASE_S + hour * HOUR, HOUR)));
      await store.flush();
      hours.push(hour);
    }
    assert.ok(store.statistics().blocks > 1);
    clock.now += 1;
    await store.compact();
    assert.equal(store.statistics().blocks, 1);
    assert.deepEqual(await countsOf(store), expectedCounts(hours), "merged");
  }
  await using store = await openLogStore(options);
  assert.deepEqual(await countsOf(store), expectedCounts(hours), "merged, after a restart");
  const range = { startNs: BigInt(BASE_S + HOUR) * SECOND_NS };
  const some = await countsOf(store, { ...range, endNs: BigInt(BASE_S + 3 * HOUR) * SECOND_NS });
  assert.deepEqual(some, expectedCounts([1, 2]));
});

test("full pages are closed with their patterns, and copied with them by merges", async () => {
  const fileSystem = new FaultyFileSystem();
  const clock = createTestClock();
  await using store = await openLogStore(storeOptions(fileSystem, { clock }));
  const padding = ` ${"x".repeat(600)}`;
  const count = async () => {
    const { patterns, others } = await patternsOf(store);
    return patterns.reduce((sum, { total }) => sum + total, others);
  };
  for (let block = 0; block < 4; block++) {
    await store.append(logBatch(entriesOf(BASE_S + block * 2 * HOUR, 2 * HOUR, padding)));
    // Wherever the pages are: open, full, closed.
    for (let turn = 0; turn < 3; turn++) {
      assert.equal(await count(), (block + 1) * 2 * HOUR);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await store.flush();
  }
  clock.now += 1;
  await store.compact();
  assert.equal(store.statistics().blocks, 1);
  assert.equal(await count(), 8 * HOUR);
});

test("a range that ends within a bin takes its share, steps within one theirs", async () => {
  await using store = await openLogStore(storeOptions(new FaultyFileSystem()));
  // A line every ten minutes for a day: bins are hours, or longer.
  const entries = Array.from({ length: 144 }, (_, i) => ({
    stream: "a",
    ns: BigInt(BASE_S + 600 * i) * SECOND_NS,
    line: `tick ${i}`,
  }));
  await store.append(logBatch(entries));
  await store.flush();
  const total = async (startS: number, endS: number, stepSeconds: number) => {
    const range = { startNs: BigInt(startS) * SECOND_NS, endNs: BigInt(endS) * SECOND_NS };
    const [found] = (await patternsOf(store, { ...range, stepSeconds })).patterns;
    return found!;
  };
  assert.equal((await total(BASE_S, BASE_S + 24 * HOUR, 60)).total, 144);
  const half = await total(BASE_S, BASE_S + 9000, 600);
  assert.equal(half.total, 15);
  assert.deepEqual(
    half.samples.map(([step]) => (step - BASE_S) / 600),
    [...Array(15).keys()],
  );
});

test("hidden lines do not count, their words are not told, and rows may be chosen", async () => {
  const fileSystem = new FaultyFileSystem();
  const clock = createTestClock();
  const options = { ...storeOptions(fileSystem, { clock }), compileSelection };
  await using store = await openLogStore(options);
  await store.append(logBatch(entriesOf(BASE_S, HOUR)));
  await store.deleteLines({ query: "a logged", startNs: 0n, endNs: 2n ** 62n });
  const left = expectedCounts([0]);
  delete left[`${PATTERNS[1]!} 0`];
  assert.deepEqual(await countsOf(store), left, "hidden");
  await store.carryOutDeletes();
  assert.equal(store.statistics().pendingDeletes, 0);
  assert.deepEqual(await countsOf(store), left, "gone");
  const { rows } = compileSelection("a job");
  assert.deepEqual(await countsOf(store, { rows: rows! }), { [`${PATTERNS[3]!} 0`]: 900 });
});

test("what takes too long ends with the newest, and says from when on", async () => {
  await using store = await openLogStore(storeOptions(new FaultyFileSystem()));
  for (const hour of [0, 1]) {
    await store.append(logBatch(entriesOf(BASE_S + hour * HOUR, HOUR)));
    await store.flush();
  }
  const { patterns, sinceNs } = await store.patterns({
    matchers: [createMatcher("app", "=", "a")],
    startNs: 0n,
    endNs: 2n ** 62n,
    stepSeconds: HOUR,
    isLate: () => true,
    signal: new AbortController().signal,
  });
  assert.ok(sinceNs! > BigInt(BASE_S) * SECOND_NS && sinceNs! <= BigInt(BASE_S + HOUR) * SECOND_NS);
  assert.ok(patterns.every(({ samples }) => samples.every(([step]) => step === BASE_S + HOUR)));
});
