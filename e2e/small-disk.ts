/** A small disk of its own for a test to fill: a tmpfs, which needs root. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallDisk extends AsyncDisposable {
  /** Where it is mounted; undefined when it could not be, for the reason in `skip`. */
  readonly directory: string | undefined;
  readonly skip: string;
}

/** Mounts a tmpfs of so many bytes, or says why it cannot; disposing unmounts it. */
export async function mountSmallDisk(bytes: number): Promise<SmallDisk> {
  const none = (skip: string): SmallDisk => ({
    directory: undefined,
    skip,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
  if (process.getuid?.() !== 0) return none("mounting a tmpfs needs root");
  const directory = await mkdtemp(join(tmpdir(), "finch-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", directory], {
      stdio: "pipe",
    });
  } catch (error) {
    await rm(directory, { recursive: true });
    return none(`no tmpfs can be mounted here: ${(error as Error).message.split("\n")[0]!}`);
  }
  return {
    directory,
    skip: "",
    async [Symbol.asyncDispose]() {
      execFileSync("umount", ["-l", directory]);
      await rm(directory, { recursive: true });
    },
  };
}

/** Writes until there is no room, down to the last byte that fits. */
export function fillDisk(path: string): void {
  const file = openSync(path, "w");
  try {
    for (let size = 1 << 20; size > 0;) {
      try {
        writeSync(file, Buffer.alloc(size, 1));
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
        size >>= 1;
      }
    }
  } finally {
    closeSync(file);
  }
}
