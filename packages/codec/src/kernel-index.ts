/** What needs WebAssembly and Node: `@finch/codec/kernels`. */
export { KernelMemory, loadKernel } from "./kernels.ts";
export { SnappyDecoder } from "./snappy-kernel.ts";
