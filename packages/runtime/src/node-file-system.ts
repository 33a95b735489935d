/** The {@link FileSystem} of this machine, over `node:fs/promises`. Errors come through as Node throws them, with `code` (`ENOSPC`, `EIO` …). */
import { constants, read, write } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat, statfs } from "node:fs/promises";
import type { FileHandle as NodeHandle } from "node:fs/promises";
import { join } from "node:path";
import type { FileHandle, FileSystem } from "./file-system.ts";

const OPEN_FLAGS = {
  read: constants.O_RDONLY,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
  // Not O_APPEND: with it Linux ignores the position of a write.
  append: constants.O_RDWR | constants.O_CREAT,
  // Durable in the same call: half the trips to the thread pool of a write and a sync.
  log: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | constants.O_DSYNC,
} as const;

/** Files of this machine; readable by the owner and the group only. */
export const nodeFileSystem: FileSystem = {
  async open(path, mode) {
    return wrapHandle(await open(path, OPEN_FLAGS[mode], 0o640));
  },
  readFile: (path) => readFile(path),
  async list(directory) {
    try {
      return (await readdir(directory)).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  },
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o750 });
  },
  rename,
  async remove(path) {
    await rm(path, { recursive: true, force: true });
  },
  async syncDirectory(path) {
    await using handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    await handle.sync();
  },
  sizeOf,
  async space(path) {
    const { bsize, blocks, bavail } = await statfs(path);
    return { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
  },
};

function wrapHandle(handle: NodeHandle): FileHandle {
  return {
    async read(target, position) {
      let done = 0;
      while (done < target.length) {
        const got = await readSome(handle.fd, target, done, position + done);
        if (got === 0) break;
        done += got;
      }
      return done;
    },
    write: (source, position) => writeAll(handle.fd, source, position),
    sync: () => handle.datasync(),
    truncate: (size) => handle.truncate(size),
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  };
}

/** Likewise. */
function readSome(fd: number, target: Uint8Array, at: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, target, at, target.length - at, position, (error, bytesRead) => {
      if (error === null) resolve(bytesRead);
      else reject(error);
    });
  });
}

/** By callback: a promise of `FileHandle` costs more than the write of a small record. */
function writeAll(fd: number, source: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const writeFrom = (done: number): void =>
      write(fd, source, done, source.length - done, position + done, (error, bytesWritten) => {
        if (error !== null) reject(error);
        else if (done + bytesWritten < source.length) writeFrom(done + bytesWritten);
        else resolve();
      });
    writeFrom(0);
  });
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(ignoreMissing);
  if (found === undefined) return 0;
  if (!found.isDirectory()) return found.size;
  let total = 0;
  // A file may vanish between the listing and the look at it; then it counts nothing.
  for (const name of await readdir(path)) total += await sizeOf(join(path, name));
  return total;
}

function ignoreMissing(error: unknown): undefined {
  if (isMissing(error)) return undefined;
  throw error;
}

function isMissing(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ENOENT";
}
