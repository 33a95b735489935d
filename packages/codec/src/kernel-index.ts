/** What needs WebAssembly and Node: `@finch/codec/kernels`. */
export { FloatBlockEncoder } from "./float-block-encoder.ts";
export { FloatBlockDecoder } from "./float-block-kernel.ts";
export { LOG_LEVELS, LogLevelDetector } from "./log-level-kernel.ts";
export type { ColumnValues, EncodedValues, FoundTemplate } from "./log-page-kernel.ts";
export { LogPageKernel, PAGE_GRAMS_MAX } from "./log-page-kernel.ts";
export type { LinesWish, MadeLines, MakerColumn, MakerTemplate } from "./line-maker-kernel.ts";
export { LineMaker } from "./line-maker-kernel.ts";
export { LogTimesAdder } from "./log-times-kernel.ts";
export { KernelMemory, loadKernel } from "./kernels.ts";
export {
  APPEND_ROWS_MAX,
  CHUNK_VALUES_MAX,
  FATE_ACCEPTED,
  FATE_REPEATED,
  SampleArena,
  SampleStore,
  STORE_SERIES_MAX,
} from "./sample-store.ts";
export type { AppendColumns, RangeWish } from "./sample-store.ts";
export { SampleRangeReader } from "./sample-range-reader.ts";
export { SampleTextWriter } from "./sample-text-kernel.ts";
export { SnappyDecoder, SnappyEncoder } from "./snappy-kernel.ts";
export { KeyHasher, WriteRequestReader } from "./write-request-kernel.ts";
export type { OddField, WriteRequestColumns, WriteRequestLimits } from "./write-request-kernel.ts";
