/** Selections by values of labels: the same entries as are found among all of them, wherever the lines are and however pages overlap. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createMatcher } from "@finch/model";
import type { LabelValue, LogSelect, LogStore } from "../src/api.ts";
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

/** Lines of which some repeat others in time and text, with other metadata. */
function entriesOf(random: () => number, count: number, stream: string): PlainEntry[] {
  return Array.from({ length: count }, (_, i) => {
    const metadata: Record<string, string> = {};
    if (random() < 0.8) metadata["id"] = `id-${Math.floor(random() * 400)}`;
    if (random() < 0.5) metadata["level"] = ["info", "warn"][Math.floor(random() * 2)]!;
    if (random() < 0.1) metadata["app"] = "clash";
    return {
      stream,
      ns: NOW_NS - BigInt(Math.floor(random() * 4000) + 1),
      line: random() < 0.5 ? "tick" : `line ${stream} ${i} ${"x".repeat(i % 50)}`,
      metadata,
    };
  });
}

const WANTED: readonly (readonly LabelValue[])[] = [
  [{ name: "id", value: "id-7" }],
  [
    { name: "id", value: "id-399" },
    { name: "level", value: "warn" },
  ],
  [{ name: "level", value: "info" }],
  [{ name: "level", value: "none of them" }],
  [{ name: "unknown", value: "x" }],
  [{ name: "app", value: "a" }],
  [{ name: "app", value: "clash" }],
  [
    { name: "app", value: "b" },
    { name: "id", value: "id-7" },
  ],
];

/** Entries as `readEntries` tells them that have the values, of all. */
async function expected(
  store: LogStore,
  values: readonly LabelValue[],
  request: Partial<LogSelect>,
) {
  const found: string[] = [];
  for (const app of ["a", "b"]) {
    const ofStream = values.filter(({ name }) => name === "app");
    if (ofStream.some(({ value }) => value !== app)) continue;
    const select = { ...request, matchers: [createMatcher("app", "=", app)] };
    const wanted = values.filter(({ name }) => name !== "app");
    for await (const { entries } of store.select(full(select), statistics()))
      for (let row = 0; row < entries.count; row++) {
        const set = entries.metadataSets[entries.metadataOf[row]!]!;
        if (!wanted.every(({ name, value }) => set.get(name) === value)) continue;
        const line = entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]);
        found.push(`${app}@${entries.timestampsNs[row]!} ${Buffer.from(line).toString()}`);
      }
  }
  return found.toSorted();
}

/** All entries count alike. */
const NO_EDGES = { originNs: 2n ** 62n, stepNs: 1n, rangeNs: 2n ** 63n, count: 1 };

function statistics() {
  return { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
}

function full(request: Partial<LogSelect>): LogSelect {
  return {
    matchers: [],
    startNs: -(2n ** 62n),
    endNs: 2n ** 62n,
    needles: [],
    lines: "all",
    direction: "forward",
    signal: new AbortController().signal,
    ...request,
  };
}

async function check(store: LogStore, where: string): Promise<void> {
  for (const values of WANTED)
    for (const request of [
      {},
      { needles: [new TextEncoder().encode("tick")] },
      { startNs: NOW_NS - 2500n, endNs: NOW_NS - 900n, direction: "backward" as const },
    ]) {
      const found = (await readEntries(store, { ...request, values })).map(
        (text) => text.split(" {")[0]!,
      );
      const said = `${where}, ${JSON.stringify(values)}`;
      assert.deepEqual(found.toSorted(), await expected(store, values, request), said);
      let count = 0;
      for await (const { entries, tally } of store.select(
        full({
          ...request,
          matchers: [createMatcher("kind", "=", "test")],
          values,
          lines: "none",
          labels: new Set(values.map(({ name }) => name)),
          edges: NO_EDGES,
          direction: "any",
        }),
        statistics(),
      ))
        count += tally?.entries ?? entries.count;
      assert.equal(count, found.length, `${said}, counted`);
    }
}

for (const seed of [3, 4]) {
  test(`values are found in heads, in blocks and across them, seed ${seed}`, async () => {
    const random = createRandom(seed);
    const clock = createTestClock();
    const settings = storeOptions(new FaultyFileSystem(), { clock });
    await using store = await openLogStore({ ...settings, compileSelection });
    for (let round = 0; round < 3; round++) {
      for (const app of ["a", "b"]) await store.append(logBatch(entriesOf(random, 600, app)));
      await check(store, `round ${round}, in the head`);
      await store.flush();
      await check(store, `round ${round}, in blocks`);
    }
    await store.deleteLines({ query: "a line", startNs: NOW_NS - 2000n, endNs: NOW_NS });
    await check(store, "with hidden lines");
    clock.now += 1;
    await store.compact();
    await check(store, "merged");
  });
}

test("a value is found without making the labels of a line that lacks it", async () => {
  await using store = await openLogStore(storeOptions(new FaultyFileSystem()));
  const batch = Array.from({ length: 5000 }, (_, i) => ({
    stream: "a",
    ns: NOW_NS - 10_000n + BigInt(i),
    line: `request ${i}`,
    metadata: { request_id: `req-${i * 7919}-${i}` },
  }));
  await store.append(logBatch(batch));
  await store.flush();
  const request = full({
    matchers: [createMatcher("app", "=", "a")],
    values: [{ name: "request_id", value: `req-${77 * 7919}-77` }],
  });
  for await (const { entries } of store.select(request, statistics())) {
    assert.equal(entries.count, 1);
    assert.equal(entries.metadataSets.length, 2, "none but that of the line");
    assert.equal(Buffer.from(entries.lines).toString(), "request 77");
  }
});
