/** Writes the samples of a metric block, series by series in the order of the index: chunks in pages, times as shared rows. */
import { ByteWriter } from "@finch/codec";
import { framePage } from "./block-format.ts";
import type { BlockFile } from "./block-writer.ts";
import { PAGES_FILE, TIMES_FILE } from "./file-names.ts";
import { CHUNK_PAGE_BYTES } from "./limits.ts";
import { writeChunk } from "./metric-chunk.ts";
import type { SampleColumns } from "./sample-columns.ts";
import { chunkRows, TimeRowWriter } from "./time-rows.ts";

/** What belongs to a series of a block, as its index keeps it: see `docs/format/blocks.md`. */
export class MetricBlockWriter {
  /** Samples so far. */
  rows = 0;
  minMs = Infinity;
  maxMs = -Infinity;
  readonly #file: BlockFile;
  readonly #times: TimeRowWriter;
  readonly #isZipped: boolean;
  readonly #payload = new ByteWriter(24);
  readonly #lengths = new ByteWriter();
  readonly #chunks = new ByteWriter(2 * CHUNK_PAGE_BYTES);
  readonly #root = new ByteWriter();
  #pages = 0;
  #chunksOfPage = 0;
  #chunkCount = 0;

  private constructor(pages: BlockFile, times: BlockFile, isZipped: boolean) {
    this.#file = pages;
    this.#times = new TimeRowWriter(times);
    this.#isZipped = isZipped;
  }

  /** Pages are compressed with `isZipped`: it saves some 5 % and costs time that a flush, under load, does not have. */
  static async create(
    createFile: (name: string) => Promise<BlockFile>,
    options: { readonly isZipped: boolean },
  ): Promise<MetricBlockWriter> {
    const pages = await createFile(PAGES_FILE);
    return new MetricBlockWriter(pages, await createFile(TIMES_FILE), options.isZipped);
  }

  /** Adds one series, at least one sample of it; returns what the index keeps, a view until the next. */
  async addSeries(columns: SampleColumns): Promise<Uint8Array> {
    const { timestampsMs } = columns;
    const { row, from, count, rowCount } = await this.#times.intern(timestampsMs);
    const payload = this.#payload;
    payload.clear();
    const isWhole = count === rowCount;
    payload.writeVarint(2 * row + (isWhole ? 0 : 1));
    if (!isWhole) {
      payload.writeVarint(from);
      payload.writeVarint(count);
    }
    payload.writeVarint(this.#chunkCount);
    const step = chunkRows(rowCount);
    for (let at = 0; at < count;) {
      const to = Math.min(count, (Math.floor((from + at) / step) + 1) * step - from);
      await this.#addChunk(columns, at, to);
      at = to;
    }
    this.rows += count;
    this.minMs = Math.min(this.minMs, timestampsMs[0]!);
    this.maxMs = Math.max(this.maxMs, timestampsMs[count - 1]!);
    return payload.bytes.subarray(0, payload.length);
  }

  async finish(): Promise<void> {
    await this.#flush();
    const root = new ByteWriter();
    root.writeVarint(this.#pages);
    root.writeBytes(this.#root.finish());
    await this.#file.appendRoot(root.finish());
    await this.#times.finish();
  }

  async #addChunk(columns: SampleColumns, from: number, to: number): Promise<void> {
    const before = this.#chunks.length;
    writeChunk(this.#chunks, columns, from, to);
    this.#lengths.writeVarint(this.#chunks.length - before);
    this.#chunkCount++;
    this.#chunksOfPage++;
    if (this.#chunks.length >= CHUNK_PAGE_BYTES) await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#chunksOfPage === 0) return;
    const page = new ByteWriter(16 + this.#lengths.length + this.#chunks.length);
    // The mark of bytes that are not compressed, which `decompressBytes` knows.
    if (!this.#isZipped) page.writeByte(0);
    page.writeVarint(this.#chunksOfPage);
    page.writeBytes(this.#lengths.bytes.subarray(0, this.#lengths.length));
    page.writeBytes(this.#chunks.bytes.subarray(0, this.#chunks.length));
    const bytes = page.bytes.subarray(0, page.length);
    const { length } = this.#isZipped
      ? await this.#file.appendZipped(bytes)
      : await this.#file.append(framePage(bytes));
    this.#root.writeVarint(length);
    this.#root.writeVarint(this.#chunksOfPage);
    this.#pages++;
    this.#chunksOfPage = 0;
    this.#lengths.clear();
    this.#chunks.clear();
  }
}
