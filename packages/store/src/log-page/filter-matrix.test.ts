/** Filters that are held, spilled to the scratch file or copied from other blocks answer as they would by themselves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@finch/runtime";
import { FaultyFileSystem } from "../../test/faulty-file-system.ts";
import { createRandom, createTestClock } from "../../test/store-fixtures.ts";
import { BlockSet } from "../block-set.ts";
import { writeBlock } from "../block-writer.ts";
import type { Block } from "../block.ts";
import { FILTERS_FILE } from "../file-names.ts";
import { createPacer } from "../pacer.ts";
import { FilterMatrixReader } from "./filter-matrix.ts";
import type { FilterPlace } from "./filter-matrix.ts";
import { FilterMatrixWriter } from "./filter-matrix-writer.ts";
import type { CopiedFilter } from "./filter-matrix-writer.ts";
import { GRAM_BITS, makeFilter, mayHave } from "./gram-filter.ts";
import type { PageFilter } from "./gram-filter.ts";

const pacer = createPacer(createTestClock());

/** A block that has nothing but filters. */
async function writeFilters(
  blockSet: BlockSet,
  filters: readonly (PageFilter | CopiedFilter)[],
  heldBytesMax: number,
): Promise<{ readonly block: Block; readonly places: FilterPlace[]; readonly spilled: boolean }> {
  const places: FilterPlace[] = [];
  let spilled = false;
  const meta = await writeBlock(blockSet.takeTarget(), async ({ createFile, openScratch }) => {
    const opening = () => {
      spilled = true;
      return openScratch();
    };
    const writer = new FilterMatrixWriter(opening, heldBytesMax);
    for (const filter of filters) places.push(await writer.add(filter));
    await writer.write(await createFile(FILTERS_FILE), pacer);
    const none = { walCutBefore: 1, level: 0, firstSeal: 1, lastSeal: 1, sources: [], deletes: 0 };
    return { signal: "logs", minMs: 0, maxMs: 0, series: 0, rows: 0, ...none };
  });
  blockSet.add(meta);
  return { block: blockSet.blocks.at(-1)!, places, spilled };
}

/** Whether the page at `place` may have the gram. */
async function isIn(
  reader: FilterMatrixReader,
  { size, column }: FilterPlace,
  hash: number,
): Promise<boolean> {
  if (size === 0) return false;
  const answer = await reader.ask(Uint32Array.of(hash), () => {});
  return answer.has(size, column);
}

test("filters answer the same held, spilled and copied", async () => {
  const random = createRandom(3);
  const fileSystem = new FaultyFileSystem();
  const blockSet = await BlockSet.open(fileSystem, silentLogger, "/data/blocks");
  const hash = () => Math.floor(random() * 2 ** GRAM_BITS);
  const filters = Array.from({ length: 90 }, (_, i) =>
    makeFilter(Uint32Array.from({ length: [0, 5, 60, 700, 150_000][i % 5]! }, hash)),
  );
  const held = await writeFilters(blockSet, filters.slice(0, 50), Infinity);
  const spilled = await writeFilters(blockSet, filters.slice(50), 500);
  assert.deepEqual([held.spilled, spilled.spilled], [false, true]);
  const names = await fileSystem.list(spilled.block.directory);
  assert.deepEqual(names, ["filters.bin", "meta.json"], "the scratch file is gone");
  // Half of each in another order, and new ones between them.
  const copied: { filter: PageFilter; from: CopiedFilter | PageFilter }[] = [];
  for (const [offset, { block, places }] of [held, spilled].entries()) {
    const reader = new FilterMatrixReader(block);
    for (const [i, place] of places.entries()) {
      const filter = filters[offset * 50 + i]!;
      if (i % 2 === 0) copied.push({ filter, from: { from: reader, place } });
      else if (i % 3 === 0) copied.unshift({ filter, from: filter });
    }
  }
  const merged = await writeFilters(
    blockSet,
    copied.map(({ from }) => from),
    300,
  );
  const cases = [
    { ...held, filters: filters.slice(0, 50) },
    { ...spilled, filters: filters.slice(50) },
    { ...merged, filters: copied.map(({ filter }) => filter) },
  ];
  for (const { block, places, filters: expected } of cases) {
    const reader = new FilterMatrixReader(block);
    for (let n = 0; n < 40; n++) {
      const gram = hash();
      for (const [i, filter] of expected.entries())
        assert.equal(await isIn(reader, places[i]!, gram), mayHave(filter, Uint32Array.of(gram)));
    }
  }
  await blockSet.close();
});
