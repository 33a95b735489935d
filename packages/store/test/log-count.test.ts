/** Lines counted by what pages know of themselves: as many as are found one by one, wherever they are, in any range and steps. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createMatcher } from "@finch/model";
import type { LogStore } from "../src/api.ts";
import { openLogStore } from "../src/log-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { compileSelection } from "./line-selection.ts";
import { createRandom, createTestClock, logBatch, NOW_MS, storeOptions } from "./store-fixtures.ts";
import type { PlainEntry } from "./store-fixtures.ts";

const NOW_NS = BigInt(NOW_MS) * 1_000_000n;
const MATCHERS = [createMatcher("kind", "=", "test")];

interface Range {
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly stepNs: bigint;
}

/** Lines and bytes by stream and step, and how many pages were read for them. */
async function counted(store: LogStore, { startNs, endNs, stepNs }: Range) {
  const sums = new Map<string, readonly [lines: number, bytes: number]>();
  const add = (key: string, lines: number, bytes: number) => {
    const [l, b] = sums.get(key) ?? [0, 0];
    sums.set(key, [l + lines, b + bytes]);
  };
  const stepOf = (ns: bigint) => (ns - startNs) / stepNs;
  const signal = new AbortController().signal;
  const isOne = (minNs: bigint, maxNs: bigint) => stepOf(minNs) === stepOf(maxNs);
  const request = { matchers: MATCHERS, startNs, endNs, isOne, signal };
  const statistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
  for await (const count of store.count(request, statistics)) {
    const app = count.labels.get("app");
    if (count.kind === "counted") {
      add(`${app} ${stepOf(count.minNs)}`, count.lines, count.bytes);
      continue;
    }
    const { entries } = count;
    for (let row = 0; row < entries.count; row++) {
      const bytes = entries.lineBounds[row + 1]! - entries.lineBounds[row]!;
      add(`${app} ${stepOf(entries.timestampsNs[row]!)}`, 1, bytes);
    }
  }
  return { sums: [...sums].toSorted(byKey), pagesRead: statistics.pagesRead };
}

async function expected(store: LogStore, { startNs, endNs, stepNs }: Range) {
  const sums = new Map<string, readonly [lines: number, bytes: number]>();
  const select = {
    matchers: MATCHERS,
    startNs,
    endNs,
    needles: [],
    lines: "all",
    direction: "forward",
    signal: new AbortController().signal,
  } as const;
  const statistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
  for await (const { labels, entries } of store.select(select, statistics))
    for (let row = 0; row < entries.count; row++) {
      const key = `${labels.get("app")} ${(entries.timestampsNs[row]! - startNs) / stepNs}`;
      const [lines, bytes] = sums.get(key) ?? [0, 0];
      const length = entries.lineBounds[row + 1]! - entries.lineBounds[row]!;
      sums.set(key, [lines + 1, bytes + length]);
    }
  return [...sums].toSorted(byKey);
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

test("as many as there are, in any range and by any steps", async () => {
  const random = createRandom(8);
  const clock = createTestClock();
  const settings = storeOptions(new FaultyFileSystem(), { clock });
  await using store = await openLogStore({ ...settings, compileSelection });
  const check = async (where: string) => {
    for (let n = 0; n < 12; n++) {
      const startNs = NOW_NS - BigInt(Math.floor(random() * 9000));
      const endNs = startNs + BigInt(Math.floor(random() * 6000) + 1);
      const stepNs = BigInt(Math.floor(random() * 3000) + 1);
      const range = { startNs, endNs, stepNs };
      const { sums } = await counted(store, range);
      assert.deepEqual(sums, await expected(store, range), `${where}, ${JSON.stringify(n)}`);
    }
  };
  for (let round = 0; round < 4; round++) {
    const entries = Array.from({ length: 300 }, (_, i): PlainEntry => {
      const ago = BigInt(Math.floor(random() * 3000) + (3 - round) * 2000);
      const line = random() < 0.3 ? `tick ${i % 4}` : `line ${i} ${"y".repeat(i % 60)}`;
      return { stream: "abc"[Math.floor(random() * 3)]!, ns: NOW_NS - ago, line };
    });
    await store.append(logBatch(entries));
    await check(`round ${round}, in the head`);
    await store.flush();
    await check(`round ${round}, in blocks`);
  }
  await store.deleteLines({ query: "a line", startNs: NOW_NS - 5000n, endNs: NOW_NS });
  await check("with hidden lines");
  clock.now += 1;
  await store.compact();
  await check("merged");
});

test("pages that lie in the range as a whole are not read", async () => {
  await using store = await openLogStore(storeOptions(new FaultyFileSystem()));
  const entries = Array.from({ length: 9000 }, (_, i) => ({
    stream: "a",
    ns: NOW_NS - 10_000n + BigInt(i),
    line: `line ${i} ${"z".repeat(500)}`,
  }));
  await store.append(logBatch(entries));
  await store.flush();
  const all = { startNs: 0n, endNs: NOW_NS, stepNs: NOW_NS };
  const whole = await counted(store, all);
  assert.deepEqual([whole.pagesRead, whole.sums[0]![1][0]], [0, 9000]);
  const cut = await counted(store, { ...all, startNs: NOW_NS - 9999n, endNs: NOW_NS - 1001n });
  assert.deepEqual([cut.pagesRead, cut.sums[0]![1][0]], [2, 8998]);
});
