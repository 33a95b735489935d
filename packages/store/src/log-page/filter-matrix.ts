/** Asks the filters of all pages of a block at once: which pages may have what a needle chooses. How they lie: `filter-layout.ts`. */
import { ByteReader } from "@finch/codec";
import type { BlockFiles } from "../block.ts";
import { FILTERS_FILE } from "../file-names.ts";
import { bucketOf, checkBuckets, decodeLayout, rowOffset } from "./filter-layout.ts";
import type { FilterLayout } from "./filter-layout.ts";
import { GRAMS_ASKED_MAX } from "./gram-filter.ts";

/** Where the filter of a page stands. Size 0: it has none. */
export interface FilterPlace {
  readonly size: number;
  readonly column: number;
}

/** Neighbouring buckets, checksums and all. */
export interface FilterBuckets {
  readonly layout: FilterLayout;
  readonly first: number;
  readonly bytes: Uint8Array;
}

/** Grams that are asked whatever they rule out; more only until so many in a row have ruled out no page. */
const GRAMS_ASKED_MIN = 6;
const IDLE_GRAMS_MAX = 2;

/** Filters of a block that are read as a whole: one read of so much takes less than several of little. */
const WHOLE_BYTES_MAX = 256 * 1024;

/** The pages of a block that may have a needle. */
export class FilterAnswer {
  /** For each size of filter, a bit for each column. */
  readonly #left = new Map<number, Uint8Array>();
  #count = 0;

  constructor({ matrices }: FilterLayout) {
    for (const { size, columns, width } of matrices.values()) {
      const left = new Uint8Array(width).fill(0xff);
      if (columns % 8 !== 0) left[width - 1] = (1 << (columns % 8)) - 1;
      this.#left.set(size, left);
      this.#count += columns;
    }
  }

  /** How many they are. */
  get count(): number {
    return this.#count;
  }

  has(size: number, column: number): boolean {
    const left = this.#left.get(size);
    return left !== undefined && (left[column >> 3]! & (1 << (column & 7))) !== 0;
  }

  /** Rules out the pages whose bit is not set in the rows of a gram, which is one of the buckets'. */
  narrow({ layout, first, bytes }: FilterBuckets, gram: number): void {
    let count = 0;
    const bucket = bucketOf(layout, gram);
    const bucketAt = (bucket - first) * layout.bucketBytes;
    for (const matrix of layout.matrices.values()) {
      const left = this.#left.get(matrix.size)!;
      const from = bucketAt + rowOffset(matrix, bucket, gram);
      for (let i = 0; i < left.length; i++) {
        const byte = left[i]! & bytes[from + i]!;
        left[i] = byte;
        if (byte !== 0) count += BITS_SET[byte]!;
      }
    }
    this.#count = count;
  }
}

const BITS_SET = new Uint8Array(256);
for (let byte = 1; byte < 256; byte++) BITS_SET[byte] = BITS_SET[byte >> 1]! + (byte & 1);

/** The filters of a block on disk. */
export class FilterMatrixReader {
  readonly #block: BlockFiles;

  constructor(block: BlockFiles) {
    this.#block = block;
  }

  /** Which pages may have all grams. `note` is told the bytes read. */
  async ask(grams: Uint32Array, note: (bytes: number) => void): Promise<FilterAnswer> {
    const { layout } = await this.#root();
    const answer = new FilterAnswer(layout);
    const buckets = 2 ** layout.bucketBits;
    const isSmall = buckets * layout.bucketBytes <= WHOLE_BYTES_MAX;
    const all = isSmall && answer.count > 0 ? await this.readBuckets(0, buckets) : undefined;
    note(all?.bytes.length ?? 0);
    let idle = 0;
    for (const [asked, gram] of spread(grams, GRAMS_ASKED_MAX).entries()) {
      const before = answer.count;
      if (before === 0) break;
      const some = all ?? (await this.readBuckets(bucketOf(layout, gram), 1));
      if (some !== all) note(some.bytes.length);
      answer.narrow(some, gram);
      idle = answer.count === before ? idle + 1 : 0;
      if (asked + 1 >= GRAMS_ASKED_MIN && idle >= IDLE_GRAMS_MAX) break;
    }
    return answer;
  }

  /** How the filters lie. */
  async layout(): Promise<FilterLayout> {
    return (await this.#root()).layout;
  }

  async readBuckets(first: number, count: number): Promise<FilterBuckets> {
    const { layout, offset } = await this.#root();
    const from = offset + first * layout.bucketBytes;
    const length = count * layout.bucketBytes;
    const bytes = await this.#block.read(FILTERS_FILE, { offset: from, length });
    try {
      checkBuckets(bytes, layout.bucketBytes, from);
    } catch (error) {
      throw this.#block.nonsense(error, FILTERS_FILE, from);
    }
    return { layout, first, bytes };
  }

  #root(): Promise<{ readonly layout: FilterLayout; readonly offset: number }> {
    return this.#block.cached(FILTERS_FILE, "filters", async () => {
      const value = decodeLayout(new ByteReader(await this.#block.readRoot(FILTERS_FILE)));
      return { value, bytes: 128 * (1 + value.layout.matrices.size) };
    });
  }
}

/**
 * At most `max` of the grams, in steps of the golden section through the needle: the first of them come from all its parts, since ids often begin alike and differ
 * only further on.
 */
function spread(grams: Uint32Array, max: number): Uint32Array {
  const { length } = grams;
  let step = Math.max(1, Math.round(length * 0.618));
  while (greatestCommonDivisor(step, length) > 1) step++;
  return Uint32Array.from({ length: Math.min(max, length) }, (_, i) => grams[(i * step) % length]!);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
