/**
 * Loads the WebAssembly kernels that `scripts/setup.mjs` compiles from `asm/`. For Node only, which is why it has an entry of its own
 * (`@finch/codec/kernels`): pages in a browser bundle the other one.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { differingFiles, readSourceStamp, stampOf } from "./kernel-stamp.ts";

const PAGE_BYTES = 65_536;
/** The directory of this package. */
const CODEC = join(import.meta.dirname, "..");
const REMEDY = "run `node scripts/setup.mjs`, which builds it";

const modules = new Map<string, WebAssembly.Module>();
/** By directory; undefined where there are no sources. */
const sourceStamps = new Map<string, string | undefined>();

/** Bytes that kernels work on. Addresses are offsets in it; `bytes` must be taken anew after `reserve` and after kernels that allocate. */
export class KernelMemory {
  readonly memory: WebAssembly.Memory = new WebAssembly.Memory({ initial: 1 });
  #bytes = new Uint8Array(this.memory.buffer);

  get bytes(): Uint8Array {
    // A kernel may have grown the memory, which empties views of it.
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(this.memory.buffer);
    return this.#bytes;
  }

  /** Makes it at least `size` bytes long; what it holds stays. Views of it that were taken before are empty if it had to grow. */
  reserve(size: number): void {
    const missing = size - this.bytes.length;
    if (missing <= 0) return;
    this.memory.grow(Math.ceil(missing / PAGE_BYTES));
  }
}

/**
 * The functions that `asm/NAME.ts` exports, working on `memory`; variables of the kernel are this instance's own. The module is compiled at
 * the first call, and refused unless it was built from the sources beside it. `Exports` is not checked: the caller declares what the kernel's
 * source says.
 */
export function loadKernel<Exports>(name: string, memory: KernelMemory): Exports {
  let module = modules.get(name);
  if (module === undefined) modules.set(name, (module = readKernel(CODEC, name)));
  return new WebAssembly.Instance(module, { env: { memory: memory.memory } }).exports as Exports;
}

/** `dist/NAME.wasm` below `codec`, the directory of this package. */
export function readKernel(codec: string, name: string): WebAssembly.Module {
  const path = join(codec, "dist", `${name}.wasm`);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new Error(`cannot read ${path}: ${REMEDY}`, { cause });
  }
  const module = new WebAssembly.Module(bytes);
  const stamp = stampOf(module);
  if (stamp === undefined)
    throw new Error(`${path} does not say which sources it was built from: ${REMEDY}`);
  const asm = join(codec, "asm");
  if (!sourceStamps.has(asm)) sourceStamps.set(asm, readSourceStamp(asm));
  const sources = sourceStamps.get(asm);
  if (sources !== undefined && sources !== stamp) {
    throw new Error(
      `${path} was built from other sources than those in ${asm} (${differingFiles(sources, stamp).join(", ")}): ${REMEDY}`,
    );
  }
  return module;
}
