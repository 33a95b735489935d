/** Directories that a power cut does not take back. */
import { dirname } from "node:path";
import type { FileSystem } from "@finch/runtime";

/** Makes a directory and, where they are missing, those above it; its name and its parent's are durable. */
export async function makeDurableDirectory(
  fileSystem: FileSystem,
  directory: string,
): Promise<void> {
  await fileSystem.makeDirectory(directory);
  const parent = dirname(directory);
  await fileSystem.syncDirectory(parent);
  await fileSystem.syncDirectory(dirname(parent)).catch((error: NodeJS.ErrnoException) => {
    // What holds the data directory may be closed to us; then it was made by somebody else.
    if (error.code !== "EACCES" && error.code !== "EPERM") throw error;
  });
}

/** Replaces a file as a whole: after a crash it has the old bytes or the new ones. */
export async function replaceFile(
  fileSystem: FileSystem,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const temporary = `${path}.tmp`;
  const handle = await fileSystem.open(temporary, "create");
  try {
    await handle.write(bytes, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fileSystem.rename(temporary, path);
  await fileSystem.syncDirectory(dirname(path));
}
