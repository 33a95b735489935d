/**
 * Merges metric blocks into one: strings and series of all of them in order, samples of each series joined, deleted ones left out. Memory does
 * not grow with samples: of each block a page of strings and of series is held, and samples batch by batch.
 */
import type { Matcher, MetricMetadata } from "@finch/model";
import type { Block } from "./block.ts";
import type { RankedSeries } from "./block-index.ts";
import { BlockIndexWriter } from "./block-index-writer.ts";
import type { BlockFile } from "./block-writer.ts";
import { gapsOf } from "./deletes.ts";
import type { Delete, TimeSpan } from "./deletes.ts";
import { INDEX_FILE } from "./file-names.ts";
import { SELECT_BATCH_SAMPLES, SELECT_BATCH_SERIES } from "./limits.ts";
import { readSamples } from "./metric-batch.ts";
import type { BlockSource, SamplePlace } from "./metric-batch.ts";
import { readPlace } from "./metric-block.ts";
import { MetricBlockWriter } from "./metric-block-writer.ts";
import { readBlockMetadata, writeMetadata } from "./metric-metadata.ts";
import { growUint32 } from "./number-columns.ts";
import type { Pacer } from "./pacer.ts";
import { TimeRows } from "./time-rows.ts";

/** Samples of series that match and are older than `beforeMs` are left out. */
export interface DropRule {
  readonly matchers: readonly Matcher[];
  readonly beforeMs: number;
}

/** A block to be merged, and what of it is left out. */
export interface CompactionSource {
  readonly block: Block;
  readonly deletes: readonly Delete[];
  readonly drops: readonly DropRule[];
}

