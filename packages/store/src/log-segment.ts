/** Segments of log pages that are read as a whole, past the cache, by merges: pages are copied as they are stored, or their lines are made. */
import { crc32 } from "node:zlib";
import { CodecError } from "@finch/codec";
import type { LogColumns } from "@finch/model";
import type { Block } from "./block.ts";
import { PAGES_FILE } from "./file-names.ts";
import { decodeDirectory } from "./log-block.ts";
import type { SegmentRef } from "./log-block.ts";
import { lowerBoundNs } from "./log-columns.ts";
import { OpenPage } from "./log-page/open-page.ts";
import type { EncodedPage } from "./log-page/page-encoder.ts";
import type { StoredBody } from "./log-page/page-layout.ts";
import type { SegmentPage } from "./log-page/segment.ts";
import { ascending } from "./number-columns.ts";

/** One segment in memory. */
export class StoredSegment {
  readonly #block: Block;
  readonly #ref: SegmentRef;
  readonly #pages: readonly SegmentPage[];
  readonly #bodies: Uint8Array;

  private constructor(
    block: Block,
    ref: SegmentRef,
    of: { readonly pages: readonly SegmentPage[]; readonly bodies: Uint8Array },
  ) {
    this.#block = block;
    this.#ref = ref;
    this.#pages = of.pages;
    this.#bodies = of.bodies;
  }

  static async read(block: Block, ref: SegmentRef): Promise<StoredSegment> {
    const { directory, bodyBytes } = ref;
    const head = await block.unzipPage(PAGES_FILE, directory);
    try {
      const pages = decodeDirectory(head, ref);
      const offset = directory.offset + directory.length;
      const bodies = await block.read(PAGES_FILE, { offset, length: bodyBytes });
      return new StoredSegment(block, ref, { pages, bodies });
    } catch (error) {
      throw block.nonsense(error, PAGES_FILE, directory.offset);
    }
  }

  /** Page `at` as it is stored. Checksums are looked at: damage must not get into another block. */
  encoded(at: number): EncodedPage {
    const page = this.#pages[at]!;
    const { rows, lineBytes, minNs, maxNs, head, layout } = page;
    const columns = layout.bodies.map((body, i) => {
      const stored = this.#stored(page, i);
      if (crc32(stored) !== body.crc)
        throw this.#damage(`the checksum of column ${JSON.stringify(body.name)} is wrong`);
      return { name: body.name, stored };
    });
    return { rows, lineBytes, minNs, maxNs, head, columns };
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
    const numbers = new Map<StoredBody, number>();
    for (const [i, body] of page.layout.bodies.entries()) numbers.set(body, i);
    return new OpenPage(page.layout, (body) => this.#stored(page, numbers.get(body)!));
  }

  #stored({ layout, offsets }: SegmentPage, body: number): Uint8Array {
    const offset = offsets[body]!;
    return this.#bodies.subarray(offset, offset + layout.bodies[body]!.storedBytes);
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
