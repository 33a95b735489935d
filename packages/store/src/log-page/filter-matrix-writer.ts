/**
 * Writes the filters of a block in buckets (`filter-layout.ts`). Filters of pages that are copied stay in the blocks they come from, and those of new pages go to a
 * scratch file when they are many: what is held is a band of buckets, of however many pages.
 */
import type { FileHandle } from "@finch/runtime";
import type { BlockFile } from "../block-writer.ts";
import type { Pacer } from "../pacer.ts";
import { checkBuckets, encodeLayout, layFilters, sealBuckets } from "./filter-layout.ts";
import type { FilterLayout, Matrix } from "./filter-layout.ts";
import type { FilterBuckets, FilterMatrixReader, FilterPlace } from "./filter-matrix.ts";
import type { PageFilter } from "./gram-filter.ts";

/** The filter of a page that is copied from another block. */
export interface CopiedFilter {
  readonly from: FilterMatrixReader;
  readonly place: FilterPlace;
}

/** Filters of new pages that are held; of more, the oldest go to the scratch file. */
const HELD_BYTES_MAX = 8 << 20;
/** Bytes of buckets that are made at once, or one bucket. */
const BAND_BYTES = 256 << 10;

/** Makes a file for the time of the writing. */
export type OpenScratch = () => Promise<FileHandle>;

/** A filter in memory, and its column. */
interface HeldFilter {
  readonly filter: PageFilter;
  readonly to: number;
}

/** What filters that stand elsewhere can be read from. */
interface FilterSource {
  readonly layout: () => Promise<FilterLayout>;
  readonly readBuckets: (first: number, count: number) => Promise<FilterBuckets>;
}

/** Columns of one size: number `from[i]` there is number `to[i]` here. */
interface ColumnMap {
  readonly from: number[];
  readonly to: number[];
}

/** Filters that stand elsewhere, by size. */
interface Part {
  readonly source: FilterSource;
  readonly columns: Map<number, ColumnMap>;
}

