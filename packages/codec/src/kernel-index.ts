/** What needs WebAssembly and Node: `@finch/codec/kernels`. */
export { KernelMemory, loadKernel } from "./kernels.ts";
export { SnappyDecoder } from "./snappy-kernel.ts";
export { KeyHasher, WriteRequestReader } from "./write-request-kernel.ts";
export type { OddField, WriteRequestColumns, WriteRequestLimits } from "./write-request-kernel.ts";
