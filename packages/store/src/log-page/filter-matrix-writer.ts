/**
 * Writes the filters of a block as matrices (`filter-matrix.ts`). Filters of pages that are copied stay in the blocks they come from, and those of new pages go to a
 * scratch file when they are many: what is held is a band of rows, of however many pages.
 */
import { crc32 } from "node:zlib";
import { ByteWriter } from "@finch/codec";
import type { FileHandle } from "@finch/runtime";
import type { BlockFile } from "../block-writer.ts";
import type { Pacer } from "../pacer.ts";
import { readUnits, unitRows, widthOf } from "./filter-matrix.ts";
import type { FilterMatrixReader, FilterPlace, FilterRows } from "./filter-matrix.ts";
import { filterBits } from "./gram-filter.ts";
import type { PageFilter } from "./gram-filter.ts";

/** The filter of a page that is copied from another block. */
export interface CopiedFilter {
  readonly from: FilterMatrixReader;
  readonly place: FilterPlace;
}

/** Filters of new pages that are held; of more, the oldest go to the scratch file. */
const HELD_BYTES_MAX = 8 << 20;
/** Bytes of rows that are made at once, or one unit of them. */
const BAND_BYTES = 256 << 10;

/** Makes a file for the time of the writing. */
export type OpenScratch = () => Promise<FileHandle>;

/** The filters of one size. */
interface Matrix {
  columns: number;
  /** Filters in memory, and the column of each. */
  held: Uint8Array[];
  heldTo: number[];
  /** Filters elsewhere. */
  readonly parts: Part[];
  readonly partOf: Map<FilterMatrixReader, Part>;
}

/** Filters that stand in another matrix. */
interface Part {
  readonly read: (first: number, count: number) => Promise<FilterRows>;
  /** Column `from[i]` there is column `to[i]` here. */
  readonly from: number[];
  readonly to: number[];
}

export class FilterMatrixWriter {
  readonly #openScratch: OpenScratch | undefined;
  readonly #heldBytesMax: number;
  readonly #matrices = new Map<number, Matrix>();
  #heldBytes = 0;
  #scratch: FileHandle | undefined;
  #scratchBytes = 0;

  /** Without a scratch file all filters of new pages are held. */
  constructor(openScratch?: OpenScratch, heldBytesMax: number = HELD_BYTES_MAX) {
    this.#openScratch = openScratch;
    this.#heldBytesMax = heldBytesMax;
  }

