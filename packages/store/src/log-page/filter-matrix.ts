/**
 * Filters of all pages of a block, lying across: the filters of one size are a matrix with a row for each of their bits and a column for each page, so that
 * one short read a gram asks all pages at once. File `filters.bin`, drawn in `docs/format/log-pages.md`.
 */
import { crc32 } from "node:zlib";
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import type { BlockFiles } from "../block.ts";
import type { BlockFile } from "../block-writer.ts";
import { FILTERS_FILE } from "../file-names.ts";
import type { Pacer } from "../pacer.ts";
import {
  FILTER_SIZE_MAX,
  FILTER_SIZE_MIN,
  filterBits,
  GRAMS_ASKED_MAX,
  placeOf,
} from "./gram-filter.ts";
import type { PageFilter } from "./gram-filter.ts";

/** Where the filter of a page stands. Size 0: it has none. */
export interface FilterPlace {
  readonly size: number;
  readonly column: number;
}

/** Rows are read in units of about so many bytes, each with its checksum. */
const UNIT_BYTES = 256;
/** Units written at once. */
const BAND_UNITS = 256;

function unitRows(columns: number): number {
  return Math.max(1, Math.floor(UNIT_BYTES / Math.ceil(columns / 8)));
}

/** Collects the filters of a block and writes them. */
export class FilterMatrixWriter {
  readonly #filters = new Map<number, Uint8Array[]>();

  add({ size, bits }: PageFilter): FilterPlace {
    if (size === 0) return { size, column: 0 };
    let filters = this.#filters.get(size);
    if (filters === undefined) this.#filters.set(size, (filters = []));
    filters.push(bits);
    return { size, column: filters.length - 1 };
  }

  async write(file: BlockFile, pacer: Pacer): Promise<void> {
    const root = new ByteWriter(64);
    const sizes = [...this.#filters.keys()].toSorted((a, b) => a - b);
    root.writeVarint(sizes.length);
    for (const size of sizes) {
      const filters = this.#filters.get(size)!;
      root.writeVarint(size);
      root.writeVarint(filters.length);
      const rows = unitRows(filters.length);
      const units = Math.ceil(filterBits(size) / rows);
      for (let unit = 0; unit < units; unit += BAND_UNITS) {
        const count = Math.min(BAND_UNITS, units - unit);
        const { offset } = await file.append(makeUnits(filters, { unit, count, rows }));
        if (unit === 0) root.writeVarint(offset);
        if (pacer.isDue()) await pacer.rest();
      }
    }
    await file.appendRoot(root.finish());
  }
}

/** Units `unit … unit + count - 1` of a matrix: the checksum of each, then its rows. Rows beyond the last bit are empty. */
function makeUnits(
  filters: readonly Uint8Array[],
  { unit, count, rows }: { readonly unit: number; readonly count: number; readonly rows: number },
): Uint8Array {
  const width = Math.ceil(filters.length / 8);
  const unitBytes = 4 + rows * width;
  const units = new Uint8Array(count * unitBytes);
  const rowEnd = Math.min((unit + count) * rows, 8 * filters[0]!.length);
  for (const [column, bits] of filters.entries()) {
    const byte = 4 + (column >> 3);
    const mask = 1 << (column & 7);
    for (let at = 0, row = unit * rows; row < rowEnd; at++)
      for (let i = 0; i < rows && row < rowEnd; i++, row++)
        if ((bits[row >> 3]! & (1 << (row & 7))) !== 0)
          units[at * unitBytes + byte + i * width]! |= mask;
  }
  const view = new DataView(units.buffer);
  for (let at = 0; at < units.length; at += unitBytes)
    view.setUint32(at, crc32(units.subarray(at + 4, at + unitBytes)), true);
  return units;
}

interface Matrix {
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
    const matrices = await this.#matrices();
    const answers = new Map<number, Uint8Array>();
    for (const size of sizes) {
      const matrix = matrices.get(size);
      if (matrix === undefined)
        throw this.#block.damage(FILTERS_FILE, 0, `it has no filters of size ${size}`);
      answers.set(size, await this.#askOne(matrix, size, hashes, note));
    }
    return answers;
  }

  async #askOne(
    { columns, offset }: Matrix,
    size: number,
    hashes: Uint32Array,
    note: (bytes: number) => void,
  ): Promise<Uint8Array> {
    const width = Math.ceil(columns / 8);
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
