/**
 * Filters of all pages of a block, lying across: the filters of one size are a matrix with a row for each of their bits and a column for each page, so that
 * one short read a gram asks all pages at once. File `filters.bin`, drawn in `docs/format/log-pages.md`.
 */
import { crc32 } from "node:zlib";
import { ByteReader, CodecError } from "@finch/codec";
import type { BlockFiles } from "../block.ts";
import { FILTERS_FILE } from "../file-names.ts";
import {
  FILTER_SIZE_MAX,
  FILTER_SIZE_MIN,
  filterBits,
  GRAMS_ASKED_MAX,
  placeOf,
} from "./gram-filter.ts";

/** Where the filter of a page stands. Size 0: it has none. */
export interface FilterPlace {
  readonly size: number;
  readonly column: number;
}

/** Rows are read in units of about so many bytes, each with its checksum. */
const UNIT_BYTES = 256;
export function unitRows(columns: number): number {
  return Math.max(1, Math.floor(UNIT_BYTES / widthOf(columns)));
}

/** Bytes of a row. */
export function widthOf(columns: number): number {
  return Math.ceil(columns / 8);
}

/** Rows of a matrix back to back, without their checksums. */
export interface FilterRows {
  readonly bytes: Uint8Array;
  /** Bytes of a row. */
  readonly width: number;
}

/** Reads rows `first … first + count - 1` of a matrix whose units begin at `offset`; throws a {@link CodecError} when a checksum is wrong. */
export async function readUnits(
  read: (offset: number, length: number) => Promise<Uint8Array>,
  { columns, offset }: Matrix,
  first: number,
  count: number,
): Promise<FilterRows> {
  const width = widthOf(columns);
  const rows = unitRows(columns);
  const unitBytes = 4 + rows * width;
  const unit = Math.floor(first / rows);
  const units = Math.ceil((first + count) / rows) - unit;
  const from = offset + unit * unitBytes;
  const stored = await read(from, units * unitBytes);
  const view = new DataView(stored.buffer, stored.byteOffset, stored.length);
  const bytes = new Uint8Array(units * rows * width);
  for (let at = 0; at < units; at++) {
    const body = stored.subarray(at * unitBytes + 4, (at + 1) * unitBytes);
    if (view.getUint32(at * unitBytes, true) !== crc32(body)) {
      const place = from + at * unitBytes;
      throw new CodecError("malformed", place, `the checksum of filters at ${place} is wrong`);
    }
    bytes.set(body, at * rows * width);
  }
  const skipped = (first - unit * rows) * width;
  return { bytes: bytes.subarray(skipped, skipped + count * width), width };
}

export interface Matrix {
  readonly columns: number;
  readonly offset: number;
}

/** The filters of a block on disk. */
export class FilterMatrixReader {
  readonly #block: BlockFiles;

  constructor(block: BlockFiles) {
    this.#block = block;
  }

  /** For each size of filter, which pages may have all grams: a bit for each column. `note` is told the bytes read. */
  async ask(
    hashes: Uint32Array,
    sizes: ReadonlySet<number>,
    note: (bytes: number) => void,
  ): Promise<Map<number, Uint8Array>> {
    const answers = new Map<number, Uint8Array>();
    for (const size of sizes) {
      const matrix = await this.#matrix(size);
      answers.set(size, await this.#askOne(matrix, size, hashes, note));
    }
    return answers;
  }

  /** Rows of the matrix of one size, for those who copy its columns. */
  async readRows(size: number, first: number, count: number): Promise<FilterRows> {
    const matrix = await this.#matrix(size);
    const read = (offset: number, length: number) =>
      this.#block.read(FILTERS_FILE, { offset, length });
    try {
      return await readUnits(read, matrix, first, count);
    } catch (error) {
      throw this.#block.nonsense(error, FILTERS_FILE, matrix.offset);
    }
  }

  async #askOne(
    { columns, offset }: Matrix,
    size: number,
    hashes: Uint32Array,
    note: (bytes: number) => void,
  ): Promise<Uint8Array> {
    const width = widthOf(columns);
    const left = new Uint8Array(width).fill(0xff);
    const asked = spread(hashes, GRAMS_ASKED_MAX);
    const bits = filterBits(size);
    const rows = unitRows(columns);
    const unitBytes = 4 + rows * width;
    for (const hash of asked) {
      const row = placeOf(hash, bits);
      const unit = Math.floor(row / rows);
      const place = { offset: offset + unit * unitBytes, length: unitBytes };
      const body = await this.#block.readPage(FILTERS_FILE, place);
      const from = (row - unit * rows) * width;
      note(unitBytes);
      let any = 0;
      for (let i = 0; i < width; i++) any |= left[i]! &= body[from + i]!;
      if (any === 0) break;
    }
    return left;
  }

  async #matrix(size: number): Promise<Matrix> {
    const matrix = (await this.#matrices()).get(size);
    if (matrix === undefined)
      throw this.#block.damage(FILTERS_FILE, 0, `it has no filters of size ${size}`);
    return matrix;
  }

  #matrices(): Promise<ReadonlyMap<number, Matrix>> {
    return this.#block.cached(FILTERS_FILE, "filters", async () => {
      const reader = new ByteReader(await this.#block.readRoot(FILTERS_FILE));
      const matrices = new Map<number, Matrix>();
      for (let left = reader.readVarint(); left > 0; left--) {
        const size = reader.readVarint();
        if (size < FILTER_SIZE_MIN || size > FILTER_SIZE_MAX)
          throw new CodecError("malformed", reader.position, `filters of size ${size}`);
        matrices.set(size, { columns: reader.readVarint(), offset: reader.readVarint() });
      }
      return { value: matrices, bytes: 64 * matrices.size };
    });
  }
}

/** At most `max` of the hashes, from all parts of the needle. */
function spread(hashes: Uint32Array, max: number): Uint32Array {
  if (hashes.length <= max) return hashes;
  return Uint32Array.from(
    { length: max },
    (_, i) => hashes[Math.floor((i * hashes.length) / max)]!,
  );
}
