/**
 * The file operations durable code needs, as a parameter: the real ones (`nodeFileSystem`), or a test's that fail on demand.
 * Only durable code (store, the agent's queues and positions) takes it; nothing else needs the indirection.
 */

export interface FileHandle {
  /** Reads up to `target.length` bytes at `position`; returns how many were read, 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Writes all of `source` at `position`. */
  write(source: Uint8Array, position: number): Promise<void>;
  /** Flushes data and the metadata needed to read it back (fdatasync). */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface FileSystem {
  /** With `log` the file is created, and what `write` resolved for is durable, as if `sync` had followed; a failed write means what a failed sync does. */
  open(path: string, mode: "read" | "create" | "append" | "log"): Promise<FileHandle>;
  readFile(path: string): Promise<Uint8Array>;
  /** Names in a directory, sorted; empty when it does not exist. */
  list(directory: string): Promise<readonly string[]>;
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a whole directory; nothing happens when it is not there. */
  remove(path: string): Promise<void>;
  /** Makes renames, creations and removals in the directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Size in bytes of a file, or of all files below a directory. */
  sizeOf(path: string): Promise<number>;
  space(path: string): Promise<{ readonly totalBytes: number; readonly freeBytes: number }>;
}
