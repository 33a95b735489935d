/** A copy of an open store is a store of its own, whatever happens to the first one meanwhile and after. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createMatcher } from "@finch/model";
import { nodeFileSystem } from "@finch/runtime";
import { openMetricStore, snapshotStore } from "../src/index.ts";
import { NOW_MS, readSamples, sampleBatch, storeOptions } from "./store-fixtures.ts";

async function temporaryDirectory(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "finch-snapshot-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const EVERYTHING = [createMatcher("__name__", "=~", ".+")];

test("the copy has what was in blocks, deletes included, and lives on without the first", async () => {
  await using directory = await temporaryDirectory();
  const first = join(directory.path, "metrics");
  const copy = join(directory.path, "snapshots", "x", "metrics");
  {
    await using store = await openMetricStore(storeOptions(nodeFileSystem, { directory: first }));
    for (let row = 0; row < 3; row++) {
      await store.append(sampleBatch([{ series: `s${row}`, t: NOW_MS - 1000 + row, v: row }]));
      await store.flush();
    }
    const range = { startMs: NOW_MS - 2000, endMs: NOW_MS };
    await store.deleteSeries({ matchers: [createMatcher("__name__", "=", "s1")], ...range });
    await store.append(sampleBatch([{ series: "later", t: NOW_MS, v: 1 }]));
    await snapshotStore(first, copy);
    await store.deleteSeries({ matchers: EVERYTHING, ...range });
    await store.cleanTombstones();
    assert.equal((await readSamples(store)).size, 0);
  }
  await rm(first, { recursive: true });
  await using store = await openMetricStore(storeOptions(nodeFileSystem, { directory: copy }));
  assert.deepEqual(
    [...(await readSamples(store))],
    [
      [`s0@${NOW_MS - 1000}`, 0],
      [`s2@${NOW_MS - 998}`, 2],
    ],
  );
  // It can be written to like any other.
  await store.append(sampleBatch([{ series: "new", t: NOW_MS, v: 5 }]));
  assert.equal((await readSamples(store)).size, 3);
});

test("blocks that are merged while they are copied are all there, once", async () => {
  await using directory = await temporaryDirectory();
  const first = join(directory.path, "metrics");
  await using store = await openMetricStore(storeOptions(nodeFileSystem, { directory: first }));
  for (let row = 0; row < 8; row++) {
    await store.append(sampleBatch([{ series: "s", t: NOW_MS - 1000 + row, v: row }]));
    await store.flush();
  }
  const copies = ["a", "b", "c"].map((name) => join(directory.path, name));
  await Promise.all([store.compact(), ...copies.map((copy) => snapshotStore(first, copy))]);
  const before = await readSamples(store);
  for (const copy of copies) {
    await using other = await openMetricStore(storeOptions(nodeFileSystem, { directory: copy }));
    assert.deepEqual(await readSamples(other), before);
  }
});

test("a copy that fails leaves nothing behind", async () => {
  await using directory = await temporaryDirectory();
  const first = join(directory.path, "metrics");
  await mkdir(join(first, "blocks", "0000000001"), { recursive: true });
  await writeFile(join(first, "blocks", "0000000001", "meta.json"), "{}");
  // There is no version file.
  await assert.rejects(snapshotStore(first, join(directory.path, "copy")), { code: "ENOENT" });
  assert.deepEqual(await readdir(directory.path), ["metrics"]);
});
