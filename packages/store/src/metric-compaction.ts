/**
 * Merges metric blocks into one: strings and series of all of them in order, samples of each series joined, deleted ones left out. Memory does
 * not grow with samples: of each block a page of strings and of series is held, and samples batch by batch.
 */
import type { MetricMetadata } from "@finch/model";
import type { Block } from "./block.ts";
import type { RankedSeries } from "./block-index.ts";
import { BlockIndexWriter } from "./block-index-writer.ts";
import type { BlockFile } from "./block-writer.ts";
import type { TimeSpan } from "./deletes.ts";
import { INDEX_FILE } from "./file-names.ts";
import type { Gaps, HiddenRows } from "./hidden-rows.ts";
import { SELECT_BATCH_SAMPLES, SELECT_BATCH_SERIES } from "./limits.ts";
import { BatchReader } from "./metric-batch.ts";
import type { BlockPlace, BlockSource, SamplePlace } from "./metric-batch.ts";
import { readPlace } from "./metric-block.ts";
import type { MetricPlace } from "./metric-block.ts";
import { MetricBlockWriter } from "./metric-block-writer.ts";
import { readBlockMetadata, writeMetadata } from "./metric-metadata.ts";
import { growUint32, growUint8 } from "./number-columns.ts";
import type { Pacer } from "./pacer.ts";
import { lowerBound } from "./sample-columns.ts";
import { TimeRows } from "./time-rows.ts";

/** What is merged. */
export interface CompactionSources {
  /** In order of precedence: of two rows with one time the earlier block's is kept. */
  readonly blocks: readonly Block[];
  /** Left out. */
  readonly hidden: HiddenRows;
}

