/** Levels of log lines, detected in WebAssembly: some lines at a time, in memory that stays as large as the longest line needs. */
import { KernelMemory, loadKernel } from "./kernels.ts";

/** By number; as `asm/log-levels.ts` says. */
export const LOG_LEVELS = [
  "unknown",
  "trace",
  "debug",
  "info",
  "warn",
  "error",
  "critical",
  "fatal",
] as const;

/** Bytes that the kernel may read behind the lines. */
const SLACK = 64;
const ROWS_MAX = 4096;
/** Of the lines taken at a time, unless one is longer. */
const BYTES_MAX = 128 * 1024;

interface LogLevelExports {
  detectLevels(lines: number, bounds: number, count: number, levels: number): void;
}

const BOUNDS_AT = 0;
const LEVELS_AT = BOUNDS_AT + 4 * (ROWS_MAX + 1);
const LINES_AT = Math.ceil((LEVELS_AT + ROWS_MAX) / 16) * 16;

export class LogLevelDetector {
  readonly #memory = new KernelMemory();
  readonly #kernel = loadKernel<LogLevelExports>("log-levels", this.#memory);
  #levels = new Uint8Array(0);
  /** Views of the memory. */
  #bounds: Uint32Array = new Uint32Array(0);
  #found: Uint8Array = new Uint8Array(0);

  /**
   * The number of the level in {@link LOG_LEVELS} of each of `count` lines; a view, valid until the next call. `bounds`: where each begins, and where the
   * last ends.
   */
  detect(lines: Uint8Array, bounds: Uint32Array, count: number): Uint8Array {
    if (this.#endOfPart(bounds, 0, count) === count) {
      this.#detectPart(lines, bounds, 0, count);
      return this.#found.subarray(0, count);
    }
    if (this.#levels.length < count) this.#levels = new Uint8Array(2 * count);
    for (let from = 0; from < count;) {
      const to = this.#endOfPart(bounds, from, count);
      this.#detectPart(lines, bounds, from, to);
      this.#levels.set(this.#found.subarray(0, to - from), from);
      from = to;
    }
    return this.#levels.subarray(0, count);
  }

  /** Puts the levels of lines `from … to - 1` into `#found`. */
  #detectPart(lines: Uint8Array, bounds: Uint32Array, from: number, to: number): void {
    const base = bounds[from]!;
    this.#memory.reserve(LINES_AT + bounds[to]! - base + SLACK);
    const { bytes } = this.#memory;
    if (this.#bounds.buffer !== bytes.buffer) {
      this.#bounds = new Uint32Array(bytes.buffer, BOUNDS_AT, ROWS_MAX + 1);
      this.#found = bytes.subarray(LEVELS_AT, LEVELS_AT + ROWS_MAX);
    }
    bytes.set(lines.subarray(base, bounds[to]), LINES_AT);
    // A view of few bounds costs more than to copy them one by one.
    for (let row = from; row <= to; row++) this.#bounds[row - from] = bounds[row]!;
    // Bounds count from the beginning of all lines.
    this.#kernel.detectLevels(LINES_AT - base, BOUNDS_AT, to - from, LEVELS_AT);
  }

  #endOfPart(bounds: Uint32Array, from: number, count: number): number {
    const last = Math.min(count, from + ROWS_MAX);
    const bytesEnd = bounds[from]! + BYTES_MAX;
    if (bounds[last]! <= bytesEnd) return last;
    let to = from + 1;
    while (to < last && bounds[to + 1]! <= bytesEnd) to++;
    return to;
  }
}
