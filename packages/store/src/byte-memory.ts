/**
 * Memory that is used again, or given back at once: what is left to the collector drives it, since it counts the memory of arrays and not what can be freed of it,
 * and fresh memory is cleared and faulted in, which costs more than what pages are filled with.
 */

/** Smaller pieces are left to the allocator. */
const PIECE_MIN = 4096;

/** Pieces of the sizes `2ⁿ` and `1.5·2ⁿ`. */
export class ByteMemory {
  readonly #keptMax: number;
  /** Pieces nobody uses, by size; sizes in the order in which they were last asked for. */
  readonly #free = new Map<number, Uint8Array[]>();
  #kept = 0;
  /** The least that was kept since the last {@link trim}. */
  #unused = 0;

  /** Keeps up to `keptMax` bytes that nobody uses. */
  constructor(keptMax: number) {
    this.#keptMax = keptMax;
  }

  /** A whole buffer of at least `bytes`, of any content. */
  take(bytes: number): Uint8Array {
    const size = sizeFor(bytes);
    if (size < PIECE_MIN) return new Uint8Array(size);
    const free = this.#free.get(size) ?? [];
    this.#free.delete(size);
    this.#free.set(size, free);
    const piece = free.pop();
    if (piece === undefined) return new Uint8Array(size);
    this.#kept -= size;
    this.#unused = Math.min(this.#unused, this.#kept);
    return piece;
  }

  /** Takes back what was taken, or a view of it: nobody may look at it any more. */
  give({ buffer }: Uint8Array): void {
    const size = buffer.byteLength;
    if (size < PIECE_MIN) return;
    if (size > this.#keptMax) return freeMemory(buffer);
    this.#dropTo(this.#keptMax - size);
    const free = this.#free.get(size);
    const piece = new Uint8Array(buffer as ArrayBuffer);
    if (free === undefined) this.#free.set(size, [piece]);
    else free.push(piece);
    this.#kept += size;
  }

  /** Drops what was not needed since it was last called. */
  trim(): void {
    this.#dropTo(this.#kept - this.#unused);
    this.#unused = this.#kept;
  }

  /** Keeps `bytes` at most; pieces of sizes that were not asked for in the longest time go first. */
  #dropTo(bytes: number): void {
    for (const [size, free] of this.#free) {
      if (this.#kept <= bytes) break;
      const count = Math.min(free.length, Math.ceil((this.#kept - bytes) / size));
      for (const piece of free.splice(free.length - count)) freeMemory(piece.buffer);
      this.#kept -= count * size;
      if (free.length === 0) this.#free.delete(size);
    }
    this.#unused = Math.min(this.#unused, this.#kept);
  }
}

/** Gives memory back without waiting for the collector; whoever still looks at it sees nothing. */
export function freeMemory(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

function sizeFor(bytes: number): number {
  let size = 64;
  while (size < bytes) size *= 2;
  return size > PIECE_MIN && bytes <= 0.75 * size ? 0.75 * size : size;
}
