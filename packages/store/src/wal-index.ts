/** The write-ahead log by itself: `@finch/store/wal`, for queues that need nothing else of a store. */
export type { OpenWal, Wal, WalOptions, WalPosition } from "./api.ts";
export { openWal } from "./wal.ts";
