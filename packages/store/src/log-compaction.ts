/**
 * Writes log blocks anew, several as one: pages of each stream in order of time, as `log-join.ts` makes them, hidden lines left out. Memory does not grow with
 * lines: see there, and besides what the index writer keeps of series and 20 bytes a page.
 */
import type { Block } from "./block.ts";
import { BlockIndexWriter } from "./block-index-writer.ts";
import type { BlockFile } from "./block-writer.ts";
import { FILTERS_FILE, INDEX_FILE, PAGES_FILE, PATTERNS_FILE } from "./file-names.ts";
import { hidingInBlock } from "./hidden-lines.ts";
import type { HideLines } from "./hidden-lines.ts";
import type { HiddenRows } from "./hidden-rows.ts";
import { mergeIndexes } from "./index-merge.ts";
import type { IndexSource } from "./index-merge.ts";
import { LogBlockWriter, readSegmentRefs } from "./log-block.ts";
import type { SegmentRef } from "./log-block.ts";
import { StreamJoiner } from "./log-join.ts";
import type { ClosedPages } from "./log-page/closed-page.ts";
import { FilterMatrixReader } from "./log-page/filter-matrix.ts";
import type { OpenScratch } from "./log-page/filter-matrix-writer.ts";
import { PatternsReader } from "./log-patterns/patterns-file.ts";
import { SegmentReader } from "./log-segment.ts";
import type { CompactionResult, CompactionSources } from "./metric-compaction.ts";
import { ascending } from "./number-columns.ts";
import type { Pacer } from "./pacer.ts";

const NS_PER_MS = 1_000_000n;

/** A block to be merged. */
interface Source {
  readonly block: Block;
  readonly reader: SegmentReader;
  readonly filters: FilterMatrixReader;
  readonly patterns: PatternsReader;
  readonly hides: Hides;
}

/** What takes the hidden lines out of a stream's pages, by the number of the stream. */
type Hides = ReadonlyMap<number, HideLines>;

/** Where the merged block goes. */
export interface LogOutput {
  readonly createFile: (name: string) => Promise<BlockFile>;
  readonly openScratch: OpenScratch;
  readonly closer: ClosedPages;
}

/** Writes the files of the block that takes the place of the sources. */
export async function compactLogs(
  { blocks, hidden }: CompactionSources,
  { createFile, openScratch, closer }: LogOutput,
  pacer: Pacer,
): Promise<CompactionResult> {
  const pages = await createFile(PAGES_FILE);
  const patterns = await createFile(PATTERNS_FILE);
  const writer = new LogBlockWriter({ pages, patterns }, pacer, openScratch);
  const index = new BlockIndexWriter(await createFile(INDEX_FILE), pacer);
  const sources: Source[] = [];
  for (const block of blocks) {
    const hides = await findHides(block, hidden, pacer);
    const reader = new SegmentReader(block);
    const filters = new FilterMatrixReader(block);
    sources.push({ block, reader, filters, patterns: new PatternsReader(block), hides });
  }
  const joiner = new StreamJoiner(closer, pacer);
  const indexes = sources.map((source) => indexSource(source, pacer));
  for await (const { ranks, parts } of mergeIndexes(indexes, index, pacer)) {
    const stream = writer.openStream();
    const streamParts = parts.map(({ source, series, payload }) => {
      const { block, reader, filters, patterns: mined, hides } = sources[source]!;
      const segments = readRefs(block, payload);
      const patternsOf = (page: number) => mined.page(series, page);
      return { reader, filters, patternsOf, segments, hide: hides.get(series) };
    });
    for await (const page of joiner.join(streamParts)) {
      await stream.add(page);
      if (pacer.isDue()) await pacer.rest();
    }
    const payload = await stream.finish();
    if (payload !== undefined) await index.addSeries(ranks, payload);
  }
  await writer.finish(await createFile(FILTERS_FILE));
  await index.finish();
  const { rows, times } = writer;
  const series = index.seriesCount;
  if (times === undefined) return { series, rows, minMs: Infinity, maxMs: -Infinity };
  // The newest is rounded up, as in a head.
  const minMs = Number(times.minNs / NS_PER_MS);
  return { series, rows, minMs, maxMs: Number(times.maxNs / NS_PER_MS) + 1 };
}

/** Whether any line of the block is hidden: writing it anew costs much more than to look. */
export async function hasHiddenLines(
  block: Block,
  hidden: HiddenRows,
  pacer: Pacer,
): Promise<boolean> {
  const hides = await findHides(block, hidden, pacer);
  for await (const page of block.index.seriesOf(Uint32Array.from(hides.keys())))
    for (const { number, payload } of page)
      if (await someOf(block, payload, hides.get(number)!, pacer, (all, left) => left < all))
        return true;
  return false;
}

async function findHides(block: Block, hidden: HiddenRows, pacer: Pacer): Promise<Hides> {
  const hides = new Map<number, HideLines>();
  const hiding = hidingInBlock(hidden, block.meta);
  if (hiding === undefined) return hides;
  for await (const page of block.index.seriesOf(ascending(block.index.seriesCount))) {
    for (const { number, labels } of page) {
      const hide = hiding(labels);
      if (hide !== undefined) hides.set(number, hide);
    }
    if (pacer.isDue()) await pacer.rest();
  }
  return hides;
}

function indexSource({ block, hides }: Source, pacer: Pacer): IndexSource {
  if (hides.size === 0) return { block, isLeft: undefined };
  const isLeft = async (series: number, payload: Uint8Array): Promise<boolean> => {
    const hide = hides.get(series);
    return hide === undefined || someOf(block, payload, hide, pacer, (_all, left) => left > 0);
  };
  return { block, isLeft };
}

/** Whether a page of the stream is found by its number of rows, and of those that are left. */
async function someOf(
  block: Block,
  payload: Uint8Array,
  hide: HideLines,
  pacer: Pacer,
  isMeant: (all: number, left: number) => boolean,
): Promise<boolean> {
  const reader = new SegmentReader(block);
  for (const segment of readRefs(block, payload)) {
    const stored = await reader.read(segment);
    for (const at of segment.pages.keys()) {
      const columns = stored.columns(at);
      if (isMeant(columns.count, hide(columns).count)) return true;
      if (pacer.isDue()) await pacer.rest();
    }
  }
  return false;
}

function readRefs(block: Block, payload: Uint8Array): readonly SegmentRef[] {
  try {
    return readSegmentRefs(payload);
  } catch (error) {
    throw block.nonsense(error, INDEX_FILE, 0);
  }
}
