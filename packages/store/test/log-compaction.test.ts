/** Log blocks joined into one: what is read is the same before and after, whatever overlaps, repeats or is hidden. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createMatcher } from "@finch/model";
import { logsSignal } from "../src/log-store.ts";
import { selectLogs } from "../src/log-select.ts";
import { createPacer } from "../src/pacer.ts";
import { StoreCore } from "../src/store-core.ts";
import type { LogHead } from "../src/log-head.ts";
import { openLogStore } from "../src/log-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { createRandom, createTestClock, logBatch, NOW_MS, storeOptions } from "./store-fixtures.ts";
import type { PlainEntry } from "./store-fixtures.ts";

const NOW_NS = BigInt(NOW_MS) * 1_000_000n;

async function readAll(core: StoreCore<LogHead>): Promise<string[]> {
  const view = core.view(-Infinity, Infinity);
  const request = {
    matchers: [],
    startNs: -(2n ** 62n),
    endNs: 2n ** 62n,
    needles: [],
    lines: "all",
    direction: "forward",
    signal: new AbortController().signal,
  } as const;
  const found: string[] = [];
  const statistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
  for await (const { labels, entries } of selectLogs(
    view,
    request,
    statistics,
    createPacer(core.clock),
  )) {
    for (let row = 0; row < entries.count; row++) {
      const line = entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]);
      const metadata = entries.metadataSets[entries.metadataOf[row]!]!;
      found.push(
        `${labels.get("app")} ${entries.timestampsNs[row]} ${new TextDecoder().decode(line)} ${metadata.toString()}`,
      );
    }
  }
  await view.release();
  // Streams are read page by page; within a stream the order counts.
  return found
    .map((text, place) => ({ text, place, app: text.split(" ")[0]! }))
    .sort((a, b) => (a.app === b.app ? a.place - b.place : a.app < b.app ? -1 : 1))
    .map(({ text }) => text);
}

test("joined blocks hold what they held apart", async () => {
  const random = createRandom(5);
  const fileSystem = new FaultyFileSystem();
  const clock = createTestClock();
  const options = storeOptions(fileSystem, { clock });
  {
    await using store = await openLogStore(options);
    for (let block = 0; block < 9; block++) {
      const entries = Array.from({ length: 400 }, (_, i): PlainEntry => {
        const ago = BigInt(Math.floor(random() * 5000) + (9 - block) * 700);
        // Few texts, so that lines repeat within and across blocks.
        const text = random() < 0.5 ? `tick ${Math.floor(random() * 3)}` : `b${block} i${i}`;
        const metadata = random() < 0.3 ? { metadata: { trace: `t${i % 7}` } } : {};
        return {
          stream: "abcdefg"[Math.floor(random() * 7)]!,
          ns: NOW_NS - ago,
          line: text,
          ...metadata,
        };
      });
      await store.append(logBatch(entries));
      await store.flush();
    }
  }
  const rules = [{ matchers: [createMatcher("app", "=", "a")], maxAgeMs: 0 }];
  const core = await StoreCore.open(
    { ...logsSignal(), joinsBlocks: true },
    { ...options, retention: { ...options.retention, rules } },
  );
  clock.now += 1;
  const before = await readAll(core);
  assert.ok(before.length > 2000 && !before.some((text) => text.startsWith("a ")));
  assert.equal(core.blockSet.blocks.length, 9);
  await core.compactor!.run();
  assert.equal(core.blockSet.blocks.length, 3);
  assert.deepEqual(await readAll(core), before);
  const rows = core.blockSet.blocks.reduce((sum, { meta }) => sum + meta.rows, 0);
  assert.ok(rows >= before.length && rows < 9 * 400, String(rows));
  await core.close();
});