export interface CompactionResult {
  readonly series: number;
  readonly rows: number;
  /** `Infinity` and `-Infinity` when nothing is left. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** Writes the files of the merged block. `sources` are in order of precedence. */
export async function compactMetrics(
  sources: readonly CompactionSource[],
  createFile: (name: string) => Promise<BlockFile>,
  pacer: Pacer,
): Promise<CompactionResult> {
  const samples = await MetricBlockWriter.create(createFile, { isZipped: true });
  const index = new BlockIndexWriter(await createFile(INDEX_FILE), pacer);
  const ranks = await mergeStrings(sources, index, pacer);
  const cursors: Cursor[] = [];
  for (const [number, source] of sources.entries())
    cursors.push(await openCursor(source, ranks[number]!, pacer));
  let batch: { readonly ranks: Uint32Array; readonly places: SamplePlace[] }[] = [];
  let batchSamples = 0;
  const write = async () => {
    const range = { startMs: -Infinity, endMs: Infinity };
    const read = await readSamples(
      batch.map(({ places }) => places),
      range,
      pacer,
    );
    for (const [at, columns] of read.entries()) {
      if (columns.timestampsMs.length === 0) continue;
      await index.addSeries(batch[at]!.ranks, await samples.addSeries(columns));
      if (pacer.isDue()) await pacer.rest();
    }
    batch = [];
    batchSamples = 0;
  };
  for (let next = smallest(cursors); next !== undefined; next = smallest(cursors)) {
    const places: SamplePlace[] = [];
    for (const cursor of cursors) {
      if (cursor.current === undefined || compareRanks(cursor.current.ranks, next) !== 0) continue;
      const { place, gaps } = cursor.current;
      places.push({ source: cursor.source, place, gaps });
      batchSamples += (await cursor.source.times.row(place.row)).count;
      await cursor.advance();
    }
    batch.push({ ranks: next, places });
    if (batch.length >= SELECT_BATCH_SERIES || batchSamples >= SELECT_BATCH_SAMPLES) await write();
    if (pacer.isDue()) await pacer.rest();
  }
  await write();
  await samples.finish();
  await index.finish();
  await mergeMetadata(sources, createFile);
  const { rows, minMs, maxMs } = samples;
  return { series: index.seriesCount, rows, minMs, maxMs };
}

/** Writes the strings of all blocks, each once; returns for each block the new number of every string. */
async function mergeStrings(
  sources: readonly CompactionSource[],
  index: BlockIndexWriter,
  pacer: Pacer,
): Promise<Uint32Array[]> {
  const streams = [];
  for (const { block } of sources) {
    const pages = block.index.strings();
    const stream = { pages, page: [] as readonly string[], at: 0, total: 0, isDone: false };
    await fillStream(stream);
    streams.push(stream);
  }
  const ranks = sources.map(() => new Uint32Array(1024));
  for (let rank = 0; ; rank++) {
    let text: string | undefined;
    for (const stream of streams) {
      if (stream.isDone) continue;
      const candidate = stream.page[stream.at]!;
      if (text === undefined || candidate < text) text = candidate;
    }
    if (text === undefined) break;
    await index.addString(text);
    for (const [number, stream] of streams.entries()) {
      if (stream.isDone || stream.page[stream.at] !== text) continue;
      ranks[number] = growUint32(ranks[number]!, stream.total + 1) as Uint32Array<ArrayBuffer>;
      ranks[number][stream.total++] = rank;
      stream.at++;
      if (stream.at === stream.page.length) await fillStream(stream);
    }
    if (pacer.isDue()) await pacer.rest();
  }
  await index.endStrings();
  return ranks;
}

async function fillStream(stream: {
  readonly pages: AsyncGenerator<readonly string[]>;
  page: readonly string[];
  at: number;
  isDone: boolean;
}): Promise<void> {
  const next = await stream.pages.next();
  stream.isDone = next.done === true;
  stream.page = next.done === true ? [] : next.value;
  stream.at = 0;
}

/** A walk over the series of one block. */
interface Cursor {
  readonly source: BlockSource;
  current:
    | {
        readonly ranks: Uint32Array;
        readonly place: ReturnType<typeof readPlace>;
        readonly gaps: readonly TimeSpan[] | undefined;
      }
    | undefined;
  advance(): Promise<void>;
}

async function openCursor(
  { block, deletes, drops }: CompactionSource,
  ranks: Uint32Array,
  pacer: Pacer,
): Promise<Cursor> {
  const left = [...deletes];
  for (const [at, { matchers, beforeMs }] of drops.entries())
    left.push({ id: -at, seal: 0, matchers, startMs: -Infinity, endMs: beforeMs - 1 });
  const gaps = await gapsOf(block, left, pacer);
  const pages = block.index.rankedSeries();
  let page: readonly RankedSeries[] = [];
  let at = 0;
  let number = -1;
  const cursor: Cursor = {
    source: { block, times: new TimeRows(block) },
    current: undefined,
    async advance() {
      if (at === page.length) {
        const next = await pages.next();
        page = next.done === true ? [] : next.value;
        at = 0;
      }
      const series = page[at++];
      number++;
      cursor.current =
        series === undefined
          ? undefined
          : {
              ranks: Uint32Array.from(series.ranks, (rank) => ranks[rank]!),
              place: readPlace(series.payload),
              gaps: gaps?.get(number),
            };
    },
  };
  await cursor.advance();
  return cursor;
}

function smallest(cursors: readonly Cursor[]): Uint32Array | undefined {
  let found: Uint32Array | undefined;
  for (const { current } of cursors)
    if (current !== undefined && (found === undefined || compareRanks(current.ranks, found) < 0))
      found = current.ranks;
  return found;
}

function compareRanks(a: Uint32Array, b: Uint32Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

async function mergeMetadata(
  sources: readonly CompactionSource[],
  createFile: (name: string) => Promise<BlockFile>,
): Promise<void> {
  const metadata = new Map<string, MetricMetadata>();
  for (const { block } of sources)
    for (const entry of await readBlockMetadata(block)) metadata.set(entry.family, entry);
  await writeMetadata(createFile, [...metadata.values()]);
}
