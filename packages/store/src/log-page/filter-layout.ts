/**
 * How the filters of a block lie in `filters.bin`: in **buckets**, each of which has, for a range of grams, the rows of the filters of every size. A gram is asked
 * of all pages by reading one bucket. Drawn in `docs/format/log-pages.md`.
 */
import { crc32 } from "node:zlib";
import { ByteWriter, CodecError } from "@finch/codec";
import type { ByteReader } from "@finch/codec";
import { FILTER_SIZE_MAX, FILTER_SIZE_MIN, filterBits, GRAM_BITS, placeOf } from "./gram-filter.ts";

/** The filters of one size: a row for each of their bits, a column for each page. */
export interface Matrix {
  readonly size: number;
  readonly columns: number;
  /** Bytes of a row. */
  readonly width: number;
  /** Rows in a bucket. */
  readonly rows: number;
  /** Rows that stand for one bit, where a filter has fewer of these than there are buckets. */
  readonly spread: number;
  /** Where the rows begin in a bucket. */
  readonly offset: number;
}

export interface FilterLayout {
  /** There are 2 to the power of it. */
  readonly bucketBits: number;
  readonly matrices: ReadonlyMap<number, Matrix>;
  readonly bucketBytes: number;
}

/** In front of a bucket. */
export const CHECKSUM_BYTES = 4;
/** Buckets are made smaller until they are about so large: a read of that much costs hardly more than one of a few bytes. */
const BUCKET_BYTES = 3072;
export const BUCKET_BITS_MAX = 14;
/** So much more room may be taken by small filters that are spread out to the number of buckets. */
const SPREAD_MAX = 1.05;

/** The layout of filters of which there are `columns.get(size)` of each size. */
export function layFilters(columns: ReadonlyMap<number, number>): FilterLayout {
  let layout = layBuckets(0, columns);
  const most = layout.bucketBytes * SPREAD_MAX;
  while (layout.bucketBytes > 2 * BUCKET_BYTES && layout.bucketBits < BUCKET_BITS_MAX) {
    const finer = layBuckets(layout.bucketBits + 1, columns);
    if (finer.bucketBytes * 2 ** finer.bucketBits > most) break;
    layout = finer;
  }
  return layout;
}

function layBuckets(bucketBits: number, columns: ReadonlyMap<number, number>): FilterLayout {
  const buckets = 2 ** bucketBits;
  const matrices = new Map<number, Matrix>();
  let offset = CHECKSUM_BYTES;
  for (const size of [...columns.keys()].toSorted((a, b) => a - b)) {
    const count = columns.get(size)!;
    const width = Math.ceil(count / 8);
    let spread = 1;
    while ((filterBits(size) * spread) % buckets !== 0) spread *= 2;
    const rows = (filterBits(size) * spread) / buckets;
    matrices.set(size, { size, columns: count, width, rows, spread, offset });
    offset += rows * width;
  }
  return { bucketBits, matrices, bucketBytes: offset };
}

export function encodeLayout({ bucketBits, matrices }: FilterLayout, offset: number): Uint8Array {
  const root = new ByteWriter(64);
  root.writeByte(bucketBits);
  root.writeVarint(offset);
  root.writeVarint(matrices.size);
  for (const { size, columns } of matrices.values()) {
    root.writeByte(size);
    root.writeVarint(columns);
  }
  return root.finish();
}

/** The layout, and where the first bucket begins. */
export function decodeLayout(reader: ByteReader): {
  readonly layout: FilterLayout;
  readonly offset: number;
} {
  const bucketBits = reader.readByte();
  if (bucketBits > BUCKET_BITS_MAX)
    throw new CodecError("malformed", 0, `2^${bucketBits} buckets of filters`);
  const offset = reader.readVarint();
  const columns = new Map<number, number>();
  for (let left = reader.readVarint(); left > 0; left--) {
    const size = reader.readByte();
    if (size < FILTER_SIZE_MIN || size > FILTER_SIZE_MAX)
      throw new CodecError("malformed", reader.position, `filters of size ${size}`);
    columns.set(size, reader.readVarint());
  }
  return { layout: layBuckets(bucketBits, columns), offset };
}

/** The bucket that has a gram. */
export function bucketOf({ bucketBits }: FilterLayout, gram: number): number {
  return gram >>> (GRAM_BITS - bucketBits);
}

/** Where in a bucket the row of a gram begins, which is one of the bucket's. */
export function rowOffset(matrix: Matrix, bucket: number, gram: number): number {
  const { size, spread, rows, width, offset } = matrix;
  const row = placeOf(gram, filterBits(size) * spread) - bucket * rows;
  return offset + row * width;
}

/** Puts its checksum in front of each bucket. */
export function sealBuckets(buckets: Uint8Array, bucketBytes: number): void {
  const view = new DataView(buckets.buffer, buckets.byteOffset, buckets.length);
  for (let at = 0; at < buckets.length; at += bucketBytes)
    view.setUint32(at, crc32(buckets.subarray(at + CHECKSUM_BYTES, at + bucketBytes)), true);
}

/** Throws a {@link CodecError} when the checksum of a bucket is wrong; `offset` is where they stand in the file. */
export function checkBuckets(buckets: Uint8Array, bucketBytes: number, offset: number): void {
  const view = new DataView(buckets.buffer, buckets.byteOffset, buckets.length);
  for (let at = 0; at < buckets.length; at += bucketBytes) {
    const body = buckets.subarray(at + CHECKSUM_BYTES, at + bucketBytes);
    if (view.getUint32(at, true) === crc32(body)) continue;
    const place = offset + at;
    throw new CodecError("malformed", place, `the checksum of filters at ${place} is wrong`);
  }
}
