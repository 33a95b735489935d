/** Merges of log blocks: what is read is the same before and after, whatever overlaps, repeats or is hidden; what is copied, joined and left out. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMatcher } from "@finch/model";
import type { LogStore } from "../src/api.ts";
import { openBlock } from "../src/block.ts";
import type { Block } from "../src/block.ts";
import { readSegmentRefs } from "../src/log-block.ts";
import type { SegmentRef } from "../src/log-block.ts";
import type { EncodedPage } from "../src/log-page/page-encoder.ts";
import { SegmentReader } from "../src/log-segment.ts";
import { openLogStore } from "../src/log-store.ts";
import { PageCache } from "../src/page-cache.ts";
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
const BLOCKS = "/data/signal/blocks";
const FOREVER = { startNs: -(2n ** 62n), endNs: 2n ** 62n };

/** Entries of each stream in order, streams one after the other: within a stream the order counts. */
async function readStreams(store: LogStore): Promise<string[]> {
  const entries = await readEntries(store);
  const byStream = Map.groupBy(entries, (entry) => entry.split("@")[0]!);
  return [...byStream.keys()].sort().flatMap((stream) => byStream.get(stream)!);
}

/** The one block there is. */
async function openOnly(fileSystem: FaultyFileSystem, name?: string): Promise<Block> {
  const names = await fileSystem.list(BLOCKS);
  if (name === undefined) assert.equal(names.length, 1, names.join());
  const cache = new PageCache(1 << 20);
  const context = { fileSystem, cache, idle: new Set<Block>(), idleMax: 1 };
  return openBlock(context, `${BLOCKS}/${name ?? names[0]}`);
}

/** Segments of each stream of a block, by `app`. */
async function segmentsOf(block: Block): Promise<Map<string, readonly SegmentRef[]>> {
  const found = new Map<string, readonly SegmentRef[]>();
  const numbers = Uint32Array.from({ length: block.index.seriesCount }, (_, number) => number);
  for await (const page of block.index.seriesOf(numbers))
    for (const { labels, payload } of page) found.set(labels.get("app"), readSegmentRefs(payload));
  return found;
}

async function pagesOf(block: Block, segments: readonly SegmentRef[]): Promise<EncodedPage[]> {
  const pages: EncodedPage[] = [];
  for (const segment of segments) {
    const stored = await new SegmentReader(block).read(segment);
    for (const at of segment.pages.keys()) pages.push(stored.encoded(at));
  }
  return pages;
}

/** Pages of a stream as `[rows, …]` of each segment. */
function shapeOf(segments: readonly SegmentRef[]): number[][] {
  return segments.map(({ pages }) => pages.map(({ rows }) => rows));
}

/** Lines that take about this many bytes together, `perLine` each, ascending from `fromNs` on. */
function linesOf(
  stream: string,
  fromNs: bigint,
  bytes: number,
  options: { readonly perLine?: number; readonly tag?: string } = {},
): PlainEntry[] {
  const { perLine = 200, tag = "" } = options;
  return Array.from({ length: Math.ceil(bytes / perLine) }, (_, i) => ({
    stream,
    ns: fromNs + BigInt(i),
    line: `level=info n=${i} id=${tag}x${fromNs}y${i} ${"padding ".repeat(perLine / 8)}`.slice(
      0,
      perLine,
    ),
  }));
}

