/** Where the values of a selection go: memory that its reader can use again for the next one, since fresh memory costs more than what is done with it. */
import { SELECT_BATCH_SAMPLES } from "./limits.ts";

export interface SampleMemory {
  /** Room for `values` doubles, of any content. */
  take(values: number): Float64Array;
  /** Gives back all but the first `used` of what was taken last. */
  trim(taken: Float64Array, used: number): void;
}

/** Memory of its own for everybody who asks. */
export const FRESH_MEMORY: SampleMemory = {
  // Not zeroed: the allocator gives it back warm.
  take: (values) => new Float64Array(Buffer.allocUnsafeSlow(8 * values).buffer),
  trim: () => {},
};

/** Doubles of one piece: what a batch takes at most, but for one of a single long series. */
const PIECE = SELECT_BATCH_SAMPLES;
/** Kept while nobody uses it. */
const BYTES_KEPT = 24 * 1024 * 1024;

/** Memory that is handed from one selection to the next. Threads share it, so that what is read into it need not be copied for them. */
export class SampleMemoryPool {
  readonly #free: Float64Array[] = [];
  readonly #keptMax: number;
  #piecesInUse = 0;

  /** Keeps about `bytesKept` while nobody uses them. */
  constructor(bytesKept = BYTES_KEPT) {
    this.#keptMax = Math.floor(bytesKept / (8 * PIECE));
  }

  /** Of pieces that users have not closed. */
  get bytesInUse(): number {
    return 8 * PIECE * this.#piecesInUse;
  }

  /** Memory for one user, who closes it when nothing read into it is needed any more. */
  open(): PooledMemory {
    return new PooledMemory({
      take: () => {
        this.#piecesInUse++;
        return this.#free.pop() ?? shared(PIECE);
      },
      give: (pieces, isReusable) => {
        this.#piecesInUse -= pieces.length;
        if (isReusable) this.#free.push(...pieces.slice(0, this.#keptMax - this.#free.length));
      },
    });
  }

  /** Gives half of what nobody uses back to the system. */
  shrink(): void {
    this.#free.length >>= 1;
  }
}

interface PieceSource {
  take(): Float64Array;
  give(pieces: readonly Float64Array[], isReusable: boolean): void;
}

export class PooledMemory implements SampleMemory {
  readonly #source: PieceSource;
  #pieces: Float64Array[] = [];
  /** Of the last piece. */
  #used = 0;
  #isAbandoned = false;

  constructor(source: PieceSource) {
    this.#source = source;
  }

  take(values: number): Float64Array {
    if (values > PIECE || this.#isAbandoned) return shared(values);
    if (this.#pieces.length === 0 || this.#used + values > PIECE) {
      this.#pieces.push(this.#source.take());
      this.#used = 0;
    }
    this.#used += values;
    return this.#pieces.at(-1)!.subarray(this.#used - values, this.#used);
  }

  trim(taken: Float64Array, used: number): void {
    const isLast =
      taken.buffer === this.#pieces.at(-1)?.buffer &&
      taken.byteOffset / 8 + taken.length === this.#used;
    if (isLast) this.#used -= taken.length - used;
  }

  /** All that was read into it may be written over. */
  close(): void {
    this.#give(true);
  }

  /** It is no longer needed, but something may still be read into it: its pieces are not used again. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#give(false);
  }

  #give(isReusable: boolean): void {
    this.#source.give(this.#pieces, isReusable);
    this.#pieces = [];
    this.#used = 0;
  }
}

function shared(values: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(8 * values));
}
