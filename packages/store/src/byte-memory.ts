/** Memory that is used again: fresh memory is cleared, faulted in page by page, and drives the collector, which costs more than what pages are filled with. */

/** Smaller pieces are left to the allocator. */
const PIECE_MIN = 4096;

/** Pieces of the sizes `2ⁿ` and `1.5·2ⁿ`. */
export class ByteMemory {
  readonly #keptMax: number;
  readonly #free = new Map<number, Uint8Array[]>();
  #kept = 0;

  /** Keeps up to `keptMax` bytes that nobody uses. */
  constructor(keptMax: number) {
    this.#keptMax = keptMax;
  }

  /** A whole buffer of at least `bytes`, of any content. */
  take(bytes: number): Uint8Array {
    const size = sizeFor(bytes);
    const piece = this.#free.get(size)?.pop();
    if (piece === undefined) return new Uint8Array(size);
    this.#kept -= size;
    return piece;
  }

  /** Takes back what was taken, or a view of it: nobody may look at it any more. */
  give({ buffer }: Uint8Array): void {
    const size = buffer.byteLength;
    if (size < PIECE_MIN || this.#kept + size > this.#keptMax) return;
    const piece = new Uint8Array(buffer as ArrayBuffer);
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [piece]);
    else free.push(piece);
    this.#kept += size;
  }
}

function sizeFor(bytes: number): number {
  let size = 64;
  while (size < bytes) size *= 2;
  return size > PIECE_MIN && bytes <= 0.75 * size ? 0.75 * size : size;
}
