/** What threads need that read lent blocks, and nothing else: it is loaded in each of them. */
export { BlockReader } from "./block-loan.ts";
export type { LentBlocks } from "./block-loan.ts";
export { SampleMemoryPool } from "./sample-memory.ts";
export type { SampleMemory } from "./sample-memory.ts";
