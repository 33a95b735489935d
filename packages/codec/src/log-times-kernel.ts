/** Adds up the differences of a page's times in WebAssembly, sixteen at a time. */
import { KernelMemory, loadKernel } from "./kernels.ts";

interface LogTimesExports {
  addDifferences(
    planes: number,
    width: number,
    count: number,
    low: number,
    high: number,
    out: number,
  ): void;
}

/** What the kernel reads behind the planes, and writes behind the times. */
const SLACK = 128;

export class LogTimesAdder {
  readonly #memory = new KernelMemory();
  readonly #kernel = loadKernel<LogTimesExports>("log-times", this.#memory);

  /** `count` times, the first of which has the halves `low` and `high`; `planes` has `width` bytes (6 at most) for each. */
  add(
    planes: Uint8Array,
    count: number,
    of: { readonly width: number; readonly low: number; readonly high: number },
  ): BigInt64Array {
    const out = Math.ceil((planes.length + SLACK) / 16) * 16;
    this.#memory.reserve(out + 8 * count + SLACK);
    const { bytes } = this.#memory;
    bytes.set(planes);
    this.#kernel.addDifferences(0, of.width, count, of.low, of.high, out);
    return new BigInt64Array(bytes.buffer, out, count).slice();
  }
}
