/** Segments of log pages that are read as a whole, past the cache, by merges: pages are copied as they are stored, or their lines are made. */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { CodecError } from "@finch/codec";
import type { LogColumns } from "@finch/model";
import type { Block } from "./block.ts";
import { decompressBytes, openPage } from "./block-format.ts";
import { PAGES_FILE } from "./file-names.ts";
import { decodeDirectory } from "./log-block.ts";
import type { SegmentRef } from "./log-block.ts";
import { lowerBoundNs } from "./log-columns.ts";
import { OpenPage } from "./log-page/open-page.ts";
import type { EncodedPage } from "./log-page/page-encoder.ts";
import type { StoredBody } from "./log-page/page-layout.ts";
import type { SegmentPage } from "./log-page/segment.ts";
import { ascending } from "./number-columns.ts";

/** Bytes that are read at once: streams follow each other in the file. */
const READ_BYTES = 256 * 1024;

/** Reads segments of one block; best in the order of the file. */
export class SegmentReader {
  readonly #block: Block;
  #window: Uint8Array = new Uint8Array(0);
  #windowAt = 0;

  constructor(block: Block) {
    this.#block = block;
  }

  async read(ref: SegmentRef): Promise<StoredSegment> {
    const block = this.#block;
    const { directory, bodyBytes } = ref;
    const { offset, length } = directory;
    const bytes = await this.#bytes(offset, length + bodyBytes);
    const framed = bytes.subarray(0, length);
    const head = openPage(framed, join(block.directory, PAGES_FILE), offset);
    try {
      const pages = decodeDirectory(await decompressBytes(head), ref);
      return new StoredSegment(block, ref, { pages, bodies: bytes.subarray(length) });
    } catch (error) {
      throw block.nonsense(error, PAGES_FILE, offset);
    }
  }

  async #bytes(offset: number, length: number): Promise<Uint8Array> {
    const from = offset - this.#windowAt;
    if (from >= 0 && from + length <= this.#window.length)
      return this.#window.subarray(from, from + length);
    const block = this.#block;
    const left = block.meta.files[PAGES_FILE]!.bytes - offset;
    const some = Math.max(length, Math.min(READ_BYTES, left));
    this.#window = await block.read(PAGES_FILE, { offset, length: some });
    this.#windowAt = offset;
    return this.#window.subarray(0, length);
  }
}

/** One segment in memory. */
export class StoredSegment {
  readonly #block: Block;
  readonly #ref: SegmentRef;
  readonly #pages: readonly SegmentPage[];
  readonly #bodies: Uint8Array;

  constructor(
    block: Block,
    ref: SegmentRef,
    of: { readonly pages: readonly SegmentPage[]; readonly bodies: Uint8Array },
  ) {
    this.#block = block;
    this.#ref = ref;
    this.#pages = of.pages;
    this.#bodies = of.bodies;
  }

  /** Page `at` as it is stored. Checksums are looked at: damage must not get into another block. */
  encoded(at: number): EncodedPage {
    const page = this.#pages[at]!;
    const { rows, lineBytes, minNs, maxNs, head, metadata } = page.place;
    const columns = page.layout.bodies.map((body) => {
      const stored = this.#stored(page, body);
      if (crc32(stored) !== body.crc)
        throw this.#damage(`the checksum of column ${JSON.stringify(body.name)} is wrong`);
      return { name: body.name, stored };
    });
    return { rows, lineBytes, minNs, maxNs, head, metadata, columns };
  }

  /** All rows of page `at`. */
  columns(at: number): LogColumns {
    return this.#decode(() => columnsOf(this.#open(at)));
  }

  /** Page `at` in parts, of which each is made when it is asked for. */
  parts(at: number): PageParts {
    const page = this.#open(at);
    return {
      between: (startNs, endNs) => this.#decode(() => columnsBetween(page, startNs, endNs)),
    };
  }

  #open(at: number): OpenPage {
    const page = this.#pages[at]!;
    return new OpenPage(page.layout, (body) => this.#stored(page, body));
  }

  #stored(page: SegmentPage, body: StoredBody): Uint8Array {
    const { start, end } = page.stretchOf(body);
    return this.#bodies.subarray(start, end);
  }

  #decode<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#block.nonsense(error, PAGES_FILE, this.#ref.directory.offset);
    }
  }

  #damage(what: string): unknown {
    const error = new CodecError("malformed", 0, what);
    return this.#block.nonsense(error, PAGES_FILE, this.#ref.directory.offset);
  }
}

export interface PageParts {
  /** The rows with `startNs <= time < endNs`. */
  between(startNs: bigint, endNs: bigint): LogColumns;
}

function columnsOf(page: OpenPage): LogColumns {
  const { rows } = page.layout;
  const { sets, of } = page.metadata;
  return {
    count: rows,
    timestampsNs: page.times,
    metadataSets: sets,
    metadataOf: of,
    ...page.lines(ascending(rows)),
  };
}

function columnsBetween(page: OpenPage, startNs: bigint, endNs: bigint): LogColumns {
  const { times } = page;
  const from = lowerBoundNs(times, times.length, startNs);
  const to = lowerBoundNs(times, times.length, endNs);
  const { sets, of } = page.metadata;
  const rows = ascending(to).subarray(from);
  return {
    count: to - from,
    timestampsNs: times.subarray(from, to),
    metadataSets: sets,
    metadataOf: of.subarray(from, to),
    ...page.lines(rows),
  };
}
