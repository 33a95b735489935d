/** Golden bytes of our formats: written anew they are the same, and they are read as what docs/format says. FINCH_GOLDEN=write renews them. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ByteReader } from "@finch/codec";
import { SampleArena } from "@finch/codec/kernels";
import { Labels } from "@finch/model";
import type { Histogram } from "@finch/model";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import { readLabels, writeLabels } from "../src/byte-strings.ts";
import { openBlock } from "../src/block.ts";
import type { Block } from "../src/block.ts";
import { readHistogram } from "../src/histogram-bytes.ts";
import { readSegmentRefs } from "../src/log-block.ts";
import { blockPiece, openPiece } from "../src/log-pieces.ts";
import { OpenSegments } from "../src/log-open-segments.ts";
import { ALL_LINES } from "../src/log-wish.ts";
import { PatternsReader } from "../src/log-patterns/patterns-file.ts";
import { LogRecordWriter, readLogRecord } from "../src/log-record.ts";
import { openLogStore } from "../src/log-store.ts";
import { readChunks, readPlace } from "../src/metric-block.ts";
import { MetricRecordReader, MetricRecordWriter } from "../src/metric-record.ts";
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
  return openBlock(
    { fileSystem: nodeFileSystem, cache: new PageCache(1e6), idle: new Set(), idleMax: 1 },
    join(TESTDATA, name),
  );
}

const HISTOGRAM: Histogram = {
  schema: 3,
  resetHint: "not-reset",
  zeroThreshold: 0.001,
  zeroCount: 1,
  count: 9,
  sum: 2.5,
  positive: { spans: Int32Array.of(-2, 2, 3, 1), counts: Float64Array.of(3, 1, 2) },
  negative: { spans: Int32Array.of(0, 1), counts: Float64Array.of(2) },
  customBounds: new Float64Array(0),
};

test("metric-record.bin", () => {
  const values = new Float64Array(
    new BigUint64Array([0x3ff0000000000000n, 0x7ff0000000000002n]).buffer,
  );
  const exemplar = {
    labels: Labels.fromObject({ trace_id: "abc" }),
    value: 0.25,
    timestampMs: NOW_MS - 5,
  };
  const writer = new MetricRecordWriter();
  writer.define(7, (to) => writeLabels(to, labelsOfSeries("up")));
  writer.addMetadata(METADATA);
  for (const [series, count] of [
    [7, 2],
    [3, 1],
    [4, 1],
  ] as const)
    writer.addRun(series, count);
  for (const ms of [NOW_MS, NOW_MS + 15_000, NOW_MS - 1, NOW_MS - 1]) writer.addTime(ms);
  for (const ms of [NOW_MS - 99, NOW_MS - 99, 0, 0]) writer.addStart(ms);
  writer.addValues(values);
  writer.addHistogram(3, HISTOGRAM);
  writer.addValues(Float64Array.of(2, 2.5));
  writer.addExemplar(3, exemplar);
  compare("metric-record.bin", writer.finish());
  const record = new MetricRecordReader(readFileSync(join(TESTDATA, "metric-record.bin")));
  const { columns } = new SampleArena();
  assert.deepEqual(record.fill(columns, undefined), { runs: 3, rows: 4 });
  assert.deepEqual([...columns.series.subarray(0, 3)], [7, 3, 4]);
  assert.deepEqual([...columns.counts.subarray(0, 3)], [2, 1, 1]);
  assert.deepEqual(
    [...columns.timestampsMs.subarray(0, 4)],
    [NOW_MS, NOW_MS + 15_000, NOW_MS - 1, NOW_MS - 1],
  );
  assert.deepEqual(columns.valueBytes.slice(0, 16), new Uint8Array(values.buffer));
  assert.deepEqual([record.minMs, record.maxMs], [NOW_MS - 1, NOW_MS + 15_000]);
  assert.deepEqual(record.fill(columns, undefined), { runs: 0, rows: 0 });
  const defined: unknown[] = [];
  record.readDefinitions((series, labels) => defined.push([series, readLabels(labels)]));
  assert.deepEqual(defined, [[7, labelsOfSeries("up")]]);
  assert.deepEqual(record.metadata, [METADATA]);
  assert.deepEqual([...record.starts], [NOW_MS - 99, NOW_MS - 99, 0, 0]);
  assert.deepEqual(record.exemplars, [{ series: 3, exemplar }]);
  assert.deepEqual(
    record.histograms.map(({ row, bytes }) => [row, readHistogram(new ByteReader(bytes), 2.5)]),
    [[3, HISTOGRAM]],
  );
});

test("log-record.bin", () => {
  const writer = new LogRecordWriter();
  for (const [number, { labels, entries }] of ENTRIES.streams.entries()) {
    writer.define(number, labels);
    writer.addRun(number, entries);
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
      const { length } = values;
      const wish = { chunk, rows: length, skip: 0, take: length, values, at: 0, isRising: false };
      await readChunks(block, [wish], createPacer(systemClock), () => assert.fail("values alone"));
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
    for (const { number, labels, payload } of page) {
      for (const segment of readSegmentRefs(payload)) {
        const statistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
        const piece = blockPiece(block, segment, 0);
        const reader = openPiece(piece, labels, new OpenSegments(statistics));
        const rows = await reader.read({ ...ALL_LINES, startNs: 0n, endNs: 2n ** 62n });
        const { patterns } = await new PatternsReader(block).page(number, 0);
        const mined = patterns.map(
          ({ pattern, level, counts }) => `${pattern} ${level} ${counts.join()}`,
        );
        found.push([labels.get("app"), Buffer.from(rows!.entries.lines).toString(), ...mined]);
      }
    }
  }
  await block.close();
  assert.deepEqual(found, [
    ["a", "the first line", " unknown 1", "the first line unknown 1"],
    ["b", "ü", "ü unknown 1"],
  ]);
});
