/**
 * Merges metric blocks into one: strings and series of all of them in order, samples of each series joined, deleted ones left out. Memory does
 * not grow with samples: of each block a page of strings and of series is held, and samples batch by batch.
 */
import type { MetricMetadata } from "@finch/model";
import type { Block } from "./block.ts";
import { BlockIndexWriter } from "./block-index-writer.ts";
import type { BlockFile } from "./block-writer.ts";
import type { TimeSpan } from "./deletes.ts";
import { INDEX_FILE } from "./file-names.ts";
import type { Gaps, HiddenRows } from "./hidden-rows.ts";
import { mergeIndexes } from "./index-merge.ts";
import type { IndexSource } from "./index-merge.ts";
import { SELECT_BATCH_SAMPLES, SELECT_BATCH_SERIES } from "./limits.ts";
import { BatchReader } from "./metric-batch.ts";
import type { BlockSource, SamplePlace } from "./metric-batch.ts";
import { readPlace } from "./metric-block.ts";
import type { MetricPlace } from "./metric-block.ts";
import { MetricBlockWriter } from "./metric-block-writer.ts";
import { readBlockMetadata, writeMetadata } from "./metric-metadata.ts";
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
  for await (const { ranks, parts } of mergeIndexes(sources.map(indexSource), index, pacer)) {
    const places: SamplePlace[] = [];
    for (const part of parts) {
      const source = sources[part.source]!;
      const place = readPlace(part.payload);
      places.push({ source, place, gaps: source.gaps?.of(part.series) });
      const row = await source.times.row(place.row);
      batchSamples += Math.min(row.count - place.from, place.count);
    }
    batch.push({ ranks, places });
    if (batch.length >= SELECT_BATCH_SERIES || batchSamples >= SELECT_BATCH_SAMPLES) await write();
  }
  await write();
  await samples.finish();
  await index.finish();
  await mergeMetadata(blocks, createFile);
  const { rows, minMs, maxMs } = samples;
  return { series: index.seriesCount, rows, minMs, maxMs };
}

function indexSource(source: Source): IndexSource {
  const { block, gaps } = source;
  if (gaps === undefined) return { block, isLeft: undefined };
  const isLeft = async (series: number, payload: Uint8Array): Promise<boolean> => {
    const spans = gaps.of(series);
    return spans === undefined || hasOutside(source, readPlace(payload), spans);
  };
  return { block, isLeft };
}

/** Whether a series has a sample outside of its gaps. */
async function hasOutside(
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

async function mergeMetadata(
  blocks: readonly Block[],
  createFile: (name: string) => Promise<BlockFile>,
): Promise<void> {
  const metadata = new Map<string, MetricMetadata>();
  for (const block of blocks)
    for (const entry of await readBlockMetadata(block)) metadata.set(entry.family, entry);
  await writeMetadata(createFile, [...metadata.values()]);
}
