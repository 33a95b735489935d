/** Golden bytes of our formats: written anew they are the same, and they are read as what docs/format says. FINCH_GOLDEN=write renews them. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import { openBlock } from "../src/block.ts";
import type { Block } from "../src/block.ts";
import { readLogPage, readLogPageList } from "../src/log-block.ts";
import { LogRecordWriter, readLogRecord } from "../src/log-record.ts";
import { openLogStore } from "../src/log-store.ts";
import { readChunks, readPlace } from "../src/metric-block.ts";
import { MetricRecordWriter, readMetricRecord } from "../src/metric-record.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { createPacer } from "../src/pacer.ts";
import { PageCache } from "../src/page-cache.ts";
import { TimeRows } from "../src/time-rows.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import {
  labelsOfSeries,
  labelsOfStream,
  logBatch,
  NOW_MS,
  sampleBatch,
  storeOptions,
} from "./store-fixtures.ts";

const TESTDATA = fileURLToPath(new URL("../testdata/", import.meta.url));
const MUST_WRITE = process.env["FINCH_GOLDEN"] === "write";
const ENTRIES = logBatch([
  { stream: "a", ns: BigInt(NOW_MS) * 1_000_000n, line: "the first line" },
  { stream: "a", ns: BigInt(NOW_MS) * 1_000_000n + 5n, line: "", metadata: { pod: "p" } },
  { stream: "b", ns: BigInt(NOW_MS) * 1_000_000n, line: "ü" },
]);
const METADATA = { family: "up", type: "gauge", help: "Whether it is up.", unit: "" } as const;

function compare(name: string, bytes: Uint8Array): void {
  const path = join(TESTDATA, name);
  if (MUST_WRITE) {
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, bytes);
  }
  assert.equal(Buffer.from(bytes).toString("hex"), readFileSync(path).toString("hex"), name);
}

async function compareBlock(name: string, fileSystem: FaultyFileSystem): Promise<Block> {
  for (const file of await fileSystem.list("/data/signal/blocks/0000000001")) {
    compare(`${name}/${file}`, await fileSystem.readFile(`/data/signal/blocks/0000000001/${file}`));
  }
  assert.deepEqual(
    readdirSync(join(TESTDATA, name)).sort(),
    await fileSystem.list("/data/signal/blocks/0000000001"),
  );
  return openBlock({ fileSystem: nodeFileSystem, cache: new PageCache(1e6) }, join(TESTDATA, name));
}

test("metric-record.bin", () => {
  const writer = new MetricRecordWriter();
  writer.define(7, labelsOfSeries("up"));
  writer.addMetadata(METADATA);
  writer.beginRun(7, 2);
  writer.addSample(NOW_MS, 0, 0x3ff00000);
  writer.addSample(NOW_MS + 15_000, 2, 0x7ff00000);
  writer.beginRun(3, 1);
  writer.addSample(NOW_MS - 1, 0, 0x40000000);
  compare("metric-record.bin", writer.finish());
  const seen: unknown[] = [];
  readMetricRecord(readFileSync(join(TESTDATA, "metric-record.bin")), {
    define: (series, labels) => seen.push(["define", series, String(labels)]),
    metadata: (metadata) => seen.push(["metadata", { ...metadata }]),
    run: (run, series) => seen.push(["run", run, series]),
    sample: (timestampMs, low, high) => seen.push([timestampMs, low, high]),
  });
  assert.deepEqual(seen, [
    ["define", 7, String(labelsOfSeries("up"))],
    ["metadata", METADATA],
    ["run", 0, 7],
    [NOW_MS, 0, 0x3ff00000],
    [NOW_MS + 15_000, 2, 0x7ff00000],
    ["run", 1, 3],
    [NOW_MS - 1, 0, 0x40000000],
  ]);
});

test("log-record.bin", () => {
  const writer = new LogRecordWriter();
  for (const [number, { labels, entries }] of ENTRIES.streams.entries()) {
    writer.define(number, labels);
    writer.addRun(
      number,
      entries,
      Uint32Array.from({ length: entries.count }, (_, row) => row),
    );
  }
  compare("log-record.bin", writer.finish());
  const { definitions, runs } = readLogRecord(readFileSync(join(TESTDATA, "log-record.bin")));
  assert.deepEqual(
    definitions.map(({ stream, labels }) => [stream, String(labels)]),
    [
      [0, String(labelsOfStream("a"))],
      [1, String(labelsOfStream("b"))],
    ],
  );
  assert.deepEqual(
    runs.map(({ entries }) => [...entries.lineBounds]),
    [
      [0, 14, 14],
      [0, 2],
    ],
  );
  assert.equal(String(runs[0]!.entries.metadataSets[runs[0]!.entries.metadataOf[1]!]), '{pod="p"}');
});

test("metrics-block", async () => {
  const fileSystem = new FaultyFileSystem();
  {
    await using store = await openMetricStore(storeOptions(fileSystem));
    await store.append(
      sampleBatch(
        Array.from({ length: 5 }, (_, i) => ({ series: "up", t: NOW_MS + 15_000 * i, v: i / 4 })),
        [METADATA],
      ),
    );
    await store.append(sampleBatch([{ series: "cpu", t: NOW_MS, v: 1 }]));
    await store.flush();
  }
  const block = await compareBlock("metrics-block", fileSystem);
  const found: unknown[] = [];
  for await (const page of block.index.seriesOf(Uint32Array.of(0, 1))) {
    for (const { labels, payload } of page) {
      const { row, chunk } = readPlace(payload);
      const timestampsMs = await new TimeRows(block).times(row);
      const values = new Float64Array(timestampsMs.length);
      await readChunks(block, [{ chunk, values, accept() {} }], createPacer(systemClock));
      found.push([
        labels.get("__name__"),
        timestampsMs.map((t) => t - NOW_MS).join(),
        values.join(),
      ]);
    }
  }
  await block.close();
  assert.deepEqual(found, [
    ["cpu", "0", "1"],
    ["up", "0,15000,30000,45000,60000", "0,0.25,0.5,0.75,1"],
  ]);
});

test("logs-block", async () => {
  const fileSystem = new FaultyFileSystem();
  {
    await using store = await openLogStore(storeOptions(fileSystem));
    await store.append(ENTRIES);
    await store.flush();
  }
  const block = await compareBlock("logs-block", fileSystem);
  const found: unknown[] = [];
  for await (const page of block.index.seriesOf(Uint32Array.of(0, 1))) {
    for (const { labels, payload } of page) {
      for (const ref of readLogPageList(payload))
        found.push([
          labels.get("app"),
          Buffer.from((await readLogPage(block, ref)).lines).toString(),
        ]);
    }
  }
  await block.close();
  assert.deepEqual(found, [
    ["a", "the first line"],
    ["b", "ü"],
  ]);
});
