/** Log columns of a block: segments of pages by stream, the filters of all pages, and their patterns. Drawn in `docs/format/log-pages.md`. */
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import { ByteRuns } from "./byte-strings.ts";
import type { Block } from "./block.ts";
import { compressBytes, framePage } from "./block-format.ts";
import type { PageRef } from "./block-format.ts";
import { orderSeries, writeIndex } from "./block-index-writer.ts";
import type { BlockFile } from "./block-writer.ts";
import { FILTERS_FILE, INDEX_FILE, PAGES_FILE, PATTERNS_FILE } from "./file-names.ts";
import type { LogHead } from "./log-head.ts";
import type { FilterAnswer, FilterPlace } from "./log-page/filter-matrix.ts";
import { FilterMatrixWriter } from "./log-page/filter-matrix-writer.ts";
import type { CopiedFilter, OpenScratch } from "./log-page/filter-matrix-writer.ts";
import type { PageFilter } from "./log-page/gram-filter.ts";
import type { MinedPage } from "./log-page/page-encoder.ts";
import {
  decodeSegment,
  encodeSegment,
  SEGMENT_PAGES_MAX,
  SegmentPage,
} from "./log-page/segment.ts";
import { PatternsWriter } from "./log-patterns/patterns-file.ts";
import { largerNs, readNs, smallerNs, writeNs } from "./nanoseconds.ts";
import type { Pacer } from "./pacer.ts";
import { ascending } from "./number-columns.ts";

/** A segment as the index of the block knows it. */
export interface SegmentRef {
  readonly directory: PageRef;
  /** Of its bodies, which follow the directory. */
  readonly bodyBytes: number;
  readonly pages: readonly LogPageRef[];
}

export interface LogPageRef {
  readonly rows: number;
  readonly lineBytes: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly filter: FilterPlace;
}

export async function sealLogs(
  head: LogHead,
  createFile: (name: string) => Promise<BlockFile>,
  pacer: Pacer,
): Promise<{ readonly series: number; readonly rows: number }> {
  const { index } = head;
  const wanted = ascending(index.seriesCount).filter((stream) => head.hasRows(stream));
  const order = await orderSeries(index, wanted, pacer);
  const pages = await createFile(PAGES_FILE);
  const patterns = await createFile(PATTERNS_FILE);
  const writer = new LogBlockWriter({ pages, patterns }, pacer);
  const payloads = new ByteRuns();
  for (const stream of order.series)
    payloads.add(await writer.writeStream(await head.closeAll(stream, pacer)));
  await writer.finish(await createFile(FILTERS_FILE));
  await writeIndex(await createFile(INDEX_FILE), index, order, payloads, pacer);
  return { series: order.series.length, rows: writer.rows };
}

/** A page to be written: a new one, or one that is copied. */
export interface WrittenPage extends MinedPage {
  readonly filter: PageFilter | CopiedFilter;
}

/** One stream of a block that is being written. */
export interface LogStreamWriter {
  add(page: WrittenPage): Promise<void>;
  /** What the index keeps with the stream; undefined when it has no page. */
  finish(): Promise<Uint8Array | undefined>;
}

/** Writes pages and their patterns, stream by stream in the order of the index, and then their filters. */
export class LogBlockWriter {
  rows = 0;
  /** Of all pages; undefined when there is none. */
  times: { readonly minNs: bigint; readonly maxNs: bigint } | undefined;
  readonly #pages: BlockFile;
  readonly #patterns: PatternsWriter;
  /** Streams that have been written. */
  #streams = 0;
  readonly #filters: FilterMatrixWriter;
  readonly #pacer: Pacer;

  constructor(
    files: { readonly pages: BlockFile; readonly patterns: BlockFile },
    pacer: Pacer,
    openScratch?: OpenScratch,
  ) {
    this.#pages = files.pages;
    this.#patterns = new PatternsWriter(files.patterns);
    this.#pacer = pacer;
    this.#filters = new FilterMatrixWriter(openScratch);
  }

  /** Writes the pages of a stream; returns what the index keeps with it. */
  async writeStream(pages: readonly WrittenPage[]): Promise<Uint8Array> {
    const stream = this.openStream();
    for (const page of pages) await stream.add(page);
    return (await stream.finish())!;
  }

  /** Begins a stream whose pages come one by one, in order; those of a segment are held. One at a time. */
  openStream(): LogStreamWriter {
    const segments = new ByteWriter(64);
    let segmentCount = 0;
    let pageCount = 0;
    let held: WrittenPage[] = [];
    const writeHeld = async () => {
      await this.#writeSegment(held, segments);
      segmentCount++;
      held = [];
    };
    return {
      add: async (page) => {
        held.push(page);
        await this.#patterns.add(this.#streams, pageCount++, page.patterns);
        if (held.length === SEGMENT_PAGES_MAX) await writeHeld();
      },
      finish: async () => {
        if (held.length > 0) await writeHeld();
        if (segmentCount === 0) return undefined;
        this.#streams++;
        const payload = new ByteWriter(8 + segments.length);
        payload.writeVarint(segmentCount);
        payload.writeBytes(segments.bytes.subarray(0, segments.length));
        return payload.finish();
      },
    };
  }

