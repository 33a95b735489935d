export { assert, AssertionFailure, unreachable } from "./assert.ts";
export { systemClock } from "./clock.ts";
export type { Clock } from "./clock.ts";
export { describeError, FinchError } from "./errors.ts";
export type { FaultKind, FinchErrorOptions } from "./errors.ts";
export type { FileHandle, FileSystem } from "./file-system.ts";
export { createLogger, formatLogfmt, silentLogger } from "./log.ts";
export type { LogEvent, LogFields, Logger, LogLevel, LogSink } from "./log.ts";