export class FilterMatrixWriter {
  readonly #openScratch: OpenScratch | undefined;
  readonly #heldBytesMax: number;
  /** How many filters there are of each size. */
  readonly #columns = new Map<number, number>();
  #held: HeldFilter[] = [];
  #heldBytes = 0;
  readonly #parts: Part[] = [];
  readonly #partOf = new Map<FilterMatrixReader, Part>();
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
    const column = this.#columns.get(size) ?? 0;
    this.#columns.set(size, column + 1);
    if (isNew) {
      this.#held.push({ filter, to: column });
      this.#heldBytes += filter.bits.length;
      if (this.#heldBytes > this.#heldBytesMax) await this.#spill();
    } else mapColumn(this.#partFrom(filter.from), size, filter.place.column, column);
    return { size, column };
  }

  async write(file: BlockFile, pacer: Pacer): Promise<void> {
    const layout = layFilters(this.#columns);
    const buckets = 2 ** layout.bucketBits;
    const step = bandBuckets(layout);
    let start = 0;
    for (let first = 0; first < buckets; first += step) {
      const band = newBand(layout, first, Math.min(step, buckets - first));
      fillHeld(band, this.#held);
      for (const part of this.#parts) {
        await fillPart(band, part);
        if (pacer.isDue()) await pacer.rest();
      }
      sealBuckets(band.bytes, layout.bucketBytes);
      const { offset } = await file.append(band.bytes);
      if (first === 0) start = offset;
      if (pacer.isDue()) await pacer.rest();
    }
    await file.appendRoot(encodeLayout(layout, start));
  }

  #partFrom(reader: FilterMatrixReader): Part {
    let part = this.#partOf.get(reader);
    if (part === undefined) {
      const source = {
        layout: () => reader.layout(),
        readBuckets: (first: number, count: number) => reader.readBuckets(first, count),
      };
      this.#partOf.set(reader, (part = { source, columns: new Map() }));
      this.#parts.push(part);
    }
    return part;
  }

  /** Puts all filters that are held into the scratch file, laid out by themselves. */
  async #spill(): Promise<void> {
    if (this.#openScratch === undefined) return;
    const scratch = (this.#scratch ??= await this.#openScratch());
    const counts = new Map<number, number>();
    const columns = new Map<number, ColumnMap>();
    const part: { columns: Map<number, ColumnMap> } = { columns };
    const alone = this.#held.map(({ filter, to }) => {
      const column = counts.get(filter.size) ?? 0;
      counts.set(filter.size, column + 1);
      mapColumn(part, filter.size, column, to);
      return { filter, to: column };
    });
    const layout = layFilters(counts);
    const offset = this.#scratchBytes;
    const buckets = 2 ** layout.bucketBits;
    const step = bandBuckets(layout);
    for (let first = 0; first < buckets; first += step) {
      const band = newBand(layout, first, Math.min(step, buckets - first));
      fillHeld(band, alone);
      sealBuckets(band.bytes, layout.bucketBytes);
      await scratch.write(band.bytes, this.#scratchBytes);
      this.#scratchBytes += band.bytes.length;
    }
    this.#parts.push({ source: scratchSource(scratch, layout, offset), columns });
    this.#held = [];
    this.#heldBytes = 0;
  }
}

function mapColumn(
  { columns }: Pick<Part, "columns">,
  size: number,
  from: number,
  to: number,
): void {
  let map = columns.get(size);
  if (map === undefined) columns.set(size, (map = { from: [], to: [] }));
  map.from.push(from);
  map.to.push(to);
}

function scratchSource(handle: FileHandle, layout: FilterLayout, offset: number): FilterSource {
  return {
    layout: () => Promise.resolve(layout),
    readBuckets: async (first, count) => {
      const bytes = new Uint8Array(count * layout.bucketBytes);
      const from = offset + first * layout.bucketBytes;
      await handle.read(bytes, from);
      checkBuckets(bytes, layout.bucketBytes, from);
      return { layout, first, bytes };
    },
  };
}

/** Buckets of a band: as a power of two, so that the bands of other layouts begin and end where ours do. */
function bandBuckets({ bucketBits, bucketBytes }: FilterLayout): number {
  let buckets = 1;
  while (buckets < 2 ** bucketBits && 2 * buckets * bucketBytes <= BAND_BYTES) buckets *= 2;
  return buckets;
}

/** Neighbouring buckets that are made. */
interface Band extends FilterBuckets {
  readonly count: number;
}

function newBand(layout: FilterLayout, first: number, count: number): Band {
  return { layout, first, count, bytes: new Uint8Array(count * layout.bucketBytes) };
}

/** Held filters of one size whose columns share a byte, by the lowest bits of these. */
type Octet = (Uint8Array | undefined)[];

function fillHeld(band: Band, held: readonly HeldFilter[]): void {
  const octets = new Map<number, Map<number, Octet>>();
  for (const { filter, to } of held) {
    let ofSize = octets.get(filter.size);
    if (ofSize === undefined) octets.set(filter.size, (ofSize = new Map()));
    let octet = ofSize.get(to >> 3);
    if (octet === undefined) ofSize.set(to >> 3, (octet = Array.from({ length: 8 })));
    octet[to & 7] = filter.bits;
  }
  for (const [size, ofSize] of octets) {
    const matrix = band.layout.matrices.get(size)!;
    for (const [byte, octet] of ofSize) setOctet(band, matrix, byte, octet);
  }
}

/** Sets byte `byte` of the rows of the band to the bits of eight filters. */
function setOctet(band: Band, matrix: Matrix, byte: number, octet: Octet): void {
  const { rows, spread } = matrix;
  const first = band.first * rows;
  const end = first + band.count * rows;
  if (spread > 1 || first % 8 !== 0 || end % 8 !== 0) {
    for (const [bit, bits] of octet.entries())
      if (bits !== undefined) setColumn(band, matrix, 8 * byte + bit, bits);
    return;
  }
  const { layout, bytes } = band;
  const [b0, b1, b2, b3, b4, b5, b6, b7] = octet.map(
    (bits) => bits ?? zerosFor(end),
  ) as Uint8Array[];
  const stride = layout.bucketBytes - rows * matrix.width;
  let place = matrix.offset + byte;
  let left = rows;
  for (let at = first >> 3; at < end >> 3; at++) {
    // Turns 8 bytes of bits, one of each filter, into 8 rows.
    let high = (b7![at]! << 24) | (b6![at]! << 16) | (b5![at]! << 8) | b4![at]!;
    let low = (b3![at]! << 24) | (b2![at]! << 16) | (b1![at]! << 8) | b0![at]!;
    let swapped = (high ^ (high >>> 7)) & 0x00aa00aa;
    high ^= swapped ^ (swapped << 7);
    swapped = (low ^ (low >>> 7)) & 0x00aa00aa;
    low ^= swapped ^ (swapped << 7);
    swapped = (high ^ (high >>> 14)) & 0x0000cccc;
    high ^= swapped ^ (swapped << 14);
    swapped = (low ^ (low >>> 14)) & 0x0000cccc;
    low ^= swapped ^ (swapped << 14);
    const upper = (high & 0xf0f0f0f0) | ((low >>> 4) & 0x0f0f0f0f);
    const lower = ((high << 4) & 0xf0f0f0f0) | (low & 0x0f0f0f0f);
    for (let row = 0; row < 8; row++) {
      bytes[place]! |= (row < 4 ? lower : upper) >>> (8 * (row & 3));
      place += matrix.width;
      if (--left === 0) {
        left = rows;
        place += stride;
      }
    }
  }
}

let noBits = new Uint8Array(1024);

/** Zeros in place of a filter. */
function zerosFor(bits: number): Uint8Array {
  if (8 * noBits.length < bits) noBits = new Uint8Array(bits / 8);
  return noBits;
}

/** Sets bit `to` of the rows of the band as the bits say. */
function setColumn(band: Band, matrix: Matrix, to: number, bits: Uint8Array): void {
  const mask = 1 << (to & 7);
  const end = (band.first + band.count) * matrix.rows;
  for (let row = band.first * matrix.rows; row < end; row++) {
    const bit = Math.floor(row / matrix.spread);
    if ((bits[bit >> 3]! & (1 << (bit & 7))) !== 0)
      band.bytes[placeOfRow(band, matrix, row) + (to >> 3)]! |= mask;
  }
}

async function fillPart(band: Band, { source, columns }: Part): Promise<void> {
  const there = await source.layout();
  const { bucketBits } = band.layout;
  // The range of grams of the band, in buckets of the other layout.
  const scale = 2 ** (there.bucketBits - bucketBits);
  const first = Math.floor(band.first * scale);
  const end = Math.ceil((band.first + band.count) * scale);
  const buckets = await source.readBuckets(first, end - first);
  for (const [size, map] of columns) copyColumns(band, buckets, size, map);
}

/** Copies columns `from[i]` of the filters of a size to `to[i]` of the band. */
function copyColumns(band: Band, source: FilterBuckets, size: number, map: ColumnMap): void {
  const here = band.layout.matrices.get(size)!;
  const there = source.layout.matrices.get(size)!;
  const from = Uint32Array.from(map.from);
  const to = Uint32Array.from(map.to);
  const end = (band.first + band.count) * here.rows;
  for (let row = band.first * here.rows; row < end; row++) {
    const bit = Math.floor(row / here.spread);
    const sourceAt = placeOfRow(source, there, bit * there.spread);
    copyRow(band.bytes, placeOfRow(band, here, row), source.bytes, sourceAt, from, to);
  }
}

/** Where a row stands, or the first of those there that stand for the same bit. */
function placeOfRow({ layout, first }: FilterBuckets, matrix: Matrix, row: number): number {
  const { rows, width, offset } = matrix;
  const found = Math.max(row, first * rows);
  const bucket = Math.floor(found / rows);
  return (bucket - first) * layout.bucketBytes + offset + (found - bucket * rows) * width;
}

function copyRow(
  bytes: Uint8Array,
  at: number,
  source: Uint8Array,
  sourceAt: number,
  from: Uint32Array,
  to: Uint32Array,
): void {
  for (let i = 0; i < from.length; i++) {
    const column = from[i]!;
    const place = to[i]!;
    // A branch would be taken as if by chance.
    const bit = (source[sourceAt + (column >> 3)]! >> (column & 7)) & 1;
    bytes[at + (place >> 3)]! |= bit << (place & 7);
  }
}
