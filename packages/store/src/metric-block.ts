/** Metric blocks: sealing a head into one, and reading where a series' samples are and the samples. Drawn in `docs/format/blocks.md`. */
import { ByteReader } from "@finch/codec";
import { freeBytes } from "@finch/runtime";
import type { Block } from "./block.ts";
import { FILE_HEADER_BYTES, decompressTogether, openPage } from "./block-format.ts";
import type { Decompressed } from "./block-format.ts";
import { orderSeries, writeIndex } from "./block-index-writer.ts";
import type { BlockFile } from "./block-writer.ts";
import { ByteRuns } from "./byte-strings.ts";
import { INDEX_FILE, PAGES_FILE } from "./file-names.ts";
import { READ_BYTES_MAX, READ_GAP_BYTES } from "./limits.ts";
import { ChunkPageReader, NO_EXTRAS } from "./metric-chunk.ts";
import type { ChunkExtras, ChunkTarget } from "./metric-chunk.ts";
import { MetricBlockWriter } from "./metric-block-writer.ts";
import type { MetricHead } from "./metric-head.ts";
import { writeMetadata } from "./metric-metadata.ts";
import { ascending } from "./number-columns.ts";
import type { Pacer } from "./pacer.ts";
import { join } from "node:path";

export async function sealMetrics(
  head: MetricHead,
  createFile: (name: string) => Promise<BlockFile>,
  pacer: Pacer,
): Promise<{ readonly series: number; readonly rows: number }> {
  const { index } = head;
  const wanted = ascending(index.seriesCount).filter((series) => head.hasSamples(series));
  const order = await orderSeries(index, wanted, pacer);
  const writer = await MetricBlockWriter.create(createFile, { isZipped: false });
  const payloads = new ByteRuns();
  const reader = head.createSealReader();
  for (const series of order.series) {
    payloads.add(await writer.addSeries(reader.read(series)));
    if (pacer.isDue()) await pacer.rest();
  }
  await writer.finish();
  await writeIndex(await createFile(INDEX_FILE), index, order, payloads, pacer);
  await writeMetadata(createFile, [...head.metadata.values()]);
  return { series: order.series.length, rows: writer.rows };
}

/** Where the samples of one series of a block are. */
export interface MetricPlace {
  /** Of `time-rows.ts`: its times are the stretch `from … from + count` of the row. */
  readonly row: number;
  readonly from: number;
  /** `Infinity` up to the end of the row. */
  readonly count: number;
  /** Number of its first chunk in the block; the others follow. */
  readonly chunk: number;
}

export function readPlace(payload: Uint8Array): MetricPlace {
  const reader = new ByteReader(payload);
  const tag = reader.readVarint();
  const isWhole = tag % 2 === 0;
  return {
    row: Math.floor(tag / 2),
    from: isWhole ? 0 : reader.readVarint(),
    count: isWhole ? Infinity : reader.readVarint(),
    chunk: reader.readVarint(),
  };
}

/** A chunk to be read: its number in the block, and where its values go. */
export interface ChunkWish extends ChunkTarget {
  readonly chunk: number;
}

/** Pages read one after the other up to which they go through the cache. */
const CACHED_PAGES_MAX = 4;
/** Pages decompressed in one go: some 256 KiB. */
const PAGES_TOGETHER = 16;

interface PageTable {
  /** Offset of each page and, last, the end. */
  readonly offsets: Float64Array;
  /** Number of the first chunk of each page and, last, of all chunks. */
  readonly firstChunks: Float64Array;
}

/** Fulfils wishes, which ascend by chunk; pages that stand close together are fetched in one read. `accept` takes what chunks have besides values. */
export async function readChunks<Wish extends ChunkWish>(
  block: Block,
  wishes: readonly Wish[],
  pacer: Pacer,
  accept: (wish: Wish, extras: ChunkExtras) => void,
): Promise<void> {
  const table = await pageTable(block);
  const last = wishes.at(-1)?.chunk ?? 0;
  if (last >= table.firstChunks.at(-1)!)
    throw block.damage(PAGES_FILE, 0, `there is no chunk ${last}`);
  for (let at = 0; at < wishes.length;) {
    const firstPage = pageOfChunk(table, wishes[at]!.chunk);
    const pages = [firstPage];
    let page = firstPage;
    let next = at + 1;
    for (; next < wishes.length; next++) {
      const wanted = pageOfChunk(table, wishes[next]!.chunk, page);
      const gap = table.offsets[wanted]! - table.offsets[page + 1]!;
      const total = table.offsets[wanted + 1]! - table.offsets[firstPage]!;
      if (wanted !== page && (gap > READ_GAP_BYTES || total > READ_BYTES_MAX)) break;
      if (wanted !== page) pages.push(wanted);
      page = wanted;
    }
    const source = await pagesOf(block, table, pages);
    await readPages(block, { table, source, firstPage, accept }, wishes.slice(at, next), pacer);
    source.close();
    at = next;
  }
}

