export type {
  BlockSummary,
  Cardinality,
  AppendResult,
  CompileSelection,
  ExemplarRequest,
  LabelQueries,
  LabelValue,
  LabelScope,
  LineDelete,
  LineSelection,
  LogCount,
  LogCountRequest,
  LogSelect,
  LogStore,
  MetricAppendResult,
  MetricLoan,
  MetricRejection,
  MetricSelection,
  MetricStore,
  OpenLogStore,
  OpenMetricStore,
  PatternAnswer,
  PatternRequest,
  RecoveryReport,
  Rejection,
  Retention,
  RetentionRule,
  Store,
  StoreLimits,
  StoreOptions,
  StoreStatistics,
  TailListener,
} from "./api.ts";
export { lockDirectory } from "./directory-lock.ts";
export { replaceFile } from "./durable-directory.ts";
export { DAMAGED_SUFFIX } from "./file-names.ts";
export { DEFAULT_LIMITS, DEFAULT_RETENTION } from "./limits.ts";
export { openLogStore } from "./log-store.ts";
export { openMetricStore } from "./metric-store.ts";
export { SampleMemoryPool } from "./sample-memory.ts";
export type { PooledMemory, SampleMemory } from "./sample-memory.ts";
export { snapshotStore } from "./store-snapshot.ts";