  /** Resolves with where the filter will stand. */
  async add(filter: PageFilter | CopiedFilter): Promise<FilterPlace> {
    const isNew = "bits" in filter;
    const { size } = isNew ? filter : filter.place;
    if (size === 0) return { size, column: 0 };
    const matrix = this.#matrix(size);
    const column = matrix.columns++;
    if (isNew) {
      matrix.held.push(filter.bits);
      matrix.heldTo.push(column);
      this.#heldBytes += filter.bits.length;
      if (this.#heldBytes > this.#heldBytesMax) await this.#spill();
    } else {
      const part = partFrom(matrix, filter.from, size);
      part.from.push(filter.place.column);
      part.to.push(column);
    }
    return { size, column };
  }

  async write(file: BlockFile, pacer: Pacer): Promise<void> {
    const root = new ByteWriter(64);
    const sizes = [...this.#matrices.keys()].toSorted((a, b) => a - b);
    root.writeVarint(sizes.length);
    for (const size of sizes) {
      const matrix = this.#matrices.get(size)!;
      root.writeVarint(size);
      root.writeVarint(matrix.columns);
      const rows = unitRows(matrix.columns);
      const units = Math.ceil(filterBits(size) / rows);
      const step = Math.max(1, Math.floor(BAND_BYTES / (rows * widthOf(matrix.columns))));
      for (let unit = 0; unit < units; unit += step) {
        const count = Math.min(step, units - unit);
        const { offset } = await file.append(await makeUnits(matrix, size, unit, count, pacer));
        if (unit === 0) root.writeVarint(offset);
        if (pacer.isDue()) await pacer.rest();
      }
    }
    await file.appendRoot(root.finish());
  }

  #matrix(size: number): Matrix {
    let matrix = this.#matrices.get(size);
    if (matrix === undefined) {
      matrix = { columns: 0, held: [], heldTo: [], parts: [], partOf: new Map() };
      this.#matrices.set(size, matrix);
    }
    return matrix;
  }

  /** Puts all filters that are held into the scratch file, those of a size as a matrix. */
  async #spill(): Promise<void> {
    if (this.#openScratch === undefined) return;
    const scratch = (this.#scratch ??= await this.#openScratch());
    for (const [size, matrix] of this.#matrices) {
      const { held, heldTo } = matrix;
      if (held.length === 0) continue;
      const columns = held.length;
      const from = [...held.keys()];
      const alone = { columns, held, heldTo: from, parts: [] };
      const rows = unitRows(columns);
      const units = Math.ceil(filterBits(size) / rows);
      const bytes = await makeUnits(alone, size, 0, units);
      const offset = this.#scratchBytes;
      await scratch.write(bytes, offset);
      this.#scratchBytes += bytes.length;
      const read = readingOf(scratch);
      matrix.parts.push({
        read: (first, count) => readUnits(read, { columns, offset }, first, count),
        from,
        to: heldTo,
      });
      matrix.held = [];
      matrix.heldTo = [];
    }
    this.#heldBytes = 0;
  }
}

function partFrom(matrix: Matrix, from: FilterMatrixReader, size: number): Part {
  let part = matrix.partOf.get(from);
  if (part === undefined) {
    part = { read: (first, count) => from.readRows(size, first, count), from: [], to: [] };
    matrix.partOf.set(from, part);
    matrix.parts.push(part);
  }
  return part;
}

function readingOf(handle: FileHandle): (offset: number, length: number) => Promise<Uint8Array> {
  return async (offset, length) => {
    const bytes = new Uint8Array(length);
    await handle.read(bytes, offset);
    return bytes;
  };
}

/** Units `unit … unit + count - 1` of a matrix: the checksum of each, then its rows. Rows beyond the last bit are empty. */
async function makeUnits(
  { columns, held, heldTo, parts }: Pick<Matrix, "columns" | "held" | "heldTo" | "parts">,
  size: number,
  unit: number,
  count: number,
  pacer?: Pacer,
): Promise<Uint8Array> {
  const width = widthOf(columns);
  const rows = unitRows(columns);
  const first = unit * rows;
  const rowCount = Math.min(count * rows, filterBits(size) - first);
  const band = new Uint8Array(count * rows * width);
  for (const [i, bits] of held.entries())
    setColumn(band, { width, to: heldTo[i]! }, bits, first, rowCount);
  for (const { read, from, to } of parts) {
    const source = await read(first, rowCount);
    const columnsTo = { band, width, to: Uint32Array.from(to) };
    copyColumns(columnsTo, source, Uint32Array.from(from), rowCount);
    if (pacer?.isDue() === true) await pacer.rest();
  }
  const unitBytes = rows * width;
  const units = new Uint8Array(count * (4 + unitBytes));
  const view = new DataView(units.buffer);
  for (let at = 0; at < count; at++) {
    const body = band.subarray(at * unitBytes, (at + 1) * unitBytes);
    view.setUint32(at * (4 + unitBytes), crc32(body), true);
    units.set(body, at * (4 + unitBytes) + 4);
  }
  return units;
}

function setColumn(
  band: Uint8Array,
  { width, to }: { readonly width: number; readonly to: number },
  bits: Uint8Array,
  first: number,
  rowCount: number,
): void {
  const mask = 1 << (to & 7);
  let at = to >> 3;
  for (let row = first; row < first + rowCount; row++, at += width)
    if ((bits[row >> 3]! & (1 << (row & 7))) !== 0) band[at]! |= mask;
}

/** Copies bit `from[i]` of each row of `source` to bit `to[i]` of the same row of `band`. */
function copyColumns(
  {
    band,
    width,
    to,
  }: { readonly band: Uint8Array; readonly width: number; readonly to: Uint32Array },
  source: FilterRows,
  from: Uint32Array,
  rowCount: number,
): void {
  const { bytes } = source;
  for (let row = 0; row < rowCount; row++) {
    const there = row * source.width;
    const here = row * width;
    for (let i = 0; i < from.length; i++) {
      const column = from[i]!;
      const place = to[i]!;
      const bit = (bytes[there + (column >> 3)]! >> (column & 7)) & 1;
      band[here + (place >> 3)]! |= bit << (place & 7);
    }
  }
}