/** Where the bodies of pages come from. */
interface PageSource {
  /** Of the next page; that of the one before is no longer needed. */
  bodyOf(page: number): Promise<Uint8Array>;
  close(): void;
}

/** The bodies of pages, in ascending order: few of them are kept for those who ask again, as panels do; scans would leave nothing else in the cache. */
async function pagesOf(
  block: Block,
  table: PageTable,
  pages: readonly number[],
): Promise<PageSource> {
  const first = pages[0]!;
  const last = pages.at(-1)!;
  const placeOf = (page: number) => {
    const offset = table.offsets[page]!;
    return { offset, length: table.offsets[page + 1]! - offset };
  };
  if (last - first < CACHED_PAGES_MAX) {
    const bodyOf = (page: number) =>
      block.cached(PAGES_FILE, `page:${page}`, async () => {
        const value = await block.unzipPage(PAGES_FILE, placeOf(page));
        return { value, bytes: value.length };
      });
    return { bodyOf, close: () => {} };
  }
  const start = table.offsets[first]!;
  const length = table.offsets[last + 1]! - start;
  const bytes = await block.read(PAGES_FILE, { offset: start, length });
  const path = join(block.directory, PAGES_FILE);
  const storedOf = (page: number) => {
    const { offset, length: framed } = placeOf(page);
    const from = offset - start;
    return openPage(bytes.subarray(from, from + framed), path, offset);
  };
  let ready: Decompressed = { bodies: [], memory: bytes.subarray(0, 0) };
  let readyFrom = 0;
  let next = 0;
  return {
    bodyOf: async () => {
      if (next === readyFrom + ready.bodies.length) {
        // A scan makes more garbage than everything else, and of the kind that the collector hurries for.
        freeBytes(ready.memory);
        readyFrom = next;
        ready = await decompressTogether(pages.slice(next, next + PAGES_TOGETHER).map(storedOf));
      }
      return ready.bodies[next++ - readyFrom]!;
    },
    close: () => {
      freeBytes(ready.memory);
      freeBytes(bytes);
    },
  };
}

async function readPages<Wish extends ChunkWish>(
  block: Block,
  from: {
    readonly table: PageTable;
    readonly source: PageSource;
    readonly firstPage: number;
    readonly accept: (wish: Wish, extras: ChunkExtras) => void;
  },
  wishes: readonly Wish[],
  pacer: Pacer,
): Promise<void> {
  const { table, source, firstPage, accept } = from;
  for (let at = 0; at < wishes.length;) {
    const page = pageOfChunk(table, wishes[at]!.chunk, firstPage);
    const body = await source.bodyOf(page);
    const first = table.firstChunks[page]!;
    const end = table.firstChunks[page + 1]!;
    try {
      const starts = readStarts(new ByteReader(body), end - first);
      const reader = new ChunkPageReader(body);
      for (; at < wishes.length && wishes[at]!.chunk < end; at++) {
        const wish = wishes[at]!;
        const extras = reader.read(starts[wish.chunk - first]!, wish);
        if (extras !== NO_EXTRAS) accept(wish, extras);
      }
    } catch (error) {
      throw block.nonsense(error, PAGES_FILE, table.offsets[page]!);
    }
    if (pacer.isDue()) await pacer.rest();
  }
}

/** Where each chunk of a page begins. */
function readStarts(reader: ByteReader, count: number): Uint32Array {
  if (reader.readVarint() !== count) throw new RangeError("a page with other chunks");
  const starts = new Uint32Array(count);
  let position = 0;
  for (let i = 0; i < count; i++) {
    starts[i] = position;
    position += reader.readVarint();
  }
  for (let i = 0; i < count; i++) starts[i]! += reader.position;
  return starts;
}

function pageOfChunk(table: PageTable, chunk: number, from = 0): number {
  const { firstChunks } = table;
  if (chunk < firstChunks[from + 1]!) return from;
  let low = from + 1;
  let high = firstChunks.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (firstChunks[middle + 1]! <= chunk) low = middle + 1;
    else high = middle;
  }
  return low;
}

function pageTable(block: Block): Promise<PageTable> {
  return block.cached(PAGES_FILE, "pages", async () => {
    const reader = new ByteReader(await block.readRoot(PAGES_FILE));
    const pages = reader.readVarint();
    if (pages > reader.end) throw new RangeError(`${pages} pages`);
    const offsets = new Float64Array(pages + 1);
    const firstChunks = new Float64Array(pages + 1);
    offsets[0] = FILE_HEADER_BYTES;
    for (let page = 0; page < pages; page++) {
      offsets[page + 1] = offsets[page]! + reader.readVarint();
      firstChunks[page + 1] = firstChunks[page]! + reader.readVarint();
    }
    return { value: { offsets, firstChunks }, bytes: offsets.byteLength * 2 };
  });
}
