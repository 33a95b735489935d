/**
 * Quantiles of what was observed of late: the time is cut into pieces, the oldest is forgotten as a new one begins. A piece with few observations keeps them; with
 * more it keeps how many fell between bounds that are 1 % apart.
 */

export interface WindowOptions {
  readonly maxAgeMs: number;
  readonly pieces: number;
  /** Observations that a piece keeps as they are. */
  readonly exactMax: number;
}

/** Ratio of neighbouring bounds; a quantile is off by half of the step at most. */
const STEP = Math.log(1.01);
/** Values nearer to zero count as zero. */
const SMALLEST = 1e-9;

export class SlidingQuantiles {
  readonly #options: WindowOptions;
  /** The newest last. */
  #pieces: Piece[] = [];
  #pieceEndsMs = -Infinity;

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  observe(value: number, nowMs: number): void {
    this.#turn(nowMs);
    this.#pieces.at(-1)!.add(value, this.#options.exactMax);
  }

  /** NaN when nothing was observed of late. `quantiles` lie between 0 and 1. */
  values(quantiles: readonly number[], nowMs: number): readonly number[] {
    this.#turn(nowMs);
    const weighted = this.#pieces.flatMap((piece) => piece.weighted());
    weighted.sort(([a], [b]) => a - b);
    const count = weighted.reduce((sum, [, weight]) => sum + weight, 0);
    return quantiles.map((quantile) => valueAt(weighted, Math.max(1, Math.ceil(count * quantile))));
  }

  #turn(nowMs: number): void {
    const { maxAgeMs, pieces } = this.#options;
    const pieceMs = maxAgeMs / pieces;
    if (nowMs < this.#pieceEndsMs) return;
    const passed = Math.floor((nowMs - this.#pieceEndsMs) / pieceMs);
    // After a long quiet, or at the start, nothing of before counts.
    if (passed >= pieces) {
      this.#pieces = [];
      this.#pieceEndsMs = nowMs + pieceMs;
    } else {
      for (let i = 0; i < passed; i++) this.#pieces.push(new Piece());
      this.#pieceEndsMs += pieceMs * (passed + 1);
    }
    this.#pieces.push(new Piece());
    this.#pieces = this.#pieces.slice(-pieces);
  }
}

class Piece {
  #exact: number[] = [];
  /** Counts by step, of positive and of negative values. */
  #steps: Map<number, number> | undefined;
  #negative = new Map<number, number>();
  #zeros = 0;

  add(value: number, exactMax: number): void {
    if (this.#steps === undefined && this.#exact.length < exactMax) {
      this.#exact.push(value);
      return;
    }
    if (this.#steps === undefined) {
      this.#steps = new Map();
      for (const kept of this.#exact) this.#count(kept);
      this.#exact = [];
    }
    this.#count(value);
  }

  #count(value: number): void {
    const size = Math.abs(value);
    if (size < SMALLEST) {
      this.#zeros++;
      return;
    }
    const counts = value > 0 ? this.#steps! : this.#negative;
    const step = Math.round(Math.log(size) / STEP);
    counts.set(step, (counts.get(step) ?? 0) + 1);
  }

  /** Values with how often they were observed. */
  weighted(): (readonly [value: number, weight: number])[] {
    const counted = (sign: number, counts: ReadonlyMap<number, number>) =>
      [...counts].map(([step, count]) => [sign * Math.exp(step * STEP), count] as const);
    return [
      ...this.#exact.map((value) => [value, 1] as const),
      ...counted(1, this.#steps ?? new Map()),
      ...counted(-1, this.#negative),
      ...(this.#zeros > 0 ? [[0, this.#zeros] as const] : []),
    ];
  }
}

function valueAt(
  weighted: readonly (readonly [value: number, weight: number])[],
  rank: number,
): number {
  let seen = 0;
  for (const [value, weight] of weighted) {
    seen += weight;
    if (seen >= rank) return value;
  }
  return NaN;
}