export interface CompactionResult {
  readonly series: number;
  readonly rows: number;
  /** `Infinity` and `-Infinity` when nothing is left. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** A block to be merged. */
interface Source extends BlockSource {
  readonly gaps: Gaps | undefined;
}

/** Writes the files of the merged block. */
export async function compactMetrics(
  { blocks, hidden }: CompactionSources,
  createFile: (name: string) => Promise<BlockFile>,
  pacer: Pacer,
): Promise<CompactionResult> {
  const samples = await MetricBlockWriter.create(createFile, { isZipped: true });
  const index = new BlockIndexWriter(await createFile(INDEX_FILE), pacer);
  const sources: Source[] = [];
  for (const block of blocks)
    sources.push({ block, times: new TimeRows(block), gaps: await hidden.inBlock(block, pacer) });
  const ranks = await mergeStrings(sources, index, pacer);
  const cursors: Cursor[] = [];
  for (const [number, source] of sources.entries())
    cursors.push(await openCursor(source, ranks[number]!));
  const reader = new BatchReader({ startMs: -Infinity, endMs: Infinity }, pacer);
  let batch: { readonly ranks: Uint32Array; readonly places: SamplePlace[] }[] = [];
  let batchSamples = 0;
  const write = async () => {
    const read = await reader.read(batch);
    for (const [at, columns] of read.entries()) {
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
      const { place } = cursor.current;
      places.push(place);
      const row = await cursor.source.times.row(place.place.row);
      batchSamples += Math.min(row.count - place.place.from, place.place.count);
      await cursor.advance();
    }
    batch.push({ ranks: next, places });
    if (batch.length >= SELECT_BATCH_SERIES || batchSamples >= SELECT_BATCH_SAMPLES) await write();
    if (pacer.isDue()) await pacer.rest();
  }
  await write();
  await samples.finish();
  await index.finish();
  await mergeMetadata(blocks, createFile);
  const { rows, minMs, maxMs } = samples;
  return { series: index.seriesCount, rows, minMs, maxMs };
}

/** Writes the strings that are needed, each once; returns for each block the new number of every such string. */
async function mergeStrings(
  sources: readonly Source[],
  index: BlockIndexWriter,
  pacer: Pacer,
): Promise<Uint32Array[]> {
  const streams: StringStream[] = [];
  for (const source of sources) {
    const used = await markUsed(source, pacer);
    const pages = source.block.index.strings();
    const stream = { pages, used, page: [], at: 0, total: 0, isDone: false };
    await fillStream(stream);
    streams.push(stream);
  }
  const ranks: Uint32Array[] = sources.map(() => new Uint32Array(1024));
  for (let rank = 0; ;) {
    let text: string | undefined;
    for (const stream of streams) {
      if (stream.isDone) continue;
      const candidate = stream.page[stream.at]!;
      if (text === undefined || candidate < text) text = candidate;
    }
    if (text === undefined) break;
    let isUsed = false;
    for (const [number, stream] of streams.entries()) {
      if (stream.isDone || stream.page[stream.at] !== text) continue;
      isUsed ||= stream.used === undefined || stream.used[stream.total] === 1;
      ranks[number] = growUint32(ranks[number]!, stream.total + 1);
      ranks[number][stream.total++] = rank;
      stream.at++;
      if (stream.at === stream.page.length) await fillStream(stream);
    }
    if (isUsed) {
      await index.addString(text);
      rank++;
    }
    if (pacer.isDue()) await pacer.rest();
  }
  await index.endStrings();
  return ranks;
}

interface StringStream {
  readonly pages: AsyncGenerator<readonly string[]>;
  /** 1 for each string that is needed; undefined when all are. */
  readonly used: Uint8Array | undefined;
  page: readonly string[];
  at: number;
  total: number;
  isDone: boolean;
}

/** The strings of series that have something left: names that were deleted must not stay on disk. */
async function markUsed(source: Source, pacer: Pacer): Promise<Uint8Array | undefined> {
  if (source.gaps === undefined) return undefined;
  let used: Uint8Array = new Uint8Array(1024);
  let number = 0;
  for await (const page of source.block.index.rankedSeries()) {
    for (const { ranks, payload } of page) {
      const spans = source.gaps.of(number++);
      if (spans !== undefined && !(await isLeft(source, readPlace(payload), spans))) continue;
      for (const rank of ranks) {
        used = growUint8(used, rank + 1);
        used[rank] = 1;
      }
    }
    if (pacer.isDue()) await pacer.rest();
  }
  return used;
}

/** Whether a series has a sample outside of its gaps. */
async function isLeft(
  { times }: BlockSource,
  place: MetricPlace,
  spans: readonly TimeSpan[],
): Promise<boolean> {
  const row = await times.times(place.row);
  const end = Math.min(row.length, place.from + place.count);
  let left = end - place.from;
  for (const { startMs, endMs } of spans) {
    const from = Math.max(place.from, lowerBound(row, end, startMs));
    left -= Math.max(0, lowerBound(row, end, endMs + 1) - from);
  }
  return left > 0;
}

async function fillStream(stream: StringStream): Promise<void> {
  const next = await stream.pages.next();
  stream.isDone = next.done === true;
  stream.page = next.done === true ? [] : next.value;
  stream.at = 0;
}

/** A walk over the series of one block that have something left. */
interface Cursor {
  readonly source: Source;
  current: { readonly ranks: Uint32Array; readonly place: BlockPlace } | undefined;
  advance(): Promise<void>;
}

async function openCursor(source: Source, newRanks: Uint32Array): Promise<Cursor> {
  const pages = source.block.index.rankedSeries();
  let page: readonly RankedSeries[] = [];
  let at = 0;
  let number = 0;
  const cursor: Cursor = {
    source,
    current: undefined,
    async advance() {
      for (;;) {
        if (at === page.length) {
          const next = await pages.next();
          page = next.done === true ? [] : next.value;
          at = 0;
        }
        const series = page[at++];
        cursor.current = undefined;
        if (series === undefined) return;
        const place = readPlace(series.payload);
        const gaps = source.gaps?.of(number++);
        if (gaps !== undefined && !(await isLeft(source, place, gaps))) continue;
        const ranks = Uint32Array.from(series.ranks, (rank) => newRanks[rank]!);
        cursor.current = { ranks, place: { source, place, gaps } };
        return;
      }
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
  blocks: readonly Block[],
  createFile: (name: string) => Promise<BlockFile>,
): Promise<void> {
  const metadata = new Map<string, MetricMetadata>();
  for (const block of blocks)
    for (const entry of await readBlockMetadata(block)) metadata.set(entry.family, entry);
  await writeMetadata(createFile, [...metadata.values()]);
}
