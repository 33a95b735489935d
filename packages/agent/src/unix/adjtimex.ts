/** The one system call that the collectors need and Node does not have, through `node:ffi` where Node has it. */
import type * as ffi from "node:ffi";
import { createRequire } from "node:module";

/** Larger than `struct timex` (208 bytes) by what later kernels may add. */
const TIMEX_BYTES = 512;

export interface Adjtimex {
  /** What the call answered, such as 0 for a synchronised clock and 5 for one that is not. */
  readonly state: number;
  /** `struct timex` as the kernel filled it. */
  readonly timex: Uint8Array;
}

let call: ((timex: Uint8Array) => number) | "missing" | undefined;

/** Asks adjtimex(2) without adjusting anything; undefined where it cannot be called or the system refuses. */
export function adjtimex(): Adjtimex | undefined {
  call ??= bind();
  if (call === "missing") return undefined;
  const timex = new Uint8Array(TIMEX_BYTES);
  const state = call(timex);
  return state < 0 ? undefined : { state, timex };
}

function bind(): ((timex: Uint8Array) => number) | "missing" {
  const is64Bit = process.arch === "x64" || process.arch === "arm64";
  if (process.platform !== "linux" || !is64Bit) return "missing";
  try {
    // Not an import: not every Node has the module, and loading it costs what only this collector should pay.
    const { dlopen } = createRequire(import.meta.url)("node:ffi") as typeof ffi;
    const { functions } = dlopen("libc.so.6", {
      adjtimex: { return: "int32", arguments: ["buffer"] },
    });
    return (timex) => functions.adjtimex(timex);
  } catch {
    return "missing";
  }
}