test("merged blocks hold what they held apart", async () => {
  const random = createRandom(5);
  const fileSystem = new FaultyFileSystem();
  const clock = createTestClock();
  const rules = [{ matchers: [createMatcher("app", "=", "a")], maxAgeMs: 0 }];
  const settings = storeOptions(fileSystem, { clock });
  const options = { ...settings, retention: { ...settings.retention, rules } };
  await using store = await openLogStore(options);
  for (let block = 0; block < 9; block++) {
    const entries = Array.from({ length: 400 }, (_, i): PlainEntry => {
      const ago = BigInt(Math.floor(random() * 5000) + (9 - block) * 700);
      // Few texts, so that lines repeat within and across blocks.
      const line = random() < 0.5 ? `tick ${Math.floor(random() * 3)}` : `b${block} i${i}`;
      const metadata = random() < 0.3 ? { metadata: { trace: `t${i % 7}` } } : {};
      const stream = "abcdefg"[Math.floor(random() * 7)]!;
      return { stream, ns: NOW_NS - ago, line, ...metadata };
    });
    await store.append(logBatch(entries));
    await store.flush();
  }
  clock.now += 1;
  const before = await readStreams(store);
  assert.ok(before.length > 2000 && !before.some((text) => text.startsWith("a@")));
  await store.compact();
  assert.deepEqual(await readStreams(store), before);
  const block = await openOnly(fileSystem);
  assert.equal(block.meta.rows, before.length, "each once, and nothing that is hidden");
  assert.deepEqual(block.meta.sources, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual([...(await segmentsOf(block)).keys()], ["b", "c", "d", "e", "f", "g"]);
  await block.close();
});

test("however pages touch and overlap, merged blocks hold what they held apart", async () => {
  const random = createRandom(17);
  for (let round = 0; round < 60; round++) {
    const fileSystem = new FaultyFileSystem();
    await using store = await openLogStore(storeOptions(fileSystem));
    const lines = new Set<string>();
    const blocks = 4 + Math.floor(random() * 4);
    const spread = 1 + Math.floor(random() * 5);
    for (let block = 0; block < blocks; block++) {
      const entries = Array.from({ length: 1 + Math.floor(random() * 5) }, (): PlainEntry => {
        const ns = NOW_NS + BigInt(block * 2 + Math.floor(random() * spread));
        return { stream: "a", ns, line: `l${Math.floor(random() * 4)}` };
      });
      for (const { ns, line } of entries) lines.add(`a@${ns} ${line}`);
      await store.append(logBatch(entries));
      await store.flush();
    }
    await store.compact();
    const found = await readEntries(store);
    assert.deepEqual(found.toSorted(), [...lines].sort(), `round ${round}`);
    const block = await openOnly(fileSystem);
    assert.equal(block.meta.rows, lines.size, `round ${round}`);
    await block.close();
  }
});

describe("pages", () => {
  test("that are full are copied as they are, with their filters, and stand together", async () => {
    const fileSystem = new FaultyFileSystem();
    await using store = await openLogStore(storeOptions(fileSystem));
    const pages: EncodedPage[] = [];
    for (let n = 0; n < 5; n++) {
      const fromNs = NOW_NS - 10_000_000n + BigInt(n) * 100_000n;
      await store.append(logBatch(linesOf("a", fromNs, 700_000, { tag: `${n}block${n}` })));
      await store.append(logBatch(linesOf("b", fromNs, 2000)));
      await store.flush();
      const source = await openOnly(fileSystem, `000000000${n + 1}`);
      pages.push(...(await pagesOf(source, (await segmentsOf(source)).get("a")!)));
      await source.close();
    }
    const before = await readStreams(store);
    await store.compact();
    assert.deepEqual(await readStreams(store), before);
    const block = await openOnly(fileSystem);
    const segments = await segmentsOf(block);
    assert.deepEqual(shapeOf(segments.get("a")!), [[3500, 3500, 3500, 3500, 3500]]);
    assert.deepEqual(await pagesOf(block, segments.get("a")!), pages);
    // Few small ones wait, for a line should not be encoded again at each level.
    assert.deepEqual(shapeOf(segments.get("b")!), [[10, 10, 10, 10, 10]]);
    await block.close();
    const statistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
    const needle = new TextEncoder().encode("3block3x1789999");
    const found = await readEntries(store, { needles: [needle] }, statistics);
    assert.equal(found.length, 3500);
    assert.equal(statistics.pagesSkipped, 9);
  });

  test("that touch in one instant are copied, too, unless something repeats there", async () => {
    for (const repeats of [false, true]) {
      const fileSystem = new FaultyFileSystem();
      await using store = await openLogStore(storeOptions(fileSystem));
      for (let n = 0; n < 4; n++) {
        const lines = linesOf("a", NOW_NS - 10_000_000n + BigInt(n), 700_000, { tag: `b${n}` });
        // All of a block has one time, but for the last line, which has that of the next.
        const timed = lines.map((entry, i) => ({
          ...entry,
          ns: NOW_NS + BigInt(i === lines.length - 1 ? n + 1 : n),
        }));
        const same = { stream: "a", line: "same" };
        if (repeats) timed.push({ ...same, ns: NOW_NS + 2n });
        await store.append(logBatch(timed));
        await store.flush();
      }
      const before = await readStreams(store);
      assert.equal(before.length, 4 * 3500 + (repeats ? 1 : 0));
      await store.compact();
      assert.deepEqual(await readStreams(store), before);
      const block = await openOnly(fileSystem);
      assert.equal(block.meta.rows, before.length);
      const shape = shapeOf((await segmentsOf(block)).get("a")!);
      if (repeats) assert.notDeepEqual(shape, [[3500, 3500, 3500, 3500]]);
      else assert.deepEqual(shape, [[3500, 3500, 3500, 3500]]);
      await block.close();
    }
  });

  test("that are small are joined when there are many of them or enough for a page", async () => {
    const fileSystem = new FaultyFileSystem();
    await using store = await openLogStore(storeOptions(fileSystem));
    for (let n = 0; n < 9; n++) {
      const fromNs = NOW_NS - 10_000_000n + BigInt(n) * 100_000n;
      await store.append(logBatch(linesOf("many", fromNs, 2000)));
      if (n < 3) await store.append(logBatch(linesOf("enough", fromNs, 400_000)));
      if (n < 2) await store.append(logBatch(linesOf("few", fromNs, 2000)));
      await store.flush();
    }
    const before = await readStreams(store);
    await store.compact();
    assert.deepEqual(await readStreams(store), before);
    const block = await openOnly(fileSystem);
    const segments = await segmentsOf(block);
    assert.deepEqual(shapeOf(segments.get("many")!), [[90]]);
    // A megabyte, and the rest.
    assert.deepEqual(shapeOf(segments.get("enough")!), [[5242, 758]]);
    assert.deepEqual(shapeOf(segments.get("few")!), [[10, 10]]);
    await block.close();
  });

  test("that overlap over many blocks are merged, and repetitions are there once", async () => {
    const fileSystem = new FaultyFileSystem();
    await using store = await openLogStore(storeOptions(fileSystem));
    const lines = linesOf("a", NOW_NS - 10_000_000n, 900_000);
    for (let n = 0; n < 4; n++) {
      await store.append(logBatch(lines.filter((_, i) => i % 4 !== n)));
      await store.flush();
    }
    await store.compact();
    const block = await openOnly(fileSystem);
    assert.equal(block.meta.rows, lines.length);
    assert.deepEqual(shapeOf((await segmentsOf(block)).get("a")!), [[lines.length]]);
    await block.close();
    assert.deepEqual(
      await readEntries(store),
      lines.map(({ ns, line }) => `a@${ns} ${line}`),
    );
  });
});

test("lines that are deleted are off the disk after a merge, and so are the labels of streams", async () => {
  const fileSystem = new FaultyFileSystem();
  await using store = await openLogStore({ ...storeOptions(fileSystem), compileSelection });
  for (let n = 0; n < 4; n++) {
    const fromNs = NOW_NS - 10_000_000n + BigInt(n) * 100_000n;
    await store.append(logBatch(linesOf("a", fromNs, 700_000, { tag: n === 1 ? "secret" : "" })));
    await store.append(logBatch(linesOf("b", fromNs, 3000, { tag: n > 1 ? "secret" : "" })));
    await store.append(logBatch(linesOf("forgotten", fromNs, 3000)));
    await store.flush();
  }
  await store.deleteLines({ query: "a secret", ...FOREVER });
  await store.deleteLines({ query: "b secret", ...FOREVER });
  await store.deleteLines({ query: "forgotten", ...FOREVER });
  const before = await readStreams(store);
  assert.equal(before.length, 3 * 3500 + 2 * 15);
  await store.compact();
  assert.deepEqual(await readStreams(store), before);
  assert.deepEqual(
    store.lineDeletes().map(({ status }) => status),
    ["processed", "processed", "processed"],
  );
  const block = await openOnly(fileSystem);
  const segments = await segmentsOf(block);
  assert.deepEqual(
    [...segments].map(([app, refs]) => [app, shapeOf(refs)]),
    [
      ["a", [[3500, 3500, 3500]]],
      ["b", [[15, 15]]],
    ],
  );
  for (const refs of segments.values()) {
    for (const ref of refs) {
      const stored = await new SegmentReader(block).read(ref);
      for (const at of ref.pages.keys()) {
        const { lines } = stored.columns(at);
        assert.ok(!Buffer.from(lines).includes("secret"));
      }
    }
  }
  for await (const page of block.index.strings()) assert.ok(!page.includes("forgotten"));
  await block.close();
});

test("queries go on while blocks are merged", async () => {
  const fileSystem = new FaultyFileSystem();
  await using store = await openLogStore(storeOptions(fileSystem));
  for (let n = 0; n < 6; n++) {
    await store.append(logBatch(linesOf("a", NOW_NS - 10_000_000n + BigInt(n) * 900n, 200_000)));
    await store.flush();
  }
  const before = await readStreams(store);
  let isMerging = true;
  const merged = store.compact().finally(() => {
    isMerging = false;
  });
  let asked = 0;
  do {
    assert.deepEqual(await readStreams(store), before);
    asked++;
  } while (isMerging);
  await merged;
  assert.ok(asked > 0 && store.statistics().compactionsTotal === 1);
  assert.deepEqual(await readStreams(store), before);
});

test("a damaged page does not get into the merged block: its block is set aside, the others are merged", async () => {
  const full = new FaultyFileSystem();
  {
    await using store = await openLogStore(storeOptions(full));
    for (let n = 0; n < 5; n++) {
      const fromNs = NOW_NS - 10_000_000n + BigInt(n) * 100_000n;
      await store.append(logBatch(linesOf("a", fromNs, 600_000, { tag: `${n}block${n}` })));
      await store.append(logBatch(linesOf("b", fromNs, 2000, { tag: `${n}block${n}` })));
      await store.flush();
    }
  }
  const victim = `${BLOCKS}/0000000003`;
  for (const name of ["pages.bin", "filters.bin", "index.bin"]) {
    const whole = await full.readFile(`${victim}/${name}`);
    let noticed = 0;
    for (let n = 1; n <= 6; n++) {
      const offset = Math.floor((n * (whole.length - 32)) / 6);
      const bytes = whole.slice();
      bytes[offset]! ^= 1 << (n % 8);
      full.put(`${victim}/${name}`, bytes);
      const fileSystem = full.copy();
      full.put(`${victim}/${name}`, whole);
      await using store = await openLogStore(storeOptions(fileSystem));
      const error = await store.compact().then(
        () => undefined,
        (fault: unknown) => fault as { readonly code: string; readonly message: string },
      );
      const where = `${name}, offset ${offset}`;
      if (error !== undefined) {
        noticed++;
        assert.equal(error.code, "store/corrupt-file", where);
        assert.ok(error.message.includes(`${victim}/${name}`), `${where}: ${error.message}`);
        assert.equal(store.statistics().quarantined.length, 1, where);
        await store.compact();
      }
      assert.equal(store.statistics().blocks, 1, where);
      const kept = error === undefined ? 5 : 4;
      assert.equal((await readStreams(store)).length, kept * 3010, where);
      for (let block = 0; block < 5; block++) {
        const needle = new TextEncoder().encode(
          `block${block}x${NOW_NS - 10_000_000n}`.slice(0, 16),
        );
        const hits = (await readEntries(store, { needles: [needle] })).length;
        assert.equal(hits, error !== undefined && block === 2 ? 0 : 3010, `${where}: ${block}`);
      }
    }
    assert.ok(noticed > 3, `${name}: ${noticed} of 6 noticed`);
  }
});