  /** Writes what stands behind all pages. */
  async finish(filters: BlockFile): Promise<void> {
    await this.#patterns.finish();
    await this.#filters.write(filters, this.#pacer);
  }

  async #writeSegment(pages: readonly WrittenPage[], payload: ByteWriter): Promise<void> {
    const segment = encodeSegment(pages.map(({ page }) => page));
    const place = await this.#pages.append(framePage(await compressBytes(segment.directory)));
    await this.#pages.appendAll(segment.bodies);
    payload.writeVarint(place.offset);
    payload.writeVarint(place.length);
    payload.writeVarint(segment.bodyBytes);
    payload.writeVarint(pages.length);
    for (const { page, filter } of pages) {
      const { size, column } = await this.#filters.add(filter);
      payload.writeVarint(page.rows);
      payload.writeVarint(page.lineBytes);
      writeNs(payload, page.minNs);
      writeNs(payload, page.maxNs - page.minNs);
      payload.writeByte(size);
      payload.writeVarint(column);
      this.rows += page.rows;
      const { minNs, maxNs } = this.times ?? page;
      this.times = { minNs: smallerNs(minNs, page.minNs), maxNs: largerNs(maxNs, page.maxNs) };
    }
    if (this.#pacer.isDue()) await this.#pacer.rest();
  }
}

/** Reads what the index keeps with a stream. */
export function readSegmentRefs(payload: Uint8Array): SegmentRef[] {
  const reader = new ByteReader(payload);
  const segments: SegmentRef[] = [];
  for (let left = reader.readVarint(); left > 0; left--) {
    const directory = { offset: reader.readVarint(), length: reader.readVarint() };
    const bodyBytes = reader.readVarint();
    const pages: LogPageRef[] = [];
    for (let page = reader.readVarint(); page > 0; page--) {
      const rows = reader.readVarint();
      const lineBytes = reader.readVarint();
      const minNs = readNs(reader);
      const maxNs = minNs + readNs(reader);
      const filter = { size: reader.readByte(), column: reader.readVarint() };
      pages.push({ rows, lineBytes, minNs, maxNs, filter });
    }
    segments.push({ directory, bodyBytes, pages });
  }
  return segments;
}

/** Of what {@link readSegmentRefs} reads: how many pages there are, and whether one of them may have what was asked. Most streams are done with thereby. */
export function askPayload(
  payload: Uint8Array,
  answer: FilterAnswer,
): { readonly pages: number; readonly isPossible: boolean } {
  const reader = new ByteReader(payload);
  let pages = 0;
  let isPossible = false;
  for (let left = reader.readVarint(); left > 0; left--) {
    // Offset and length of the directory, bytes of the bodies.
    skipVarints(reader, 3);
    for (let page = reader.readVarint(); page > 0; page--) {
      pages++;
      // Rows, bytes of lines, two times of two numbers each.
      skipVarints(reader, 6);
      if (answer.has(reader.readByte(), reader.readVarint())) isPossible = true;
    }
  }
  return { pages, isPossible };
}

function skipVarints(reader: ByteReader, count: number): void {
  for (let left = count; left > 0;) if (reader.readByte() < 0x80) left--;
}

/** Memory of what is kept of a page besides its bytes of the directory: an estimate. */
const PLACE_BYTES = 400;

/** The pages of a segment, without their bodies. Their heads are kept, their layouts are not. */
export async function readSegment(
  block: Block,
  segment: SegmentRef,
): Promise<readonly SegmentPage[]> {
  const { directory } = segment;
  const places = await block.cached(PAGES_FILE, `segment ${directory.offset}`, async () => {
    const bytes = await block.unzipPage(PAGES_FILE, directory);
    const value = decodeDirectory(bytes, segment).map(({ place }) => place);
    const bodies = value.reduce((sum, { offsets }) => sum + offsets.length, 0);
    return { value, bytes: bytes.length + PLACE_BYTES * value.length + 4 * bodies };
  });
  return places.map((place) => new SegmentPage(place));
}

/** The pages of a directory that must be those of the index. */
export function decodeDirectory(
  directory: Uint8Array,
  { bodyBytes, pages }: SegmentRef,
): SegmentPage[] {
  const decoded = decodeSegment(directory, bodyBytes);
  if (
    decoded.length !== pages.length ||
    decoded.some(({ place }, i) => place.rows !== pages[i]!.rows)
  )
    throw new CodecError("malformed", 0, "the directory of a segment is not that of the index");
  return decoded;
}
