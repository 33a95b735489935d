/** Selections in order over many blocks: all of it, in order, and of what a limit stops only the blocks it needs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createMatcher } from "@finch/model";
import { openLogStore } from "../src/log-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { createRandom, logBatch, NOW_MS, readEntries, storeOptions } from "./store-fixtures.ts";
import type { PlainEntry } from "./store-fixtures.ts";

const NOW_NS = BigInt(NOW_MS) * 1_000_000n;
const BLOCKS = 40;

/** Remembers which blocks were read. */
class WatchedFileSystem extends FaultyFileSystem {
  readonly read = new Set<string>();

  override async open(...[path, mode]: Parameters<FaultyFileSystem["open"]>) {
    const block = /blocks\/([0-9]+)\//.exec(path)?.[1];
    if (block !== undefined) this.read.add(block);
    return super.open(path, mode);
  }
}

/** Blocks that overlap a little, and every seventh by far; lines repeat where they do. */
function entriesOf(block: number, random: () => number): PlainEntry[] {
  const late = block % 7 === 6 ? 20_000 : 0;
  return Array.from({ length: 60 }, (_, i): PlainEntry => {
    const ms = block * 1000 + Math.floor(random() * 1200) - (i % 5 === 0 ? late : 0);
    const line = random() < 0.3 ? `tick ${i % 3}` : `b${block}-i${i} of the-needle-${block % 9}`;
    return { stream: "abc"[i % 3]!, ns: NOW_NS + BigInt(ms) * 1_000_000n, line };
  });
}

test("what is cut into windows comes whole and in order", async () => {
  const random = createRandom(3);
  await using store = await openLogStore(storeOptions(new FaultyFileSystem()));
  const known = new Set<string>();
  for (let block = 0; block < BLOCKS; block++) {
    const entries = entriesOf(block, random);
    for (const { stream, ns, line } of entries) known.add(`${stream}@${ns} ${line}`);
    await store.append(logBatch(entries));
    // The last ones stay in the head.
    if (block < BLOCKS - 1) await store.flush();
  }
  const timeOf = (text: string) => BigInt(/@([0-9]+)/.exec(text)![1]!);
  for (const direction of ["forward", "backward"] as const) {
    assert.deepEqual((await readEntries(store, { direction })).sort(), [...known].sort());
    const startNs = NOW_NS + 5_500_000_000n;
    const endNs = NOW_NS + 31_234_000_001n;
    const needle = "the-needle-4";
    const some = await readEntries(store, {
      direction,
      startNs,
      endNs,
      needles: [Buffer.from(needle)],
      matchers: [createMatcher("app", "=~", "a|b")],
    });
    const wanted = [...known].filter((text) => {
      const ns = timeOf(text);
      return ns >= startNs && ns < endNs && text.includes(needle) && !text.startsWith("c");
    });
    assert.ok(wanted.length > 20);
    assert.deepEqual(some.sort(), wanted.sort());
  }
});

test("what is stopped early has looked at the blocks at its end of the time alone", async () => {
  const fileSystem = new WatchedFileSystem();
  {
    await using store = await openLogStore(storeOptions(fileSystem));
    for (let block = 0; block < BLOCKS; block++) {
      const ns = NOW_NS + BigInt(block) * 1_000_000_000n;
      await store.append(logBatch([{ stream: "a", ns, line: `line ${block}` }]));
      await store.flush();
    }
  }
  await using store = await openLogStore(storeOptions(fileSystem));
  for (const direction of ["forward", "backward"] as const) {
    fileSystem.read.clear();
    const pages = store.select(
      {
        matchers: [createMatcher("app", "=", "a")],
        startNs: -(2n ** 62n),
        endNs: 2n ** 62n,
        needles: [],
        lines: "all",
        direction,
        signal: new AbortController().signal,
      },
      { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 },
    );
    for await (const { entries } of pages) {
      assert.equal(entries.count, 1);
      break;
    }
    assert.ok(fileSystem.read.size > 0 && fileSystem.read.size <= 3, [...fileSystem.read].join());
  }
});
